/* Source addresses: made up for loopback, read from lists, handed out evenly. */
#include "load/source.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static union io_address v4(const char *text)
{
    union io_address address = {.in = {.sin_family = AF_INET}};
    cr_assert(eq(int, inet_pton(AF_INET, text, &address.in.sin_addr), 1));
    return address;
}

static bool is_v4(const union io_address *address, const char *text)
{
    const union io_address wanted = v4(text);
    return address->in.sin_family == AF_INET && address->in.sin_port == 0 &&
           address->in.sin_addr.s_addr == wanted.in.sin_addr.s_addr;
}

Test(source, is_spread_so_that_no_address_has_too_many_connections)
{
    const union io_address target = v4("127.0.0.1");
    const uint32_t counts[] = {1, 12000, 12001, 20000, 100000, 1000000};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct sources s;
        cr_assert(eq(int, sources_spread(&s, &target, counts[i]), 0));
        if (counts[i] <= SOURCE_SPREAD_MAX)
            cr_assert(eq(u32, s.count, 0));
        else
            cr_assert(ge(u32, s.count * SOURCE_SPREAD_MAX, counts[i]));
        for (uint32_t j = 0; j < s.count; j++)
            cr_assert(source_is_loopback(&s.at[j]));
        sources_fini(&s);
    }
}

Test(source, is_not_spread_for_other_targets)
{
    const union io_address far = v4("192.0.2.1");
    const union io_address v6 = {
        .in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}};
    struct sources s;
    cr_assert(eq(int, sources_spread(&s, &far, 1000000), 0));
    cr_assert(eq(u32, s.count, 0));
    cr_assert(eq(int, sources_spread(&s, &v6, 1000000), 0));
    cr_assert(eq(u32, s.count, 0));
    cr_assert(sources_for(&s, 7) == NULL);
}

Test(source, lists_hold_addresses_and_ranges)
{
    struct sources s;
    cr_assert(sources_parse(&s, "10.0.0.1,10.0.0.254-10.0.1.1,10.9.9.9") == NULL);
    cr_assert(eq(u32, s.count, 6));
    cr_assert(is_v4(&s.at[0], "10.0.0.1"));
    cr_assert(is_v4(&s.at[1], "10.0.0.254"));
    cr_assert(is_v4(&s.at[4], "10.0.1.1"));
    cr_assert(is_v4(sources_for(&s, 5), "10.9.9.9"));
    cr_assert(is_v4(sources_for(&s, 6), "10.0.0.1"));
    sources_fini(&s);
    cr_assert(sources_parse(&s, "::1,fe80::1") == NULL);
    cr_assert(eq(u32, s.count, 2));
    sources_fini(&s);
}

Test(source, lists_that_make_no_sense_are_refused)
{
    const char *const wrong[] = {"",
                                 ",",
                                 "10.0.0.1,",
                                 "10.0.0",
                                 "10.0.0.256",
                                 "10.0.0.2-10.0.0.1",
                                 "10.0.0.1-",
                                 "-10.0.0.1",
                                 "10.0.0.1-10.0.0.2-10.0.0.3",
                                 "::1-::2",
                                 "::1,10.0.0.1",
                                 "10.0.0.0-10.255.255.255",
                                 "0.0.0.0-255.255.255.255"};
    struct sources s;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert(sources_parse(&s, wrong[i]) != NULL, "%s", wrong[i]);
        cr_assert(s.at == NULL);
    }
}

Test(source, of_20000_connections_is_one_address_at_least)
{
    cr_assert(eq(u32, sources_needed(1), 1));
    cr_assert(eq(u32, sources_needed(20000), 1));
    cr_assert(eq(u32, sources_needed(20001), 2));
    cr_assert(eq(u32, sources_needed(1000000), 50));
}
