/* Event streams as a client reads them: the same blocks wherever the bytes are cut. */
#include "cat/event_stream.h"
#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static void say(struct text *said, const char *name, struct bytes value)
{
    if (!value.at)
        return;
    text_printf(said, "%s=", name);
    text_add(said, value);
    text_add_byte(said, ' ');
}

static void feed(struct event_stream *s, struct text *said, struct bytes bytes)
{
    struct event_block block;
    struct bytes in = span_bytes(guarded_copy(bytes));
    while (event_stream_next(s, &in, &block)) {
        say(said, "event", block.event);
        say(said, "id", block.id);
        say(said, "data", block.data);
        text_add_byte(said, '|');
    }
    cr_assert(eq(sz, in.len, 0));
}

/* In two pieces, cut everywhere, and byte by byte (cut == len). */
static void check_cut(struct bytes stream, size_t cut, const char *wanted)
{
    struct event_stream s = {0};
    struct text said = {0};
    if (cut < stream.len) {
        feed(&s, &said, (struct bytes){stream.at, cut});
        feed(&s, &said, bytes_skip(stream, cut));
    }
    for (size_t i = 0; cut == stream.len && i < stream.len; i++)
        feed(&s, &said, (struct bytes){stream.at + i, 1});
    text_add_byte(&said, '\0');
    cr_assert(eq(str, (char *)said.at, (char *)wanted), "cut at %zu", cut);
    text_fini(&said);
    event_stream_fini(&s);
    guarded_release();
}

static void check(const char *stream, const char *wanted)
{
    for (size_t cut = 0; cut <= strlen(stream); cut++)
        check_cut(bytes_from(stream), cut, wanted);
}

Test(event_stream, tells_fields_and_blocks)
{
    check("id: 7\nevent: x\ndata: one\n\ndata: two\n\n", "event=x id=7 data=one |data=two |");
}

Test(event_stream, joins_lines_of_data_with_lf)
{
    check("data: a\ndata:b\ndata:  c\ndata\ndata: \n\n", "data=a\nb\n c\n\n |");
}

Test(event_stream, knows_three_line_ends)
{
    check("data: a\rid: 1\r\n\r\ndata: b\n\rdata: c\r\r", "id=1 data=a |data=b |data=c |");
}

Test(event_stream, passes_over_comments_and_unknown_fields)
{
    check(":\n: hello\nfoo: bar\nDATA: x\n\n:\ndata: y\n\n", "data=y |");
}

Test(event_stream, tells_an_id_without_data)
{
    check("retry: 3000\nid: e-5\n\nid: e-6\ndata: x\n\n", "id=e-5 |id=e-6 data=x |");
}

Test(event_stream, takes_empty_data_for_a_message)
{
    check("data\n\ndata:\n\n", "data= |data= |");
}

Test(event_stream, forgets_the_name_of_a_block_without_data)
{
    check("event: x\n\ndata: a\n\n", "data=a |");
}

Test(event_stream, takes_one_byte_order_mark_away)
{
    check("\xef\xbb\xbf"
          "data: \xef\xbb\xbfx\n\n",
          "data=\xef\xbb\xbfx |");
    check("\xef\xbb\xbf\xef\xbb\xbf"
          "data: x\n\n",
          "");
}

Test(event_stream, does_not_tell_what_is_not_finished)
{
    check("data: a\n\ndata: b\n", "data=a |");
}

Test(event_stream, does_not_take_an_id_with_nul)
{
    const char stream[] = "id: a\0b\ndata: x\n\n";
    for (size_t cut = 0; cut < sizeof(stream); cut++)
        check_cut((struct bytes){(const uint8_t *)stream, sizeof(stream) - 1}, cut, "data=x |");
}

static uint64_t retry_of(const char *stream)
{
    struct event_stream s = {0};
    struct text said = {0};
    feed(&s, &said, bytes_from(stream));
    const uint64_t ms = s.retry_ms;
    text_fini(&said);
    event_stream_fini(&s);
    guarded_release();
    return ms;
}

Test(event_stream, remembers_how_long_to_wait)
{
    cr_assert(eq(u64, retry_of("retry: 2500\n\n"), 2500));
    cr_assert(eq(u64, retry_of("retry: 2500\nretry: x\nretry: -1\nretry: 1e3\n"), 2500));
    cr_assert(eq(u64, retry_of("retry: 99999999999999999999\n"), 0));
}
