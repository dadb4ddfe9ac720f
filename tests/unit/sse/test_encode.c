/* The bytes of events, and that a receiver reads from them what was published. */
#include "base/alloc.h"
#include "log/cursor.h"
#include "sse/sse.h"
#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>

static const uint64_t epoch = 0x0123456789abcdef;

static struct message *message_of(enum message_kind kind, const char *event, struct bytes payload)
{
    struct message *m = message_new(&(struct message_options){
        .topic = BYTES_LITERAL("t"),
        .event = bytes_from(event),
        .payload = payload,
        .kind = kind,
        .origin = {.reactor = ORIGIN_NONE},
    });
    cr_assert(ne(ptr, m, NULL));
    m->seq = 42;
    return m;
}

static struct image *image_of(enum message_kind kind, const char *event, struct bytes payload)
{
    uint64_t user = epoch;
    struct message *m = message_of(kind, event, payload);
    struct image *image = sse_image_new(m, &user);
    cr_assert(ne(ptr, image, NULL));
    message_unref(&m);
    return image;
}

static struct bytes inner(const struct image *image)
{
    return (struct bytes){image->bytes + image->inner_at, image->inner_len};
}

static void check_bytes(struct bytes got, struct bytes want)
{
    cr_assert(bytes_equal(got, want), "\"%.*s\" instead of \"%.*s\"", (int)got.len,
              (const char *)got.at, (int)want.len, (const char *)want.at);
}

static void check_event(enum message_kind kind, const char *event, struct bytes payload,
                        const char *want)
{
    struct image *image = image_of(kind, event, payload);
    check_bytes(inner(image), bytes_from(want));
    image_free(&image);
}

#define ID "id: 0123456789abcdef-42\n"

Test(sse_encode, writes_cursor_event_and_data)
{
    check_event(MESSAGE_TEXT, NULL, BYTES_LITERAL("hello"), "data: hello\n" ID "\n");
    check_event(MESSAGE_TEXT, "news", BYTES_LITERAL("hello"), "event: news\ndata: hello\n" ID "\n");
    check_event(MESSAGE_TEXT, "", BYTES_LITERAL("hello"), "data: hello\n" ID "\n");
}

Test(sse_encode, puts_the_event_into_one_chunk)
{
    struct image *image = image_of(MESSAGE_TEXT, NULL, BYTES_LITERAL("hello"));
    const struct bytes whole = {image->bytes, image->len};
    check_bytes(whole, BYTES_LITERAL("25\r\n"
                                     "data: hello\n" ID "\n\r\n"));
    image_free(&image);
}

Test(sse_encode, keeps_the_space_at_the_start_of_a_line)
{
    check_event(MESSAGE_TEXT, NULL, BYTES_LITERAL(" a\n  b"), "data:  a\ndata:   b\n" ID "\n");
}

Test(sse_encode, makes_one_data_line_of_each_line)
{
    static const char want[] = "data: a\ndata: b\n" ID "\n";
    check_event(MESSAGE_TEXT, NULL, BYTES_LITERAL("a\nb"), want);
    check_event(MESSAGE_TEXT, NULL, BYTES_LITERAL("a\rb"), want);
    check_event(MESSAGE_TEXT, NULL, BYTES_LITERAL("a\r\nb"), want);
}

Test(sse_encode, counts_crlf_once_and_lfcr_twice)
{
    check_event(MESSAGE_TEXT, NULL, BYTES_LITERAL("a\r\n\nb"),
                "data: a\ndata: \ndata: b\n" ID "\n");
    check_event(MESSAGE_TEXT, NULL, BYTES_LITERAL("a\n\rb"), "data: a\ndata: \ndata: b\n" ID "\n");
    check_event(MESSAGE_TEXT, NULL, BYTES_LITERAL("a\r\rb"), "data: a\ndata: \ndata: b\n" ID "\n");
}

Test(sse_encode, keeps_line_ends_at_both_ends_of_the_payload)
{
    check_event(MESSAGE_TEXT, NULL, BYTES_LITERAL("\na\n"), "data: \ndata: a\ndata: \n" ID "\n");
    check_event(MESSAGE_TEXT, NULL, BYTES_LITERAL("a\r"), "data: a\ndata: \n" ID "\n");
    check_event(MESSAGE_TEXT, NULL, BYTES_LITERAL("a\r\n"), "data: a\ndata: \n" ID "\n");
    check_event(MESSAGE_TEXT, NULL, BYTES_LITERAL("\r"), "data: \ndata: \n" ID "\n");
}

Test(sse_encode, dispatches_an_event_for_an_empty_payload)
{
    check_event(MESSAGE_TEXT, NULL, BYTES_LITERAL(""), "data: \n" ID "\n");
    check_event(MESSAGE_TEXT, "ping", BYTES_LITERAL(""), "event: ping\ndata: \n" ID "\n");
    check_event(MESSAGE_BINARY, NULL, BYTES_LITERAL(""), "event: binary\ndata: \n" ID "\n");
}

Test(sse_encode, writes_binary_as_base64)
{
    static const char *const want[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                       "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"}; /* RFC 4648, 10 */
    for (size_t len = 0; len <= 6; len++) {
        char event[80];
        const struct span payload = guarded_copy((struct bytes){(const uint8_t *)"foobar", len});
        snprintf(event, sizeof(event), "event: binary\ndata: %s\n" ID "\n", want[len]);
        check_event(MESSAGE_BINARY, NULL, span_bytes(payload), event);
    }
    guarded_release();
    check_event(MESSAGE_BINARY, "photo", BYTES_LITERAL("\xfb\xff\xbf\n\r"),
                "event: photo\ndata: +/+/Cg0=\n" ID "\n");
}

/* What a receiver makes of an event stream (WHATWG HTML, 9.2.6), for one event at its end. */
struct received {
    struct text data;
    char id[64], event[64];
    bool dispatched;
};

static void receive_field(struct received *r, struct bytes name, struct bytes value)
{
    if (bytes_equal(name, BYTES_LITERAL("data"))) {
        text_add(&r->data, value);
        text_add_byte(&r->data, '\n');
    }
    if (bytes_equal(name, BYTES_LITERAL("id")))
        snprintf(r->id, sizeof(r->id), "%.*s", (int)value.len, (const char *)value.at);
    if (bytes_equal(name, BYTES_LITERAL("event")))
        snprintf(r->event, sizeof(r->event), "%.*s", (int)value.len, (const char *)value.at);
}

static void receive_line(struct received *r, struct bytes line)
{
    const uint8_t *colon = memchr(line.at, ':', line.len);
    if (line.len == 0) {
        cr_assert(not(r->dispatched), "two events");
        r->dispatched = r->data.len > 0;
        r->data.len -= r->data.len > 0;
        return;
    }
    cr_assert(ne(ptr, (void *)(uintptr_t)colon, NULL));
    const size_t name_len = (size_t)(colon - line.at);
    struct bytes value = bytes_skip(line, name_len + 1);
    if (value.len > 0 && value.at[0] == ' ')
        value = bytes_skip(value, 1);
    receive_field(r, (struct bytes){line.at, name_len}, value);
}

static struct received receive(struct bytes stream)
{
    struct received r = {0};
    size_t from = 0;
    for (size_t i = 0; i < stream.len; i++) {
        const uint8_t c = stream.at[i];
        if (c != '\n' && c != '\r')
            continue;
        receive_line(&r, (struct bytes){stream.at + from, i - from});
        i += c == '\r' && i + 1 < stream.len && stream.at[i + 1] == '\n';
        from = i + 1;
    }
    cr_assert(eq(sz, from, stream.len), "the event ends with its blank line");
    return r;
}

/* Line ends become LF: that is all that a receiver may see changed. */
static struct text with_lf(struct bytes payload)
{
    struct text out = {0};
    for (size_t i = 0; i < payload.len; i++) {
        const bool cr = payload.at[i] == '\r';
        text_add_byte(&out, cr ? '\n' : payload.at[i]);
        i += cr && i + 1 < payload.len && payload.at[i + 1] == '\n';
    }
    return out;
}

static void check_received(struct bytes payload)
{
    const struct span guarded = guarded_copy(payload);
    struct image *image = image_of(MESSAGE_TEXT, "e", span_bytes(guarded));
    struct received r = receive(inner(image));
    struct text want = with_lf(payload);

    cr_assert(r.dispatched);
    check_bytes(text_bytes(&r.data), text_bytes(&want));
    cr_assert(eq(str, r.id, (char *)"0123456789abcdef-42"));
    cr_assert(eq(str, r.event, (char *)"e"));
    text_fini(&want);
    text_fini(&r.data);
    image_free(&image);
    guarded_release();
}

Test(sse_encode, is_read_back_whatever_the_lines_are)
{
    static const char letters[] = {'\r', '\n', ' ', ':', 'x'};
    enum { LETTERS = sizeof(letters), LEN_MAX = 4 };
    unsigned combinations = 1;

    for (size_t len = 0; len <= LEN_MAX; len++, combinations *= LETTERS)
        for (unsigned which = 0; which < combinations; which++) {
            uint8_t payload[LEN_MAX];
            unsigned rest = which;
            for (size_t i = 0; i < len; i++, rest /= LETTERS)
                payload[i] = (uint8_t)letters[rest % LETTERS];
            check_received((struct bytes){payload, len});
        }
}

Test(sse_encode, says_the_size_of_the_chunk_in_hexadecimal)
{
    static const size_t lens[] = {0, 1, 100, 219, 220, 4000, 70000};
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        uint8_t *payload = calloc(1, lens[i] + 1);
        char *end;
        memset(payload, 'a', lens[i]);
        struct image *image = image_of(MESSAGE_TEXT, NULL, (struct bytes){payload, lens[i]});
        cr_assert(eq(ulong, strtoul((const char *)image->bytes, &end, 16), image->inner_len));
        cr_assert(eq(int, memcmp(end, "\r\n", 2), 0));
        cr_assert(eq(ptr, end + 2, (char *)image->bytes + image->inner_at));
        cr_assert(eq(u32, image->inner_at + image->inner_len + 2, image->len));
        cr_assert(eq(int, memcmp(image->bytes + image->len - 2, "\r\n", 2), 0));
        image_free(&image);
        free(payload);
    }
}

static _Bool no_memory(void *user, size_t size)
{
    (void)user;
    (void)size;
    return 0;
}

Test(sse_encode, gives_no_image_without_memory)
{
    uint64_t user = epoch;
    struct message *m = message_of(MESSAGE_TEXT, NULL, BYTES_LITERAL("hello"));
    alloc_set_gate(no_memory, NULL);
    cr_assert(eq(ptr, sse_image_new(m, &user), NULL));
    alloc_set_gate(NULL, NULL);
    message_unref(&m);
}

/* --- around the envelope ---------------------------------------------------------------------- */

static struct image *envelope_of(enum message_kind kind, const char *event, struct bytes payload)
{
    uint64_t user = epoch;
    struct message *m = message_of(kind, event, payload);
    m->time_ms = 1700000000123;
    struct image *image = sse_envelope_image_new(m, &user);
    cr_assert(ne(ptr, image, NULL));
    message_unref(&m);
    return image;
}

static void check_envelope(enum message_kind kind, const char *event, struct bytes payload,
                           const char *want)
{
    struct image *image = envelope_of(kind, event, payload);
    check_bytes(inner(image), bytes_from(want));
    image_free(&image);
}

#define ENVELOPE "data: {\"id\":\"0123456789abcdef-42\",\"topic\":\"t\",\"time\":1700000000123,"

Test(sse_encode, writes_the_envelope_as_one_line_of_data)
{
    check_envelope(MESSAGE_TEXT, NULL, BYTES_LITERAL("a\nb\rc"),
                   ENVELOPE "\"data\":\"a\\nb\\u000dc\"}\n" ID "\n");
    check_envelope(MESSAGE_TEXT, NULL, BYTES_LITERAL(""), ENVELOPE "\"data\":\"\"}\n" ID "\n");
}

Test(sse_encode, names_the_envelopes_event_only_when_the_publisher_did)
{
    check_envelope(MESSAGE_BINARY, NULL, BYTES_LITERAL("f"),
                   ENVELOPE "\"base64\":\"Zg==\"}\n" ID "\n");
    check_envelope(MESSAGE_BINARY, "photo", BYTES_LITERAL("f"),
                   "event: photo\n" ENVELOPE "\"event\":\"photo\",\"base64\":\"Zg==\"}\n" ID "\n");
}

Test(sse_encode, puts_the_event_around_an_envelope_into_one_chunk)
{
    struct image *image = envelope_of(MESSAGE_TEXT, NULL, BYTES_LITERAL("hello"));
    const struct bytes whole = {image->bytes, image->len};
    check_bytes(whole, BYTES_LITERAL("6c\r\n" ENVELOPE "\"data\":\"hello\"}\n" ID "\n\r\n"));
    cr_assert(eq(u32, image->inner_len, 0x6c));
    image_free(&image);
}

Test(sse_encode, is_read_back_as_one_event_around_an_envelope)
{
    struct image *image = envelope_of(MESSAGE_TEXT, "e", BYTES_LITERAL("\n\r\n \"x\\"));
    struct received r = receive(inner(image));
    cr_assert(r.dispatched);
    cr_assert(eq(str, r.id, (char *)"0123456789abcdef-42"));
    cr_assert(eq(str, r.event, (char *)"e"));
    cr_assert(eq(ptr, memchr(r.data.at, '\n', r.data.len), NULL));
    text_fini(&r.data);
    image_free(&image);
}

Test(sse_encode, gives_no_image_of_an_envelope_without_memory)
{
    uint64_t user = epoch;
    struct message *m = message_of(MESSAGE_TEXT, NULL, BYTES_LITERAL("hello"));
    alloc_set_gate(no_memory, NULL);
    cr_assert(eq(ptr, sse_envelope_image_new(m, &user), NULL));
    alloc_set_gate(NULL, NULL);
    message_unref(&m);
}

/* Measuring base64 looks at the length only: no gigabytes are needed. */
Test(sse_encode, gives_no_image_that_would_be_too_long)
{
    uint64_t user = epoch;
    struct message *m = message_of(MESSAGE_BINARY, NULL, BYTES_LITERAL("x"));
    m->payload_len = UINT32_MAX;
    cr_assert(eq(ptr, sse_image_new(m, &user), NULL));
    cr_assert(eq(ptr, sse_envelope_image_new(m, &user), NULL));
    m->payload_len = 1;
    message_unref(&m);
}

/* --- what is not a message -------------------------------------------------------------------- */

Test(sse_encode, tells_a_gap_as_an_event_that_moves_the_receiver_on)
{
    struct text out = {0};
    const struct gap gap = {BYTES_LITERAL("x\ny"), {.epoch = epoch, .seq = 105}, GAP_TRIMMED};
    sse_add_gap(&out, &gap);
    check_bytes(text_bytes(&out),
                BYTES_LITERAL("event: gap\n"
                              "data: {\"after\":\"x\\ny\",\"resumed\":\"0123456789abcdef-105\","
                              "\"reason\":\"trimmed\"}\n"
                              "id: 0123456789abcdef-105\n\n"));
    text_fini(&out);
}

Test(sse_encode, opens_a_stream_without_a_cursor_by_retry_alone)
{
    struct text out = {0};
    sse_add_open(&out, 2500, (struct bytes){0});
    check_bytes(text_bytes(&out), BYTES_LITERAL("retry: 2500\n\n"));
    text_fini(&out);
}

Test(sse_encode, opens_a_stream_with_retry_and_cursor)
{
    struct text out = {0};
    sse_add_open(&out, 2500, BYTES_LITERAL("0123456789abcdef-7"));
    check_bytes(text_bytes(&out), BYTES_LITERAL("retry: 2500\nid: 0123456789abcdef-7\n\n"));
    text_fini(&out);
}

Test(sse_encode, begins_for_old_clients_with_a_comment_of_2_kb_in_one_line)
{
    struct text out = {0};
    sse_add_preamble(&out);
    cr_assert(eq(sz, out.len, 2048));
    cr_assert(eq(u8, out.at[0], ':'));
    cr_assert(eq(ptr, memchr(out.at, '\n', out.len), out.at + out.len - 1));
    cr_assert(eq(ptr, memchr(out.at, '\r', out.len), NULL));
    text_fini(&out);
}

Test(sse_encode, turns_a_peer_away_with_retry_alone)
{
    struct text out = {0};
    sse_add_retry(&out, UINT32_MAX);
    check_bytes(text_bytes(&out), BYTES_LITERAL("retry: 4294967295\n\n"));
    text_fini(&out);
}

Test(sse_encode, frames_a_body_as_one_chunk_or_not_at_all)
{
    struct text chunked = {0}, bare = {0};
    sse_add_framed(&chunked, BYTES_LITERAL("retry: 2000\n\n"), true);
    check_bytes(text_bytes(&chunked), BYTES_LITERAL("d\r\nretry: 2000\n\n\r\n"));
    sse_add_framed(&bare, BYTES_LITERAL("retry: 2000\n\n"), false);
    check_bytes(text_bytes(&bare), BYTES_LITERAL("retry: 2000\n\n"));
    text_fini(&chunked);
    text_fini(&bare);
}

Test(sse_encode, does_not_end_the_stream_with_an_empty_chunk)
{
    struct text out = {0};
    sse_add_framed(&out, BYTES_LITERAL(""), true);
    cr_assert(eq(sz, out.len, 0));
    text_fini(&out);
}

Test(sse_encode, has_constant_heartbeats_and_ends)
{
    check_bytes(sse_heartbeat(true), BYTES_LITERAL("2\r\n:\n\r\n"));
    check_bytes(sse_heartbeat(false), BYTES_LITERAL(":\n"));
    check_bytes(sse_end(true), BYTES_LITERAL("0\r\n\r\n"));
    check_bytes(sse_end(false), BYTES_LITERAL(""));
}
