/* The reader of peers' frames: every rule of RFC 6455, 5, each at every cut of the bytes.
 * Speed is measured in bench. */
#include "base/text.h"
#include "support/guarded.h"
#include "ws/ws.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

enum { FIN = 0x80, RSV1 = 0x40, MAX = 1 << 20 };

/* What a reader said, as text: `text(abc) ping(x) close(1000,bye) violation(1002)`. */
struct transcript {
    struct ws_reader reader;
    struct text said;
    struct text message;
    struct ws_limits limits;
    bool drop_when_idle; /* as a connection does: the reader exists only in the middle of things */
};

static void say(struct transcript *t, const char *what, struct bytes slice)
{
    text_add_str(&t->said, what);
    text_add_byte(&t->said, '(');
    text_add(&t->said, slice);
    text_add_str(&t->said, ") ");
}

static void say_close(struct transcript *t, struct bytes reason)
{
    text_printf(&t->said, "close(%u,", (unsigned)t->reader.close_code);
    text_add(&t->said, reason);
    text_add_str(&t->said, ") ");
}

static void on_event(struct transcript *t, enum ws_event event, const struct ws_step *step)
{
    switch (event) {
    case WS_EVENT_MORE:
        return;
    case WS_EVENT_DATA:
        cr_assert(ge(sz, step->slice.len, 1));
        text_add(&t->message, span_bytes(step->slice));
        return;
    case WS_EVENT_MESSAGE:
        text_add_str(&t->said, step->compressed ? "compressed " : "");
        say(t, step->opcode == WS_TEXT ? "text" : "binary", text_bytes(&t->message));
        t->message.len = 0;
        return;
    case WS_EVENT_PING:
        say(t, "ping", span_bytes(step->slice));
        return;
    case WS_EVENT_PONG:
        say(t, "pong", span_bytes(step->slice));
        return;
    case WS_EVENT_CLOSE:
        say_close(t, span_bytes(step->slice));
        return;
    case WS_EVENT_VIOLATION:
        cr_assert(ne(ptr, (void *)(uintptr_t)step->why, NULL));
        text_printf(&t->said, "violation(%u) ", (unsigned)t->reader.close_code);
        return;
    }
}

static void feed(struct transcript *t, struct bytes piece)
{
    struct span in = guarded_copy(piece);
    struct ws_step step;
    enum ws_event event;

    do {
        event = ws_reader_next(&t->reader, &in, &t->limits, &step);
        on_event(t, event, &step);
    } while (event != WS_EVENT_MORE);
    cr_assert(eq(sz, in.len, 0));
    if (t->drop_when_idle && ws_reader_is_idle(&t->reader))
        memset(&t->reader, 0, sizeof(t->reader));
    guarded_release();
}

static void transcript_fini(struct transcript *t)
{
    text_fini(&t->said);
    text_fini(&t->message);
}

static bool has_said(const struct transcript *t, const char *want)
{
    return bytes_equal(text_bytes(&t->said), bytes_from(want));
}

static void check_cut(struct bytes wire, size_t cut, struct ws_limits limits, const char *want)
{
    struct transcript t = {.limits = limits, .drop_when_idle = cut & 1};
    feed(&t, (struct bytes){wire.at, cut});
    feed(&t, bytes_skip(wire, cut));
    cr_assert(has_said(&t, want), "cut at %zu: %.*s instead of %s", cut, (int)t.said.len,
              (const char *)t.said.at, want);
    transcript_fini(&t);
}

static void check_byte_by_byte(struct bytes wire, struct ws_limits limits, const char *want)
{
    struct transcript t = {.limits = limits, .drop_when_idle = true};
    for (size_t i = 0; i < wire.len; i++)
        feed(&t, (struct bytes){wire.at + i, 1});
    cr_assert(has_said(&t, want), "byte by byte: %.*s instead of %s", (int)t.said.len,
              (const char *)t.said.at, want);
    transcript_fini(&t);
}

/* The wire gives these events, whole, in two pieces cut anywhere, and byte by byte. */
static void check_limited(const struct text *wire, struct ws_limits limits, const char *want)
{
    for (size_t cut = 0; cut <= wire->len; cut++)
        check_cut(text_bytes(wire), cut, limits, want);
    check_byte_by_byte(text_bytes(wire), limits, want);
}

static void check(struct text *wire, const char *want)
{
    check_limited(wire, (struct ws_limits){.message_max = MAX}, want);
    text_fini(wire);
}

/* A masked frame whose length is said in `ext` bytes (0: in the second byte). */
static void add_header(struct text *wire, unsigned first, size_t ext, uint64_t len)
{
    uint8_t raw[14] = {(uint8_t)first};
    raw[1] = (uint8_t)(0x80 | (ext == 0 ? len : ext == 2 ? 126 : 127));
    store_be(raw + 2, ext, len);
    memcpy(raw + 2 + ext, "\x37\xfa\x21\x3d", 4);
    text_add(wire, (struct bytes){raw, 2 + ext + 4});
}

static void add_masked(struct text *wire, struct bytes payload)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    for (size_t i = 0; i < payload.len; i++)
        text_add_byte(wire, payload.at[i] ^ mask[i % 4]);
}

static void add_bytes(struct text *wire, unsigned first, struct bytes payload)
{
    const size_t ext = payload.len <= 125 ? 0 : payload.len <= UINT16_MAX ? 2 : 8;
    add_header(wire, first, ext, payload.len);
    add_masked(wire, payload);
}

static void add(struct text *wire, unsigned first, const char *payload)
{
    add_bytes(wire, first, bytes_from(payload));
}

static void add_close(struct text *wire, unsigned code, const char *reason)
{
    uint8_t payload[127];
    const size_t reason_len = strlen(reason);
    store_be(payload, 2, code);
    memcpy(payload + 2, reason, reason_len);
    add_bytes(wire, FIN | WS_CLOSE, (struct bytes){payload, 2 + reason_len});
}

Test(ws_reader, reads_the_masked_hello_of_the_rfc)
{
    struct text wire = {0};
    text_add(&wire, BYTES_LITERAL("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"));
    check(&wire, "text(Hello) ");
}

Test(ws_reader, reads_messages_and_control_frames_one_after_another)
{
    struct text wire = {0};
    add(&wire, FIN | WS_TEXT, "one");
    add(&wire, FIN | WS_PING, "are you there");
    add(&wire, FIN | WS_BINARY, "two");
    add(&wire, FIN | WS_PONG, "");
    add_close(&wire, 1000, "bye");
    check(&wire, "text(one) ping(are you there) binary(two) pong() close(1000,bye) ");
}

Test(ws_reader, joins_fragments_around_control_frames)
{
    struct text wire = {0};
    add(&wire, WS_TEXT, "a");
    add(&wire, FIN | WS_PING, "p");
    add(&wire, WS_CONTINUATION, "bc");
    add(&wire, FIN | WS_PONG, "q");
    add(&wire, FIN | WS_CONTINUATION, "d");
    add(&wire, FIN | WS_BINARY, "e");
    check(&wire, "ping(p) pong(q) text(abcd) binary(e) ");
}

Test(ws_reader, accepts_empty_messages_and_empty_fragments)
{
    struct text wire = {0};
    add(&wire, FIN | WS_TEXT, "");
    add(&wire, WS_BINARY, "");
    add(&wire, WS_CONTINUATION, "");
    add(&wire, FIN | WS_CONTINUATION, "");
    add(&wire, WS_TEXT, "");
    add(&wire, FIN | WS_CONTINUATION, "x");
    check(&wire, "text() binary() text(x) ");
}

static void check_payload_of(size_t len, size_t cut)
{
    struct transcript t = {.limits.message_max = MAX};
    struct text wire = {0}, want = {0}, payload = {0};

    for (size_t i = 0; i < len; i++)
        text_add_byte(&payload, (uint8_t)(i * 7 + len));
    add_bytes(&wire, FIN | WS_BINARY, text_bytes(&payload));
    text_add_str(&want, "binary(");
    text_add(&want, text_bytes(&payload));
    text_add_str(&want, ") ");
    if (cut > wire.len)
        cut = wire.len;
    feed(&t, (struct bytes){wire.at, cut});
    feed(&t, bytes_skip(text_bytes(&wire), cut));
    cr_assert(bytes_equal(text_bytes(&t.said), text_bytes(&want)), "%zu bytes cut at %zu", len,
              cut);

    text_fini(&wire);
    text_fini(&want);
    text_fini(&payload);
    transcript_fini(&t);
}

Test(ws_reader, unmasks_every_length_at_every_turn_of_the_mask)
{
    for (size_t len = 0; len < 80; len++)
        for (size_t cut = 6; cut <= 6 + len; cut++)
            check_payload_of(len, cut);
}

Test(ws_reader, reads_the_first_and_last_length_of_each_form)
{
    static const size_t lens[] = {125, 126, 127, 8191, 8193, 65535, 65536, 65537, 100001};
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
        for (size_t cut = 0; cut < 24; cut++)
            check_payload_of(lens[i], cut);
}

Test(ws_reader, refuses_lengths_that_a_shorter_form_could_say)
{
    static const struct {
        size_t ext;
        uint64_t len;
    } forms[] = {{2, 0}, {2, 125}, {8, 0}, {8, 125}, {8, 126}, {8, 65535}};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct text wire = {0};
        add_header(&wire, FIN | WS_BINARY, forms[i].ext, forms[i].len);
        check(&wire, "violation(1002) ");
    }
}

Test(ws_reader, refuses_a_length_with_the_top_bit_set)
{
    struct text wire = {0};
    add_header(&wire, FIN | WS_BINARY, 8, 1ull << 63);
    check(&wire, "violation(1002) ");
}

Test(ws_reader, refuses_each_reserved_bit)
{
    for (unsigned bit = 0x10; bit <= 0x40; bit <<= 1) {
        struct text wire = {0};
        add(&wire, FIN | bit | WS_TEXT, "x");
        check(&wire, "violation(1002) ");
    }
}

/* RFC 7692, 6: RSV1 stands on the first frame of a compressed message, and nowhere else. */
Test(ws_reader, hands_out_compressed_messages_as_they_came)
{
    const struct ws_limits agreed = {.message_max = MAX, .may_compress = true};
    struct text wire = {0};
    add(&wire, FIN | RSV1 | WS_TEXT, "\xff not UTF-8");
    add(&wire, RSV1 | WS_BINARY, "in");
    add(&wire, FIN | WS_PING, "p");
    add(&wire, FIN | WS_CONTINUATION, " two");
    add(&wire, FIN | WS_TEXT, "plain");
    check_limited(&wire, agreed,
                  "compressed text(\xff not UTF-8) ping(p) compressed binary(in two) text(plain) ");
    text_fini(&wire);
}

Test(ws_reader, refuses_the_mark_of_compression_elsewhere)
{
    const struct ws_limits agreed = {.message_max = MAX, .may_compress = true};
    static const unsigned marked[] = {
        FIN | RSV1 | WS_PING,           FIN | RSV1 | WS_PONG,        FIN | RSV1 | WS_CLOSE,
        FIN | RSV1 | WS_CONTINUATION,   FIN | RSV1 | 0x20 | WS_TEXT, FIN | RSV1 | 0x10 | WS_TEXT,
        FIN | RSV1 | 3 /* no opcode */,
    };
    for (size_t i = 0; i < sizeof(marked) / sizeof(marked[0]); i++) {
        struct text wire = {0};
        if ((marked[i] & 0xf) == WS_CONTINUATION)
            add(&wire, RSV1 | WS_TEXT, "x");
        add(&wire, marked[i], "x");
        check_limited(&wire, agreed, "violation(1002) ");
        text_fini(&wire);
    }
}

Test(ws_reader, checks_text_that_is_not_compressed_all_the_same)
{
    struct text wire = {0};
    add(&wire, FIN | RSV1 | WS_TEXT, "\xff");
    add(&wire, FIN | WS_TEXT, "\xff");
    check_limited(&wire, (struct ws_limits){.message_max = MAX, .may_compress = true},
                  "compressed text(\xff) violation(1007) ");
    text_fini(&wire);
}

Test(ws_reader, leaves_compressed_messages_an_eighth_and_a_little_more)
{
    const struct ws_limits agreed = {.message_max = 8, .may_compress = true};
    const uint64_t most = 8 + 1 + 1024;
    struct text wire = {0};
    add_header(&wire, FIN | RSV1 | WS_TEXT, 2, most);
    check_limited(&wire, agreed, "");
    wire.len = 0;
    add_header(&wire, FIN | RSV1 | WS_TEXT, 2, most + 1);
    check_limited(&wire, agreed, "violation(1009) ");
    wire.len = 0;
    add(&wire, RSV1 | WS_TEXT, "x");
    add_header(&wire, FIN, 2, most);
    check_limited(&wire, agreed, "violation(1009) ");
    wire.len = 0;
    add(&wire, FIN | WS_TEXT, "123456789");
    check_limited(&wire, agreed, "violation(1009) ");
    text_fini(&wire);
}

Test(ws_reader, refuses_each_unknown_opcode)
{
    for (unsigned opcode = 0; opcode < 16; opcode++) {
        struct text wire = {0};
        if (opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG))
            continue;
        add(&wire, FIN | opcode, "x");
        check(&wire, "violation(1002) ");
    }
}

Test(ws_reader, refuses_frames_without_a_mask_as_soon_as_it_can)
{
    struct text wire = {0};
    text_add(&wire, BYTES_LITERAL("\x81\x05"));
    check(&wire, "violation(1002) ");
}

Test(ws_reader, refuses_fragmented_and_long_control_frames)
{
    for (unsigned opcode = WS_CLOSE; opcode <= WS_PONG; opcode++) {
        struct text fragmented = {0}, longer = {0};
        add(&fragmented, opcode, "");
        check(&fragmented, "violation(1002) ");
        add_header(&longer, FIN | opcode, 2, 126);
        check(&longer, "violation(1002) ");
    }
}

Test(ws_reader, hands_out_a_control_frame_of_125_bytes)
{
    char payload[126], want[140];
    struct text wire = {0};
    memset(payload, 'z', 125);
    payload[125] = 0;
    snprintf(want, sizeof(want), "ping(%s) ", payload);
    add(&wire, FIN | WS_PING, payload);
    check(&wire, want);
}

Test(ws_reader, refuses_a_continuation_without_a_message)
{
    struct text wire = {0}, again = {0};
    add(&wire, FIN | WS_CONTINUATION, "x");
    check(&wire, "violation(1002) ");
    add(&again, FIN | WS_TEXT, "a");
    add(&again, FIN | WS_CONTINUATION, "x");
    check(&again, "text(a) violation(1002) ");
}

Test(ws_reader, refuses_a_new_message_inside_a_message)
{
    for (unsigned opcode = WS_TEXT; opcode <= WS_BINARY; opcode++) {
        struct text wire = {0};
        add(&wire, WS_TEXT, "a");
        add(&wire, FIN | opcode, "b");
        check(&wire, "violation(1002) ");
    }
}

Test(ws_reader, lets_a_character_span_fragments_and_control_frames)
{
    struct text wire = {0};
    add(&wire, WS_TEXT, "\xf0\x9f");
    add(&wire, FIN | WS_PING, "\xff");
    add(&wire, WS_CONTINUATION, "\x8e");
    add(&wire, FIN | WS_CONTINUATION, "\x89!");
    add(&wire, FIN | WS_TEXT, "\xc3\xa4");
    check(&wire, "ping(\xff) text(\xf0\x9f\x8e\x89!) text(\xc3\xa4) ");
}

Test(ws_reader, refuses_bad_text_before_its_frame_is_whole)
{
    struct text wire = {0};
    add_header(&wire, FIN | WS_TEXT, 2, 1000);
    add_masked(&wire, BYTES_LITERAL("good \xed\xa0"));
    check(&wire, "violation(1007) ");
}

Test(ws_reader, finds_a_bad_byte_at_every_place_of_a_long_text)
{
    for (size_t at = 0; at < 150; at++) {
        struct transcript t = {.limits.message_max = MAX};
        struct text wire = {0};
        char payload[151];
        memset(payload, 'a', 150);
        payload[150] = 0;
        payload[at] = '\x80';
        add(&wire, FIN | WS_TEXT, payload);
        feed(&t, text_bytes(&wire));
        cr_assert(has_said(&t, "violation(1007) "), "at %zu", at);
        text_fini(&wire);
        transcript_fini(&t);
    }
}

Test(ws_reader, refuses_bad_text_across_fragments)
{
    struct text wire = {0};
    add(&wire, WS_TEXT, "\xe2\x82");
    add(&wire, WS_CONTINUATION, "");
    add(&wire, WS_CONTINUATION, "x");
    check(&wire, "violation(1007) ");
}

Test(ws_reader, refuses_text_that_ends_inside_a_character)
{
    struct text wire = {0};
    add(&wire, WS_TEXT, "\xe2\x82");
    add(&wire, FIN | WS_CONTINUATION, "");
    check(&wire, "violation(1007) ");
}

Test(ws_reader, does_not_check_binary_messages)
{
    struct text wire = {0};
    add(&wire, WS_BINARY, "\xff\xc0");
    add(&wire, FIN | WS_CONTINUATION, "\xe2");
    add(&wire, FIN | WS_TEXT, "ok");
    check(&wire, "binary(\xff\xc0\xe2) text(ok) ");
}

Test(ws_reader, reads_a_close_without_a_code_as_1005)
{
    struct text wire = {0};
    add(&wire, FIN | WS_CLOSE, "");
    check(&wire, "close(1005,) ");
}

Test(ws_reader, refuses_half_a_close_code)
{
    struct text wire = {0};
    add(&wire, FIN | WS_CLOSE, "\x0c"); /* with a stray byte behind it, 3000 and more */
    check(&wire, "violation(1002) ");
}

static bool may_be_sent(unsigned code)
{
    const bool known = code >= 1000 && code <= 1014 && !(code >= 1004 && code <= 1006);
    return known || (code >= 3000 && code < 5000);
}

Test(ws_reader, knows_which_close_codes_a_peer_may_send)
{
    for (unsigned code = 0; code <= UINT16_MAX; code++) {
        struct text wire = {0};
        struct transcript t = {.limits.message_max = MAX};
        char want[32] = "violation(1002) ";
        if (may_be_sent(code))
            snprintf(want, sizeof(want), "close(%u,) ", code);
        add_close(&wire, code, "");
        feed(&t, text_bytes(&wire));
        cr_assert(has_said(&t, want), "code %u", code);
        text_fini(&wire);
        transcript_fini(&t);
    }
}

Test(ws_reader, refuses_a_close_reason_that_is_not_utf8)
{
    struct text bad = {0}, cut = {0};
    add_close(&bad, 1000, "\xff");
    check(&bad, "violation(1007) ");
    add_close(&cut, 1000, "caf\xc3");
    check(&cut, "violation(1007) ");
}

Test(ws_reader, swallows_what_follows_a_close_or_a_violation)
{
    struct text closed = {0}, violated = {0};
    add_close(&closed, 4000, "");
    add(&closed, FIN | WS_TEXT, "late");
    text_add_str(&closed, "garbage");
    check(&closed, "close(4000,) ");
    add(&violated, FIN | 3, "");
    add(&violated, FIN | WS_TEXT, "late");
    check(&violated, "violation(1002) ");
}

Test(ws_reader, refuses_a_long_message_from_its_header)
{
    struct text exact = {0}, longer = {0};
    add(&exact, FIN | WS_TEXT, "12345");
    check_limited(&exact, (struct ws_limits){.message_max = 5}, "text(12345) ");
    add_header(&longer, FIN | WS_TEXT, 0, 6);
    check_limited(&longer, (struct ws_limits){.message_max = 5}, "violation(1009) ");
    text_fini(&exact);
    text_fini(&longer);
}

Test(ws_reader, counts_all_fragments_of_a_message_but_no_control_frames)
{
    struct text exact = {0}, longer = {0}, huge = {0};
    add(&exact, WS_TEXT, "123");
    add(&exact, FIN | WS_PING, "a long ping");
    add(&exact, FIN | WS_CONTINUATION, "45");
    add(&exact, FIN | WS_TEXT, "12345");
    check_limited(&exact, (struct ws_limits){.message_max = 5},
                  "ping(a long ping) text(12345) text(12345) ");
    add(&longer, WS_TEXT, "123");
    add_header(&longer, FIN | WS_CONTINUATION, 0, 3);
    check_limited(&longer, (struct ws_limits){.message_max = 5}, "violation(1009) ");
    add(&huge, WS_TEXT, "123");
    add_header(&huge, FIN | WS_CONTINUATION, 8, INT64_MAX);
    check_limited(&huge, (struct ws_limits){.message_max = 5}, "violation(1009) ");
    text_fini(&exact);
    text_fini(&longer);
    text_fini(&huge);
}

/* Reads the wire with a fresh reader put in at `cut`. */
static bool survives_a_new_reader(struct bytes wire, size_t cut, const char *want, bool *idle)
{
    struct transcript t = {.limits.message_max = MAX};
    feed(&t, (struct bytes){wire.at, cut});
    *idle = ws_reader_is_idle(&t.reader);
    memset(&t.reader, 0, sizeof(t.reader));
    feed(&t, bytes_skip(wire, cut));
    const bool same = has_said(&t, want);
    transcript_fini(&t);
    return same;
}

Test(ws_reader, is_idle_exactly_where_a_new_reader_would_go_on_equally)
{
    static const char want[] = "text(h\xc3\xa9) ping(p) text() ping(q) binary(xyz) close(1001,) ";
    struct text wire = {0};
    size_t idle_count = 0;

    add(&wire, FIN | WS_TEXT, "h\xc3\xa9");
    add(&wire, FIN | WS_PING, "p");
    add(&wire, FIN | WS_TEXT, "");
    add(&wire, WS_BINARY, "x");
    add(&wire, FIN | WS_PING, "q");
    add(&wire, FIN | WS_CONTINUATION, "yz");
    add_close(&wire, 1001, "");
    for (size_t cut = 0; cut < wire.len; cut++) {
        bool idle;
        const bool same = survives_a_new_reader(text_bytes(&wire), cut, want, &idle);
        cr_assert(same == idle, "cut at %zu", cut);
        idle_count += idle;
    }
    cr_assert(eq(sz, idle_count, 5)); /* before each message and control frame outside one */
    text_fini(&wire);
}

Test(ws_reader, is_not_idle_once_closed_or_violated)
{
    struct text wire = {0};
    struct transcript t = {.limits.message_max = MAX};
    add_close(&wire, 1000, "");
    feed(&t, text_bytes(&wire));
    cr_assert(not(ws_reader_is_idle(&t.reader)));
    text_fini(&wire);
    transcript_fini(&t);
}
