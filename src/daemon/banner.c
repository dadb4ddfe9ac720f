/* URLs and commands for the first minute. What the server serves there is not decided here. */
#include "daemon/banner.h"

#include "daemon/address.h"

#include <assert.h>
#include <string.h>

/* The one place that knows jemalloc. Calling it is also what keeps the linker from dropping it. */
#ifdef UPROAR_JEMALLOC
#include <jemalloc/jemalloc.h>

static void print_allocator(FILE *out)
{
    const char *version = "?";
    size_t len = sizeof(version);
    mallctl("version", &version, &len, NULL, 0);
    fprintf(out, "malloc: jemalloc %s\n", version);
}
#else
static void print_allocator(FILE *out)
{
    fputs("malloc: libc\n", out);
}
#endif

enum { PLACE_MAX = ADDRESS_HOST_MAX + 6 };

/* HOST:PORT that this machine can connect to. */
static void place_format(const struct banner *b, size_t listener, char out[static PLACE_MAX])
{
    char host[ADDRESS_HOST_MAX];
    struct address address;
    const bool is_readable = address_parse(b->listen[listener].address, &address);
    assert(is_readable);
    (void)is_readable;
    address_host_for_url(&address, host);
    snprintf(out, PLACE_MAX, "%s:%u", host, b->ports[listener]);
}

static bool shell_takes_bare(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./:@%+,-";
    return word[strspn(word, plain)] == '\0';
}

/* Inside single quotes only the quote itself means something to a shell. */
static void print_shell_word(FILE *out, const char *word)
{
    if (shell_takes_bare(word)) {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (; *word; word++) {
        if (*word == '\'')
            fputs("'\\'", out);
        fputc(*word, out);
    }
    fputc('\'', out);
}

static void print_token_header(FILE *out, const char *file)
{
    if (!file)
        return;
    fputs(" -H \"Authorization: Bearer $(cat ", out);
    if (file[0] == '-')
        fputs("./", out);
    print_shell_word(out, file);
    fputs(")\"", out);
}

static void print_curl(FILE *out, const char *flags, const char *token_file, const char *place)
{
    char url[PLACE_MAX + 16];
    snprintf(url, sizeof(url), "http://%s/t/demo", place);
    fprintf(out, "curl %s", flags);
    print_token_header(out, token_file);
    fputc(' ', out);
    print_shell_word(out, url); /* [::1] is a pattern to some shells */
    fputc('\n', out);
}

void banner_print(FILE *out, const struct banner *b)
{
    char place[PLACE_MAX], other[PLACE_MAX];
    assert(b->listen_count > 0);
    place_format(b, 0, place);
    fprintf(out, "uproar %s ready http://%s\n", b->version, place);
    for (size_t i = 1; i < b->listen_count; i++) {
        place_format(b, i, other);
        fprintf(out, "also       http://%s\n", other);
    }
    fprintf(out, "page       http://%s/\n", place);
    fprintf(out, "WebSocket  ws://%s/t/demo\n", place);
    fprintf(out, "SSE        http://%s/t/demo\n", place);
    fprintf(out, "metrics    http://%s/metrics\n", place);
    print_curl(out, "-N -H \"Accept: text/event-stream\"", b->subscribe_token_file, place);
    print_curl(out, "-d hello", b->publish_token_file, place);
}

void banner_print_version(FILE *out, const char *version)
{
    fprintf(out, "uproar %s\n", version);
    print_allocator(out);
}
