/* Escapes, query fields and topic names, up to their limits. */
#include "http/target.h"
#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

static struct bytes guarded(const char *text)
{
    return span_bytes(guarded_copy(bytes_from(text)));
}

static int decode(const char *text, bool plus_is_space, const char *expected)
{
    uint8_t out[64];
    const int len = http_percent_decode(guarded(text), plus_is_space, out, sizeof(out));

    if (len >= 0)
        cr_assert(bytes_equal((struct bytes){out, (size_t)len}, bytes_from(expected)), "%s", text);
    guarded_release();
    return len;
}

Test(http_target, decodes_escapes)
{
    cr_assert(eq(int, decode("", false, ""), 0));
    cr_assert(eq(int, decode("a%2Fb%2fc", false, "a/b/c"), 5));
    cr_assert(eq(int, decode("%C3%a4", false, "\xc3\xa4"), 2));
    cr_assert(eq(int, decode("a+b%2B", false, "a+b+"), 4));
    cr_assert(eq(int, decode("a+b%2B", true, "a b+"), 4));
    cr_assert(eq(int, decode("%2525", false, "%25"), 3));
}

Test(http_target, decodes_every_byte)
{
    for (unsigned c = 0; c < 256; c++) {
        char text[8];
        uint8_t out[1];
        snprintf(text, sizeof(text), c % 2 ? "%%%02x" : "%%%02X", c);
        cr_assert(eq(int, http_percent_decode(guarded(text), false, out, 1), 1));
        cr_assert(eq(uint, out[0], c));
    }
    guarded_release();
}

Test(http_target, refuses_broken_escapes)
{
    static const char *const bad[] = {"%", "%4", "a%", "a%4", "%g0", "%0g", "%%20", "% 20", "%-1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert(eq(int, decode(bad[i], false, ""), -1), "%s", bad[i]);
}

Test(http_target, writes_no_more_than_there_is_room)
{
    for (size_t room = 0; room <= 4; room++) {
        const struct span out = guarded_copy((struct bytes){(const uint8_t *)"....", room});
        const int len = http_percent_decode(guarded("a%62c"), false, out.at, out.len);
        cr_assert(eq(int, len, room < 3 ? -1 : 3), "room for %zu", room);
        guarded_release();
    }
}

/* All fields as "name=value|", "name!|" where there is no value. */
static void check_fields(const char *query, const char *expected)
{
    struct bytes rest = guarded(query), name, value;
    char said[200] = "";

    for (size_t len = 0; http_query_next(&rest, &name, &value); len = strlen(said))
        snprintf(said + len, sizeof(said) - len, "%.*s%s%.*s|", (int)name.len, name.at,
                 value.at ? "=" : "!", (int)value.len, value.at ? (const char *)value.at : "");
    cr_assert(eq(str, said, (char *)expected), "%s", query);
    guarded_release();
}

Test(http_target, steps_through_a_query)
{
    check_fields("", "");
    check_fields("a=1", "a=1|");
    check_fields("a=1&b=2&a=3", "a=1|b=2|a=3|");
    check_fields("a&b=&=c&=", "a!|b=|=c|=|");
    check_fields("&&a=1&&b&", "a=1|b!|");
    check_fields("a=b=c%26", "a=b=c%26|");
    check_fields("&", "");
}

Test(http_target, finds_no_field_in_an_absent_query)
{
    struct bytes none = {NULL, 0}, name, value;
    uint8_t out[4];
    cr_assert(not(http_query_next(&none, &name, &value)));
    cr_assert(eq(int, http_query_get(none, "a", out, sizeof(out)), -1));
}

static void check_get(const char *query, int len, const char *expected)
{
    uint8_t out[8];
    cr_assert(eq(int, http_query_get(guarded(query), "after", out, sizeof(out)), len), "%s", query);
    if (len >= 0)
        cr_assert(bytes_equal((struct bytes){out, (size_t)len}, bytes_from(expected)), "%s", query);
    guarded_release();
}

Test(http_target, gets_the_first_value_decoded)
{
    check_get("x=1&after=no%77+x&after=2", 5, "now x");
    check_get("%61fter=now", 3, "now");
    check_get("after", 0, "");
    check_get("after=", 0, "");
    check_get("after=12345678", 8, "12345678");
}

Test(http_target, tells_absent_values_from_bad_ones)
{
    check_get("", -1, "");
    check_get("before=1&afte=2&afterx=3&After=4", -1, "");
    check_get("after=%", -2, "");
    check_get("after=123456789", -2, "");
    check_get("%=1&after=2", 1, "2");
}

static const char *problem(struct bytes topic)
{
    const char *said = topic_name_problem(span_bytes(guarded_copy(topic)));
    guarded_release();
    return said;
}

Test(http_target, takes_topics_of_utf8)
{
    static const char *const good[] = {"a",
                                       "a.b.c",
                                       "a/b",
                                       "/",
                                       "a*",
                                       "*a.b#",
                                       "#*",
                                       "a b",
                                       "%",
                                       "\xc3\xa4",
                                       "\xf0\x9f\x93\xa3",
                                       "**",
                                       "\xc2\xa0",
                                       "\xe0\xa0\x80",
                                       "\xc3\x80"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        cr_assert(problem(bytes_from(good[i])) == NULL, "%s: %s", good[i],
                  problem(bytes_from(good[i])));
}

Test(http_target, refuses_other_topics)
{
    static const char *const bad[] = {"",     ".",    ".a",           "a.",       "a..b",
                                      "*",    "#",    "a.*",          "#.a",      "a.#.b",
                                      "a\n",  "\x7f", "\x1f",         "\xc2\x80", "a\xc2\x9fz",
                                      "\xff", "\xc3", "\xed\xa0\x80", "\xc0\xae"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert(problem(bytes_from(bad[i])) != NULL, "%s", bad[i]);
    cr_assert(problem((struct bytes){(const uint8_t *)"a\0b", 3}) != NULL);
}

Test(http_target, bounds_the_length_of_topics)
{
    uint8_t topic[TOPIC_MAX + 1];
    memset(topic, 't', sizeof(topic));
    cr_assert(problem((struct bytes){topic, TOPIC_MAX}) == NULL);
    cr_assert(problem((struct bytes){topic, TOPIC_MAX + 1}) != NULL);
}

Test(http_target, numbers_in_queries)
{
    uint64_t n = 7;
    cr_assert(eq(int, http_query_number(guarded("a=1&n=0060"), "n", &n), 0));
    cr_assert(eq(u64, n, 60));
    cr_assert(eq(int, http_query_number(guarded("n=999999999"), "n", &n), 0));
    cr_assert(eq(u64, n, 999999999));
    cr_assert(eq(int, http_query_number(guarded("a=1"), "n", &n), HTTP_QUERY_ABSENT));
    cr_assert(eq(u64, n, 999999999), "left as it was");
    const char *const bad[] = {"n=", "n", "n=-1", "n=+1", "n=1x", "n=%zz", "n=1000000000"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert(eq(int, http_query_number(guarded(bad[i]), "n", &n), HTTP_QUERY_BAD), "%s",
                  bad[i]);
    guarded_release();
}

Test(topic_filter, may_have_wildcards_as_whole_levels)
{
    const char *const fine[] = {"a",
                                "*",
                                "#",
                                "a.*.b",
                                "*.*",
                                "a.#",
                                "*.#",
                                "a*b",
                                "#a",
                                "a.b#",
                                "*.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a"};
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
        cr_assert(eq(ptr, (void *)(uintptr_t)topic_filter_problem(guarded(fine[i])), NULL), "%s",
                  fine[i]);
    const char *const bad[] = {"*.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a",
                               "",
                               "#.a",
                               "a.#.b",
                               "a..b",
                               ".",
                               "a.",
                               "\x01",
                               "\xff"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert(ne(ptr, (void *)(uintptr_t)topic_filter_problem(guarded(bad[i])), NULL), "%s",
                  bad[i]);
    guarded_release();
}
