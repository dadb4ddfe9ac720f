/* A client's event streams: the same data wherever the bytes are cut, with and without chunks. */
#include "base/text.h"
#include "load/events.h"
#include "load/response.h"
#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

/* Takes all events out of what there is; returns what is left. */
static struct bytes take_all(struct text *said, struct bytes in)
{
    struct bytes data;
    while (events_next(&in, &data)) {
        text_add(said, data);
        text_add_byte(said, '|');
    }
    return in;
}

static struct bytes feed(struct text *said, struct bytes left, struct bytes more)
{
    struct text whole = {0};
    text_add(&whole, left);
    text_add(&whole, more);
    const struct bytes in = span_bytes(guarded_copy(text_bytes(&whole)));
    text_fini(&whole);
    return take_all(said, in);
}

static void check_said(struct text *said, const char *wanted, size_t cut)
{
    text_add_byte(said, '\0');
    cr_assert(eq(str, (char *)said->at, (char *)wanted), "cut at %zu", cut);
    text_fini(said);
    guarded_release();
}

static void check(struct bytes stream, const char *wanted)
{
    for (size_t cut = 0; cut <= stream.len; cut++) {
        struct text said = {0};
        const struct bytes left = feed(&said, (struct bytes){0}, (struct bytes){stream.at, cut});
        (void)feed(&said, left, bytes_skip(stream, cut));
        check_said(&said, wanted, cut);
    }
    struct text said = {0};
    struct bytes left = {0};
    for (size_t i = 0; i < stream.len; i++)
        left = feed(&said, left, (struct bytes){stream.at + i, 1});
    check_said(&said, wanted, SIZE_MAX);
}

Test(events, gives_the_data_of_each_event)
{
    check(BYTES_LITERAL("retry: 3000\nid: 1\n\nid: 2\nevent: x\ndata: one\n\ndata:two\n\n"
                        "data\n\ndata: \n\n"),
          "one|two|||");
}

Test(events, takes_every_line_ending)
{
    check(BYTES_LITERAL("data: a\r\n\r\ndata: b\r\rdata: c\n\ndata: d\r\n\n"), "a|b|c|d|");
}

Test(events, ignores_comments_and_other_fields)
{
    check(BYTES_LITERAL(":\n: hello\ndatax: no\ndata: yes\n:in between\nid: 7\n\ndatum: no\n\n"),
          "yes|");
}

Test(events, of_several_lines_are_told_as_something_that_nobody_sent)
{
    check(BYTES_LITERAL("data: first\ndata: second\nid: 1\n\n"), "first\ndata: second|");
}

Test(events, that_only_say_when_to_come_again_are_a_refusal)
{
    cr_assert(events_is_refusal(BYTES_LITERAL("retry: 2000\n\n")));
    cr_assert(events_is_refusal(BYTES_LITERAL("retry:1\r\n\r\n")));
    cr_assert(not(events_is_refusal(BYTES_LITERAL(""))));
    cr_assert(not(events_is_refusal(BYTES_LITERAL("retry: 2000\n"))));
    cr_assert(not(events_is_refusal(BYTES_LITERAL("retry: 2000\nid: 1-2\n\n"))));
    cr_assert(not(events_is_refusal(BYTES_LITERAL("retry: 2000\n\ndata: x\n\n"))));
    cr_assert(not(events_is_refusal(BYTES_LITERAL(": hi\n\n"))));
}

Test(events, without_their_empty_line_are_not_told)
{
    check(BYTES_LITERAL("data: a\n\ndata: b\n"), "a|");
}

/* A heartbeat is no beginning of an event: nothing is kept of it. */
Test(events, leaves_nothing_of_heartbeats)
{
    struct text said = {0};
    const struct bytes left = feed(&said, (struct bytes){0}, BYTES_LITERAL(":\n: hb\n"));
    cr_assert(eq(sz, left.len, 0));
    text_fini(&said);
    guarded_release();
}

static struct http_body chunked(void)
{
    struct http_body body;
    cr_assert(response_body_init(&(struct response){.chunked = true}, &body));
    return body;
}

Test(events, are_freed_of_chunks_wherever_these_cut)
{
    const struct bytes stream =
        BYTES_LITERAL("5\r\ndata:\r\n9;x=y\r\n abc\n\ndat\r\n7\r\na: de\n\n\r\n");
    for (size_t cut = 0; cut <= stream.len; cut++) {
        struct text said = {0}, bytes = {0};
        struct http_body body = chunked();
        const struct bytes parts[] = {{stream.at, cut}, bytes_skip(stream, cut)};
        for (size_t i = 0; i < 2; i++) {
            struct span raw = guarded_copy(parts[i]);
            cr_assert(eq(int, events_unframe(&body, &raw), EVENTS_GOES_ON));
            text_add(&bytes, span_bytes(raw));
        }
        (void)take_all(&said, text_bytes(&bytes));
        check_said(&said, "abc|de|", cut);
        text_fini(&bytes);
    }
}

Test(events, end_with_the_last_chunk_and_notice_bad_ones)
{
    struct http_body body = chunked();
    struct span raw = guarded_copy(BYTES_LITERAL("3\r\nabc\r\n0\r\n\r\n"));
    cr_assert(eq(int, events_unframe(&body, &raw), EVENTS_ENDED));
    cr_assert(bytes_equal(span_bytes(raw), BYTES_LITERAL("abc")));
    body = chunked();
    raw = guarded_copy(BYTES_LITERAL("data: x\n\n"));
    cr_assert(eq(int, events_unframe(&body, &raw), EVENTS_BAD));
    guarded_release();
}
