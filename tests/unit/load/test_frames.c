/* A client's WebSocket frames: the same events wherever the bytes are cut, fragments joined, and
 * every rule that a server can break (RFC 6455, 5). */
#include "base/text.h"
#include "load/frames.h"
#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

enum { FIN = 0x80, MASKED = 0x80 };

static void say(struct text *said, enum frames_event event, const struct frames_step *step)
{
    static const char *const names[] = {"more", "message", "ping", "pong", "close", "wrong"};
    text_add_str(said, names[event]);
    text_add_byte(said, '(');
    if (event == FRAMES_CLOSE)
        text_printf(said, "%u,", step->code);
    if (event != FRAMES_WRONG)
        text_add(said, step->slice);
    text_add_str(said, ") ");
}

/* As the engine does: what is left over comes back in front of what follows. Returns what is left.
 */
static struct bytes feed(struct text *said, struct bytes left, struct bytes more)
{
    struct frames_step step;
    struct text whole = {0};
    text_add(&whole, left);
    text_add(&whole, more);
    struct span in = guarded_copy(text_bytes(&whole));
    text_fini(&whole);
    for (;;) {
        const enum frames_event event = frames_next(&in, &step);
        if (event == FRAMES_MORE)
            return span_bytes(in);
        say(said, event, &step);
        if (event == FRAMES_WRONG)
            return (struct bytes){0};
    }
}

static void check_at_every_cut(struct bytes stream, const char *wanted)
{
    for (size_t cut = 0; cut <= stream.len; cut++) {
        struct text said = {0};
        const struct bytes left = feed(&said, (struct bytes){0}, (struct bytes){stream.at, cut});
        (void)feed(&said, left, bytes_skip(stream, cut));
        text_add_byte(&said, '\0');
        cr_assert(eq(str, (char *)said.at, (char *)wanted), "cut at %zu", cut);
        text_fini(&said);
        guarded_release();
    }
}

static void check_byte_by_byte(struct bytes stream, const char *wanted)
{
    struct text said = {0};
    struct bytes left = {0};
    for (size_t i = 0; i < stream.len; i++)
        left = feed(&said, left, (struct bytes){stream.at + i, 1});
    text_add_byte(&said, '\0');
    cr_assert(eq(str, (char *)said.at, (char *)wanted));
    text_fini(&said);
    guarded_release();
}

static void check(struct bytes stream, const char *wanted)
{
    check_at_every_cut(stream, wanted);
    check_byte_by_byte(stream, wanted);
}

Test(frames, gives_messages_and_control_frames_in_order)
{
    check(BYTES_LITERAL("\x81\x05hello\x89\x02pp\x82\x00\x8a\x01q\x88\x05\x03\xe8"
                        "bye"),
          "message(hello) ping(pp) message() pong(q) close(1000,bye) ");
}

Test(frames, joins_fragments_and_takes_pings_out_from_between)
{
    check(BYTES_LITERAL("\x01\x03"
                        "abc\x89\x01x\x00\x02"
                        "de\x89\x00\x80\x01"
                        "f\x81\x01g"),
          "ping(x) ping() message(abcdef) message(g) ");
}

Test(frames, joins_empty_fragments)
{
    check(BYTES_LITERAL("\x01\x00\x00\x01z\x80\x00"), "message(z) ");
}

Test(frames, may_close_without_a_code)
{
    check(BYTES_LITERAL("\x88\x00"), "close(1005,) ");
}

Test(frames, takes_every_form_of_length)
{
    const size_t lengths[] = {125, 126, 127, 65535, 65536, 70000};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct text stream = {0}, wanted = {0};
        uint8_t head[10];
        const size_t head_len = ws_encode_head(head, WS_BINARY, lengths[i]);
        text_add(&stream, (struct bytes){head, head_len});
        text_add_str(&wanted, "message(");
        for (size_t j = 0; j < lengths[i]; j++) {
            text_add_byte(&stream, 'a');
            text_add_byte(&wanted, 'a');
        }
        text_add_str(&wanted, ") ");
        text_add_byte(&wanted, '\0');
        struct text said = {0};
        (void)feed(&said, (struct bytes){0}, text_bytes(&stream));
        text_add_byte(&said, '\0');
        cr_assert(eq(str, (char *)said.at, (char *)wanted.at));
        text_fini(&said);
        text_fini(&stream);
        text_fini(&wanted);
        guarded_release();
    }
}

static void check_wrong(const char *what, struct bytes stream)
{
    struct text said = {0};
    (void)feed(&said, (struct bytes){0}, stream);
    text_add_byte(&said, '\0');
    cr_assert(eq(str, (char *)said.at, "wrong() "), "%s", what);
    text_fini(&said);
    guarded_release();
}

Test(frames, finds_what_a_server_must_not_send)
{
    check_wrong("masked", BYTES_LITERAL("\x81\x81keyx"));
    for (unsigned bit = 0x10; bit <= 0x40; bit <<= 1)
        check_wrong("reserved bit", (struct bytes){(uint8_t[]){(uint8_t)(FIN | bit | 1), 0}, 2});
    for (unsigned opcode = 3; opcode < 16; opcode++)
        if (opcode < 8 || opcode > 10)
            check_wrong("opcode", (struct bytes){(uint8_t[]){(uint8_t)(FIN | opcode), 0}, 2});
    check_wrong("126 for 125", BYTES_LITERAL("\x81\x7e\x00\x7d"));
    check_wrong("127 for 65535", BYTES_LITERAL("\x81\x7f\0\0\0\0\0\0\xff\xff"));
    check_wrong("too long", BYTES_LITERAL("\x81\x7f\x80\0\0\0\0\0\0\0"));
    check_wrong("continuation", BYTES_LITERAL("\x80\x01x"));
    check_wrong("message in message", BYTES_LITERAL("\x01\x01x\x81\x01y"));
    check_wrong("fragmented ping", BYTES_LITERAL("\x09\x00"));
    check_wrong("long ping", BYTES_LITERAL("\x89\x7e\x00\x7e"));
    check_wrong("half a code", BYTES_LITERAL("\x88\x01\x03"));
}

Test(frames, it_sends_are_masked_and_come_back_by_the_same_mask)
{
    const struct bytes payload = BYTES_LITERAL("hello, world");
    uint8_t frame[64];
    const size_t len = frames_encode(frame, WS_TEXT, payload, 0x01020304);
    cr_assert(eq(sz, len, 2 + 4 + payload.len));
    cr_assert(eq(u8, frame[0], FIN | WS_TEXT));
    cr_assert(eq(u8, frame[1], MASKED | payload.len));
    for (size_t i = 0; i < payload.len; i++)
        cr_assert(eq(u8, frame[6 + i] ^ frame[2 + i % 4], payload.at[i]));
    /* The server's own reader is the judge. */
    struct ws_reader reader = {0};
    struct ws_step step;
    const struct ws_limits limits = {.message_max = 1000};
    struct span in = {frame, len};
    cr_assert(eq(int, ws_reader_next(&reader, &in, &limits, &step), WS_EVENT_DATA));
    cr_assert(bytes_equal(span_bytes(step.slice), payload));
    cr_assert(eq(int, ws_reader_next(&reader, &in, &limits, &step), WS_EVENT_MESSAGE));
}
