/* What a subscription asks for: names, formats, places, out of queries, fields and bodies; and what
 * is refused. */
#include "conn/asking.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>

static struct http_request request;
static struct asking asking;
static char head[16384];

/* The code of what is wrong, or "". The names and places stay in `asking`. */
static const char *ask(const char *topic, const char *query, const char *fields)
{
    size_t scanned = 0, head_len;
    unsigned status;
    const char *why;
    snprintf(head, sizeof(head), "GET /t%s%s HTTP/1.1\r\nHost: a\r\n%s\r\n", query[0] ? "?" : "",
             query, fields);
    cr_assert(eq(int,
                 http_request_parse(&request, bytes_from(head), &scanned, &head_len, &status, &why),
                 HTTP_PARSE_DONE));
    asking_fini(&asking);
    const struct asking_problem problem =
        asking_from_request(&asking, &request, topic ? bytes_from(topic) : (struct bytes){0});
    return problem.code ? problem.code : "";
}

static const char *ask_body(const char *body, const char *fields)
{
    (void)ask("t", "", fields);
    asking_fini(&asking);
    const struct asking_problem problem = asking_from_body(&asking, &request, bytes_from(body));
    return problem.code ? problem.code : "";
}

static void expect(const char *code, const char *expected)
{
    cr_assert(eq(str, (char *)(uintptr_t)code, (char *)(uintptr_t)expected));
}

static void expect_name(unsigned i, const char *name)
{
    cr_assert(lt(uint, i, asking.name_count));
    cr_assert(bytes_equal(asking.names[i], bytes_from(name)), "%s", name);
}

TestSuite(asking);

Test(asking, one_plain_topic_is_raw_from_now_on)
{
    expect(ask("news", "", ""), "");
    cr_assert(eq(uint, asking.name_count, 1));
    expect_name(0, "news");
    cr_assert(not(asking.json));
    cr_assert(not(asking.is_given));
    cr_assert(eq(int, asking.start.kind, START_NOW));
}

Test(asking, several_topics_and_patterns_are_json)
{
    expect(ask(NULL, "topic=a&x=1&topic=b%20+c&topic=d.%23", ""), "");
    cr_assert(eq(uint, asking.name_count, 3));
    expect_name(0, "a");
    expect_name(1, "b  c");
    expect_name(2, "d.#");
    cr_assert(asking.json);
    expect(ask("a.*", "", ""), "");
    cr_assert(asking.json);
    expect(ask("a.*.b", "format=raw", ""), "");
    cr_assert(not(asking.json));
    expect(ask("a", "format=json", ""), "");
    cr_assert(asking.json);
}

Test(asking, what_is_no_topic_is_refused)
{
    const char *const bad[] = {
        "",         "topic=",        "topic=a..b", "topic=%ff",     "topic=%0a",
        "topic=%2", "topic=a.%23.b", "topic=.",    "topic=a&topic="};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect(ask(NULL, bad[i], ""), "bad_topic");
    expect(ask("a", "format=xml", ""), "bad_format");
    expect(ask("a", "format=", ""), "bad_format");
    expect(ask("a", "format=jsonjsonjson", ""), "bad_format");
}

Test(asking, at_most_256_names)
{
    char query[8000] = "";
    for (int i = 0; i < SET_FILTERS_MAX; i++)
        snprintf(query + strlen(query), sizeof(query) - strlen(query), "topic=t%d&", i);
    expect(ask(NULL, query, ""), "");
    cr_assert(eq(uint, asking.name_count, 256));
    expect_name(255, "t255");
    strcat(query, "topic=one-more");
    expect(ask(NULL, query, ""), "too_many_topics");
}

Test(asking, a_place_in_the_query)
{
    expect(ask("t", "after=earliest", ""), "");
    cr_assert(eq(int, asking.start.kind, START_EARLIEST));
    expect(ask("t", "after=now", ""), "");
    cr_assert(eq(int, asking.start.kind, START_NOW));
    cr_assert(asking.is_given);
    const char *const names[] = {"after", "lastEventId", "last_event_id"};
    for (int i = 0; i < 3; i++) {
        char query[80];
        snprintf(query, sizeof(query), "%s=00000000000000ab-7", names[i]);
        expect(ask("t", query, ""), "");
        cr_assert(eq(int, asking.start.kind, START_CURSOR));
        cr_assert(eq(u64, asking.start.cursor.epoch, 0xab));
        cr_assert(eq(u64, asking.start.cursor.seq, 7));
        cr_assert(bytes_equal(asking.start.given, BYTES_LITERAL("00000000000000ab-7")));
        snprintf(query, sizeof(query), "%s=00000000000000ab-07", names[i]);
        expect(ask("t", query, ""), "bad_cursor");
    }
    expect(ask("t", "after=", ""), "bad_cursor");
    expect(ask("t", "lastEventId=", ""), "");
    cr_assert(not(asking.is_given));
}

Test(asking, the_newest_few)
{
    expect(ask("t", "last=0", ""), "");
    cr_assert(eq(int, asking.start.kind, START_LAST));
    expect(ask("t", "last=1000", ""), "");
    cr_assert(eq(u32, asking.start.last, 1000));
    const char *const bad[] = {"last=1001", "last=-1", "last=", "last=x", "last=99999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect(ask("t", bad[i], ""), "bad_last");
    expect(ask("t", "last=5&after=earliest", ""), "");
    cr_assert(eq(int, asking.start.kind, START_EARLIEST), "a cursor wins");
}

Test(asking, last_event_id_wins_and_is_never_an_error)
{
    expect(ask("t", "after=now", "Last-Event-ID: 00000000000000ab-7\r\n"), "");
    cr_assert(eq(int, asking.start.kind, START_CURSOR));
    expect(ask("t", "last=7", "Last-Event-ID: nonsense\r\n"), "");
    cr_assert(eq(int, asking.start.kind, START_UNREADABLE));
    cr_assert(bytes_equal(asking.start.given, BYTES_LITERAL("nonsense")));
    expect(ask("t", "", "Last-Event-ID: \xff\r\n"), "");
    cr_assert(eq(int, asking.start.kind, START_UNREADABLE));
    cr_assert(eq(sz, asking.start.given.len, 0), "what is no text is not echoed");
    expect(ask("t", "", "Last-Event-ID: earliest\r\n"), "");
    cr_assert(eq(int, asking.start.kind, START_EARLIEST));
}

Test(asking, a_body_says_the_same)
{
    expect(ask_body("{\"topics\":[\"a\",\"b.*\"],\"after\":\"earliest\"}", ""), "");
    cr_assert(eq(uint, asking.name_count, 2));
    expect_name(1, "b.*");
    cr_assert(asking.json);
    cr_assert(eq(int, asking.start.kind, START_EARLIEST));
    expect(ask_body("{\"topics\":[\"\\u00e4\"],\"last\":3,\"format\":\"json\"}", ""), "");
    expect_name(0, "\xc3\xa4");
    cr_assert(asking.json);
    cr_assert(eq(int, asking.start.kind, START_LAST));
    expect(
        ask_body("{\"topics\":[\"a\"],\"after\":\"now\"}", "Last-Event-ID: 00000000000000ab-7\r\n"),
        "");
    cr_assert(eq(int, asking.start.kind, START_CURSOR));
    cr_assert(bytes_equal(asking.start.given, BYTES_LITERAL("00000000000000ab-7")));
}

Test(asking, a_bad_body_is_refused)
{
    const char *const bad[] = {"",
                               "{",
                               "[]",
                               "\"t\"",
                               "{}",
                               "{\"topics\":\"a\"}",
                               "{\"topics\":[1]}",
                               "{\"topics\":[\"a\"],\"x\":1}",
                               "{\"topics\":[\"a\"],\"after\":1}",
                               "{\"topics\":[\"a\"]}}",
                               "{\"topics\":[\"a\"],\"format\":1}",
                               "{\"topics\":[\"a\"],\"topics\":[\"b\"]}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect(ask_body(bad[i], ""), "bad_body");
    expect(ask_body("{\"topics\":[]}", ""), "bad_topic");
    expect(ask_body("{\"topics\":[\"\"]}", ""), "bad_topic");
    expect(ask_body("{\"topics\":[\"a\\u0000b\"]}", ""), "bad_body");
    expect(ask_body("{\"topics\":[\"a\"],\"last\":-1}", ""), "bad_last");
    expect(ask_body("{\"topics\":[\"a\"],\"last\":1001}", ""), "bad_last");
    expect(ask_body("{\"topics\":[\"a\"],\"after\":\"x\"}", ""), "bad_cursor");
}
