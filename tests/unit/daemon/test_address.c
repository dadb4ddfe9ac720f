/* Listen addresses: what is one, who can reach it, and what to paste into a browser. */
#include "daemon/address.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

static struct address parsed(const char *text)
{
    struct address a;
    cr_assert(address_parse(text, &a), "%s", text);
    return a;
}

Test(address, takes_ipv4_and_bracketed_ipv6_and_localhost)
{
    cr_assert(eq(u16, parsed("0.0.0.0:0").port, 0));
    cr_assert(eq(u16, parsed("127.0.0.1:8080").port, 8080));
    cr_assert(eq(u16, parsed("localhost:1").port, 1));
    cr_assert(eq(u16, parsed("[::]:65535").port, 65535));
    cr_assert(eq(u16, parsed("[1111:2222:3333:4444:5555:6666:255.255.255.255]:9").port, 9));
    cr_assert(parsed("[::1]:1").is_v6);
    cr_assert(not(parsed("1.2.3.4:1").is_v6));
}

Test(address, takes_nothing_else)
{
    static const char *const wrong[] = {
        "",
        ":",
        ":80",
        "80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:100000",
        "127.0.0.1:000080",
        "127.0.0.1:4294967376",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:1 ",
        " 127.0.0.1:1",
        "127.0.0.1:x",
        "127.1:80",
        "256.0.0.1:80",
        "127.0.0.1.1:80",
        "[127.0.0.1]:80",
        "::1:80",
        "[::1]",
        "[::1]:",
        "[::1:80",
        "::1]:80",
        "[]:80",
        "[:80",
        "]:80",
        "[::1%lo]:80",
        "*:80",
        "example.org:80",
        "http://127.0.0.1:80",
        "[1111:2222:3333:4444:5555:6666:255.255.255.2555]:9",
        "[0000000000000000000000000000000000000000000000000000000000000000001]:9",
    };
    struct address a;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert(not(address_parse(wrong[i], &a)), "%s", wrong[i]);
}

Test(address, is_no_address_before_its_end)
{
    static const char whole[] = "[2001:db8::17]:1";
    struct address a;
    for (size_t cut = 0; cut < sizeof(whole) - 1; cut++) {
        char *part = strndup(whole, cut); /* ends where the heap block does */
        cr_assert(not(address_parse(part, &a)), "cut at %zu", cut);
        free(part);
    }
    cr_assert(address_parse(whole, &a));
}

static bool equal(const char *a_text, const char *b_text)
{
    const struct address a = parsed(a_text), b = parsed(b_text);
    return address_is_equal(&a, &b);
}

Test(address, is_equal_whatever_its_spelling)
{
    cr_assert(equal("127.0.0.1:80", "localhost:080"));
    cr_assert(equal("[::1]:80", "[0:0:0:0:0:0:0:1]:80"));
    cr_assert(not(equal("127.0.0.1:80", "127.0.0.1:81")));
    cr_assert(not(equal("127.0.0.1:80", "127.0.0.2:80")));
    cr_assert(not(equal("[::1]:80", "[::2]:80")));
    cr_assert(not(equal("[::]:80", "0.0.0.0:80")));
}

Test(address, knows_what_only_this_machine_can_reach)
{
    static const char *const inside[] = {"127.0.0.1:1", "127.255.0.9:1", "localhost:1", "[::1]:1",
                                         "[::ffff:127.0.0.1]:1"};
    static const char *const outside[] = {"0.0.0.0:1",           "[::]:1",      "10.0.0.1:1",
                                          "128.0.0.1:1",         "126.0.0.1:1", "[fe80::1]:1",
                                          "[::ffff:10.0.0.1]:1", "[::7f00:1]:1"};
    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
        const struct address a = parsed(inside[i]);
        cr_assert(address_is_loopback(&a), "%s", inside[i]);
    }
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        const struct address a = parsed(outside[i]);
        cr_assert(not(address_is_loopback(&a)), "%s", outside[i]);
    }
}

static void expect_host(const char *text, const char *expected)
{
    char host[ADDRESS_HOST_MAX];
    const struct address a = parsed(text);
    address_host_for_url(&a, host);
    cr_assert(eq(str, host, (char *)expected), "%s", text);
}

Test(address, becomes_a_host_that_a_browser_can_open)
{
    expect_host("0.0.0.0:1", "127.0.0.1");
    expect_host("[::]:1", "[::1]");
    expect_host("[0:0:0:0:0:0:0:0]:1", "[::1]");
    expect_host("localhost:1", "127.0.0.1");
    expect_host("10.1.2.3:1", "10.1.2.3");
    expect_host("[2001:DB8:0:0::1]:1", "[2001:db8::1]");
    expect_host("[1111:2222:3333:4444:5555:6666:255.255.255.255]:9",
                "[1111:2222:3333:4444:5555:6666:ffff:ffff]");
}
