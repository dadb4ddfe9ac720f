/* The envelope's bytes, its frame, and that the notice of a gap is JSON whatever the peer gave. */
#include "log/envelope.h"

#include "base/alloc.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static const uint64_t epoch = 0x0123456789abcdef;

#define ID    "{\"id\":\"0123456789abcdef-42\",\"topic\":"
#define START ID "\"news.uk\",\"time\":1700000000123"

static struct message *message_of(enum message_kind kind, const char *event, struct bytes payload)
{
    struct message *m = message_new(&(struct message_options){
        .topic = BYTES_LITERAL("news.uk"),
        .event = bytes_from(event),
        .content_type = BYTES_LITERAL("text/plain"),
        .payload = payload,
        .kind = kind,
        .origin = {.reactor = ORIGIN_NONE},
    });
    cr_assert(ne(ptr, m, NULL));
    m->seq = 42;
    m->time_ms = 1700000000123;
    return m;
}

static void check_bytes(struct bytes got, struct bytes want)
{
    cr_assert(bytes_equal(got, want), "\"%.*s\" instead of \"%.*s\"", (int)got.len,
              (const char *)got.at, (int)want.len, (const char *)want.at);
}

static struct bytes inner(const struct image *i)
{
    return (struct bytes){i->bytes + i->inner_at, i->inner_len};
}

static struct image *image_of(const struct message *m)
{
    uint64_t user = epoch;
    struct image *i = envelope_image_new(m, &user);
    cr_assert(ne(ptr, i, NULL));
    return i;
}

/* The same as text and as an image's inner slice. */
static void check_message(const struct message *m, const char *want)
{
    struct text out = {0};
    text_add_str(&out, "[");
    envelope_add(&out, m, epoch);
    check_bytes(bytes_skip(text_bytes(&out), 1), bytes_from(want));
    text_fini(&out);
    struct image *i = image_of(m);
    check_bytes(inner(i), bytes_from(want));
    image_free(&i);
}

static void check(enum message_kind kind, const char *event, struct bytes payload, const char *want)
{
    struct message *m = message_of(kind, event, payload);
    check_message(m, want);
    message_unref(&m);
}

Test(envelope, shows_the_headers_of_the_publisher)
{
    static const struct message_header headers[] = {{BYTES_LITERAL("a\"b"), BYTES_LITERAL("1")},
                                                    {BYTES_LITERAL("c"), BYTES_LITERAL("")}};
    struct message *m = message_new(&(struct message_options){.topic = BYTES_LITERAL("news.uk"),
                                                              .payload = BYTES_LITERAL("x"),
                                                              .headers = headers,
                                                              .header_count = 2,
                                                              .kind = MESSAGE_TEXT});
    m->seq = 42;
    m->time_ms = 1700000000123;
    check_message(m, START ",\"headers\":{\"a\\\"b\":\"1\",\"c\":\"\"},\"data\":\"x\"}");
    message_unref(&m);
}

Test(envelope, has_id_topic_time_and_data_in_this_order)
{
    check(MESSAGE_TEXT, NULL, BYTES_LITERAL("hello"), START ",\"data\":\"hello\"}");
    check(MESSAGE_TEXT, "", BYTES_LITERAL("hello"), START ",\"data\":\"hello\"}");
    check(MESSAGE_TEXT, NULL, BYTES_LITERAL(""), START ",\"data\":\"\"}");
}

Test(envelope, has_the_event_before_the_data_when_it_was_named)
{
    check(MESSAGE_TEXT, "alert", BYTES_LITERAL("x"), START ",\"event\":\"alert\",\"data\":\"x\"}");
    check(MESSAGE_TEXT, "e", BYTES_LITERAL(""), START ",\"event\":\"e\",\"data\":\"\"}");
    check(MESSAGE_BINARY, "al\"ert", BYTES_LITERAL("f"),
          START ",\"event\":\"al\\\"ert\",\"base64\":\"Zg==\"}");
}

Test(envelope, carries_binary_as_base64)
{
    check(MESSAGE_BINARY, NULL, BYTES_LITERAL(""), START ",\"base64\":\"\"}");
    check(MESSAGE_BINARY, NULL, BYTES_LITERAL("\0\xff\""), START ",\"base64\":\"AP8i\"}");
}

Test(envelope, escapes_text)
{
    check(MESSAGE_TEXT, NULL, BYTES_LITERAL("{\"a\":\"b\\c\"}\r\n\x01\xc3\xbc"),
          START ",\"data\":\"{\\\"a\\\":\\\"b\\\\c\\\"}\\u000d\\n\\u0001\xc3\xbc\"}");
}

Test(envelope, escapes_the_topic)
{
    struct message *m = message_new(&(struct message_options){
        .topic = BYTES_LITERAL("a\"b\\/\xe2\x82\xac"), .kind = MESSAGE_TEXT});
    cr_assert(ne(ptr, m, NULL));
    m->seq = 42;
    check_message(m, ID "\"a\\\"b\\\\/\xe2\x82\xac\",\"time\":0,\"data\":\"\"}");
    message_unref(&m);
}

Test(envelope, tells_any_time_and_sequence)
{
    struct message *m = message_of(MESSAGE_TEXT, NULL, BYTES_LITERAL(""));
    m->seq = UINT64_MAX;
    m->time_ms = INT64_MIN;
    check_message(m, "{\"id\":\"0123456789abcdef-18446744073709551615\",\"topic\":\"news.uk\","
                     "\"time\":-9223372036854775808,\"data\":\"\"}");
    message_unref(&m);
}

static void check_frame(size_t payload_len, struct bytes head)
{
    uint8_t *payload = alloc_zeroed(payload_len + 1);
    memset(payload, 'a', payload_len);
    struct message *m = message_of(MESSAGE_TEXT, NULL, (struct bytes){payload, payload_len});
    struct image *i = image_of(m);
    check_bytes((struct bytes){i->bytes, i->inner_at}, head);
    cr_assert(eq(u32, i->inner_at + i->inner_len, i->len));
    cr_assert(eq(u32, i->inner_len, (uint32_t)(sizeof(START ",\"data\":\"\"}") - 1 + payload_len)));
    image_free(&i);
    message_unref(&m);
    alloc_free(payload);
}

/* RFC 6455, 5.2: final, text (also around binary), unmasked, in the shortest of the length forms.
 */
Test(envelope, is_framed_as_one_text_message)
{
    enum { AROUND = sizeof(START ",\"data\":\"\"}") - 1 };
    check_frame(125 - AROUND, BYTES_LITERAL("\x81\x7d"));
    check_frame(126 - AROUND, BYTES_LITERAL("\x81\x7e\x00\x7e"));
    check_frame(65535 - AROUND, BYTES_LITERAL("\x81\x7e\xff\xff"));
    check_frame(65536 - AROUND, BYTES_LITERAL("\x81\x7f\0\0\0\0\0\x01\0\0"));
}

Test(envelope, of_binary_is_a_text_frame_too)
{
    struct message *m = message_of(MESSAGE_BINARY, NULL, BYTES_LITERAL("\0"));
    struct image *i = image_of(m);
    cr_assert(eq(u8, i->bytes[0], 0x81));
    image_free(&i);
    message_unref(&m);
}

Test(envelope, is_kept_by_the_message_as_any_image)
{
    static _Atomic uint64_t total;
    uint64_t user = epoch;
    struct message *m = message_of(MESSAGE_TEXT, NULL, BYTES_LITERAL("x"));
    const struct image *i = message_image(m, IMAGE_ENVELOPE, envelope_image_new, &user, &total);
    cr_assert(ne(ptr, (void *)(uintptr_t)i, NULL));
    cr_assert(eq(u64, atomic_load(&total), image_size(i)));
    message_retire_images(m);
    cr_assert(eq(u64, atomic_load(&total), 0));
    message_unref(&m);
}

/* A payload of gigabytes would do: here it only says that it is so long, and nobody reads it. */
Test(envelope, of_more_than_an_image_can_hold_is_none)
{
    uint64_t user = epoch;
    struct message *m = message_of(MESSAGE_BINARY, NULL, BYTES_LITERAL("x"));
    m->payload_len = UINT32_MAX; /* measuring base64 looks at its length only */
    cr_assert(eq(ptr, envelope_image_new(m, &user), NULL));
    m->payload_len = 1;
    message_unref(&m);
}

static _Bool refuse(void *user, size_t size)
{
    (void)user;
    (void)size;
    return 0;
}

Test(envelope, is_none_without_memory)
{
    uint64_t user = epoch;
    struct text out = {0};
    struct message *m = message_of(MESSAGE_TEXT, NULL, BYTES_LITERAL("hello"));
    alloc_set_gate(refuse, NULL);
    cr_assert(eq(ptr, envelope_image_new(m, &user), NULL));
    envelope_add(&out, m, epoch);
    cr_assert(out.failed);
    cr_assert(eq(sz, out.len, 0));
    alloc_set_gate(NULL, NULL);
    message_unref(&m);
}

/* --- gaps ------------------------------------------------------------------------------------- */

static void check_gap(struct bytes after, enum gap_reason reason, const char *want)
{
    struct text out = {0};
    const struct gap gap = {after, {.epoch = epoch, .seq = 105}, reason};
    gap_add(&out, &gap);
    check_bytes(text_bytes(&out), bytes_from(want));
    text_fini(&out);
}

#define RESUMED "\"resumed\":\"0123456789abcdef-105\","

Test(gap, tells_after_resumed_and_reason)
{
    check_gap(BYTES_LITERAL("0123456789abcdef-3"), GAP_TRIMMED,
              "{\"after\":\"0123456789abcdef-3\"," RESUMED "\"reason\":\"trimmed\"}");
    check_gap(BYTES_LITERAL("fedc"), GAP_EPOCH,
              "{\"after\":\"fedc\"," RESUMED "\"reason\":\"epoch\"}");
    check_gap((struct bytes){0}, GAP_SLOW, "{\"after\":\"\"," RESUMED "\"reason\":\"slow\"}");
}

Test(gap, escapes_what_the_peer_gave_as_its_cursor)
{
    check_gap(BYTES_LITERAL("\"},\n\\\xc3\xbc"), GAP_EPOCH,
              "{\"after\":\"\\\"},\\n\\\\\xc3\xbc\"," RESUMED "\"reason\":\"epoch\"}");
}

Test(gap, has_a_name_for_each_reason)
{
    cr_assert(eq(str, (char *)gap_reason_name(GAP_EPOCH), (char *)"epoch"));
    cr_assert(eq(str, (char *)gap_reason_name(GAP_TRIMMED), (char *)"trimmed"));
    cr_assert(eq(str, (char *)gap_reason_name(GAP_SLOW), (char *)"slow"));
}
