/* The program `uproar-cat`: topics to standard output, standard input to a topic. */
#include "cat/exit_status.h"
#include "cat/follow.h"
#include "cat/publish.h"

#include <curl/curl.h>
#include <stdio.h>

static int print_and_free(struct text *t)
{
    const struct bytes b = text_bytes(t);
    const bool is_out = fwrite(b.at, 1, b.len, stdout) == b.len && fflush(stdout) == 0;
    text_fini(t);
    return is_out ? EXIT_DONE : EXIT_FAILED;
}

static int run(const struct options *o)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return EXIT_FAILED;
    const int status = o->publish ? publish_run(o) : follow_run(o);
    curl_global_cleanup();
    return status;
}

int main(int argc, char **argv)
{
    static struct options o; /* large */
    char why[OPTIONS_WHY_MAX];
    struct text out = {0};
    switch (cat_options_parse(&o, argc, argv, why)) {
    case OPTIONS_RUN:
        return run(&o);
    case OPTIONS_HELP:
        cat_options_add_help(&out);
        break;
    case OPTIONS_VERSION:
        text_add_str(&out, "uproar-cat " UPROAR_VERSION "\n");
        break;
    case OPTIONS_WRONG:
        fprintf(stderr, "uproar-cat: %s\n", why);
        return EXIT_USAGE;
    }
    return print_and_free(&out);
}
