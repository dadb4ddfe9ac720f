/* URLs and commands for the first minute. What the server serves there is not decided here. */
#include "daemon/banner.h"

#include "base/assert.h"
#include "daemon/address.h"

#include <stdio.h>

/* The one place that knows jemalloc. Calling it is also what keeps the linker from dropping it. */
#ifdef UPROAR_JEMALLOC
#include <jemalloc/jemalloc.h>

static void add_allocator(struct text *out)
{
    const char *version = "?";
    size_t len = sizeof(version);
    mallctl("version", &version, &len, NULL, 0);
    text_printf(out, "malloc: jemalloc %s\n", version);
}
#else
static void add_allocator(struct text *out)
{
    text_add_str(out, "malloc: libc\n");
}
#endif

enum { PLACE_MAX = ADDRESS_HOST_MAX + 6 };

/* HOST:PORT that this machine can connect to. */
static void place_format(const struct banner *b, size_t listener, char out[static PLACE_MAX])
{
    char host[ADDRESS_HOST_MAX];
    struct address address;
    const bool is_readable = address_parse(b->listen[listener].address, &address);
    ASSERT(is_readable);
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
static void add_shell_word(struct text *out, const char *word)
{
    if (shell_takes_bare(word)) {
        text_add_str(out, word);
        return;
    }
    text_add_byte(out, '\'');
    for (; *word; word++) {
        if (*word == '\'')
            text_add_str(out, "'\\'");
        text_add_byte(out, (uint8_t)*word);
    }
    text_add_byte(out, '\'');
}

static void add_token_header(struct text *out, const char *file)
{
    if (!file)
        return;
    text_add_str(out, " -H \"Authorization: Bearer $(cat ");
    if (file[0] == '-')
        text_add_str(out, "./");
    add_shell_word(out, file);
    text_add_str(out, ")\"");
}

static void add_curl(struct text *out, const char *flags, const char *token_file, const char *place)
{
    char url[PLACE_MAX + 16];
    snprintf(url, sizeof(url), "http://%s/t/demo", place);
    text_printf(out, "curl %s", flags);
    add_token_header(out, token_file);
    text_add_byte(out, ' ');
    add_shell_word(out, url); /* [::1] is a pattern to some shells */
    text_add_byte(out, '\n');
}

void banner_add(struct text *out, const struct banner *b)
{
    char place[PLACE_MAX], other[PLACE_MAX];
    ASSERT(b->listen_count > 0);
    place_format(b, 0, place);
    text_printf(out, "uproar %s ready http://%s\n", b->version, place);
    for (size_t i = 1; i < b->listen_count; i++) {
        place_format(b, i, other);
        text_printf(out, "also       http://%s\n", other);
    }
    text_printf(out, "page       http://%s/\n", place);
    text_printf(out, "WebSocket  ws://%s/t/demo\n", place);
    text_printf(out, "SSE        http://%s/t/demo\n", place);
    text_printf(out, "metrics    http://%s/metrics\n", place);
    add_curl(out, "-N -H \"Accept: text/event-stream\"", b->subscribe_token_file, place);
    add_curl(out, "-d hello", b->publish_token_file, place);
}

void banner_add_version(struct text *out, const char *version)
{
    text_printf(out, "uproar %s\n", version);
    add_allocator(out);
}
