/* URLs of targets: what is understood, what is refused and in which words. */
#include "load/url.h"
#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct url parsed(const char *text)
{
    struct url url;
    const char *why = url_parse(text, &url);
    cr_assert(why == NULL, "%s: %s", text, why);
    return url;
}

static bool is(struct bytes b, const char *text)
{
    return bytes_equal(b, bytes_from(text));
}

static bool said(struct text *t, const char *wanted)
{
    const bool right = is(text_bytes(t), wanted);
    text_fini(t);
    return right;
}

Test(url, is_taken_apart)
{
    const struct url url = parsed("ws://example.org:8080/t/demo?after=now");
    cr_assert(eq(int, url.scheme, URL_WS));
    cr_assert(is(url.host, "example.org"));
    cr_assert(eq(u16, url.port, 8080));
    cr_assert(is(url.target, "/t/demo?after=now"));
    cr_assert(is(url_path(&url), "/t/demo"));
}

Test(url, has_defaults)
{
    const struct url url = parsed("HTTP://h");
    cr_assert(eq(int, url.scheme, URL_HTTP));
    cr_assert(eq(u16, url.port, 80));
    cr_assert(is(url.target, "/"));
}

Test(url, takes_an_ipv6_address_in_brackets)
{
    struct text out = {0};
    const struct url url = parsed("ws://[::1]:81/x");
    cr_assert(is(url.host, "::1"));
    url_add_authority(&out, &url);
    cr_assert(said(&out, "[::1]:81"));
}

Test(url, leaves_the_default_port_out_of_the_authority)
{
    struct text out = {0};
    const struct url url = parsed("ws://h:80/x");
    url_add_authority(&out, &url);
    cr_assert(said(&out, "h"));
}

Test(url, puts_the_number_where_it_belongs)
{
    struct text out = {0};
    const struct url url = parsed("ws://h/a{n}/{n}?x={n}%20{m}{");
    cr_assert(url_has_number(&url));
    url_add_target(&out, &url, 42);
    cr_assert(said(&out, "/a42/42?x=42%20{m}{"));
    const struct url plain = parsed("ws://h/a{m}");
    cr_assert(not(url_has_number(&plain)));
}

Test(url, that_makes_no_sense_is_refused)
{
    const char *const wrong[] = {"",
                                 "h",
                                 "h:80/x",
                                 "ftp://h/",
                                 "wss://h/",
                                 "https://h/",
                                 "ws://",
                                 "ws:///x",
                                 "ws://:80/x",
                                 "ws://h:0/",
                                 "ws://h:65536",
                                 "ws://h:8a/",
                                 "ws://h:/",
                                 "ws://u@h/",
                                 "ws://[::1/",
                                 "ws://h/#f",
                                 "ws://h/a b",
                                 "ws://h/\xc3",
                                 "ws://h?x",
                                 "ws://[::1]x/",
                                 "ws://h/\x01",
                                 "ws://h:4294967376/"};
    struct url url;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert(url_parse(wrong[i], &url) != NULL, "%s", wrong[i]);
}

Test(url, of_any_length_is_read_within_its_bounds)
{
    const char text[] = "ws://[::1]:8080/t/a?b=c";
    for (size_t len = 0; len < sizeof(text); len++) {
        struct url url;
        char copy[sizeof(text)];
        memcpy(copy, text, len);
        copy[len] = '\0';
        const struct span guarded = guarded_copy((struct bytes){(const uint8_t *)copy, len + 1});
        (void)!url_parse((const char *)guarded.at, &url);
        guarded_release();
    }
}
