/* Origins as flags give them: a browser's header must be able to equal them. */
#include "daemon/origin.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

Test(origin, is_a_scheme_and_a_host_and_perhaps_a_port)
{
    static const char *const right[] = {
        "https://example.org",
        "http://localhost:3000",
        "http://127.0.0.1:8080",
        "http://[::1]",
        "http://[2001:db8::1]:65535",
        "HTTPS://Example.ORG:1",
        "http://under_score.example",
        "https://xn--bcher-kva.example",
        "moz-extension://0a1b",
        "a+b.c-1://h",
        "https://h.",
    };
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        cr_assert(origin_is_valid(right[i]), "%s", right[i]);
}

Test(origin, is_nothing_more_and_nothing_less)
{
    static const char *const wrong[] = {
        "",
        "*",
        "null",
        "example.org",
        "https:",
        "https:/",
        "https://",
        "://h",
        "1a://h",
        "a b://h",
        "//example.org",
        "https:example.org",
        "https://example.org/",
        "https://example.org/a",
        "https://example.org?a",
        "https://example.org#a",
        "https://user@example.org",
        "https://example.org:",
        "https://example.org:0",
        "https://example.org:65536",
        "https://example.org:80/",
        "https://example.org:8x",
        "https://example.org:80:80",
        "https://*.example.org",
        "https://\xc3\xbc.example",
        "https:// example.org",
        "https://example.org ",
        "https://[::1",
        "https://[::1]x",
        "https://[::1]:",
        "https://[]",
        "https://[127.0.0.1]",
        "https://::1",
        "https://[::1]:0",
        "https://[0000000000000000000000000000000000000000000000000000::1]",
        "file://",
        "https://a,https://b",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert(not(origin_is_valid(wrong[i])), "%s", wrong[i]);
}

static bool with_host_of(size_t len)
{
    char text[512] = "http://";
    memset(text + 7, 'h', len);
    return origin_is_valid(text);
}

Test(origin, has_a_host_of_at_most_255_bytes)
{
    cr_assert(with_host_of(255));
    cr_assert(not(with_host_of(256)));
}

Test(origin, ends_where_the_text_ends)
{
    static const char whole[] = "http://[2001:db8::17]:80";
    for (size_t cut = 0; cut < sizeof(whole); cut++) {
        char *part = strndup(whole, cut); /* ends where the heap block does */
        const bool is_whole = cut == 21 || cut >= 23;
        cr_assert(eq(int, origin_is_valid(part), is_whole), "cut at %zu", cut);
        free(part);
    }
}
