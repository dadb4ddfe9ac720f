/* Payloads: what is put in comes out, whatever the size, bare or wrapped. */
#include "load/payload.h"
#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

enum { LEN_MAX = 300 };

static const struct payload sample = {
    .run = 0x2abcdef1, .sender = 0x00fedcba, .seq = 0x3fffffff, .sent_ns = 0xfedcba987654};

static bool same(const struct payload *a, const struct payload *b)
{
    return a->run == b->run && a->sender == b->sender && a->seq == b->seq &&
           a->sent_ns == b->sent_ns;
}

Test(payload, comes_out_as_it_went_in_at_every_length)
{
    uint8_t bytes[LEN_MAX];
    for (size_t len = PAYLOAD_MIN; len <= LEN_MAX; len++) {
        struct payload out;
        payload_encode(&sample, (struct span){bytes, len});
        const struct bytes copy = span_bytes(guarded_copy((struct bytes){bytes, len}));
        cr_assert(eq(int, payload_check(copy, sample.run, len, &out), PAYLOAD_WHOLE));
        cr_assert(same(&out, &sample));
        guarded_release();
    }
}

Test(payload, is_printable_and_changed_by_no_json_string)
{
    uint8_t bytes[LEN_MAX];
    payload_encode(&sample, (struct span){bytes, LEN_MAX});
    for (size_t i = 0; i < LEN_MAX; i++)
        cr_assert(bytes[i] > ' ' && bytes[i] < 0x7f && bytes[i] != '"' && bytes[i] != '\\');
}

Test(payload, is_found_in_an_envelope)
{
    uint8_t bytes[64];
    char wrapped[200];
    struct payload out;
    payload_encode(&sample, (struct span){bytes, sizeof(bytes)});
    const int len = snprintf(wrapped, sizeof(wrapped), "{\"id\":\"1\",\"data\":\"%.64s\"}",
                             (const char *)bytes);
    const struct bytes whole = {(const uint8_t *)wrapped, (size_t)len};
    cr_assert(eq(int, payload_check(whole, sample.run, 64, &out), PAYLOAD_WHOLE));
    cr_assert(same(&out, &sample));
    const struct bytes cut = {whole.at, whole.len - 10};
    cr_assert(eq(int, payload_check(cut, sample.run, 64, &out), PAYLOAD_CORRUPT));
}

Test(payload, is_not_found_between_bytes_that_are_no_envelope)
{
    uint8_t bytes[64];
    static const char *const around[] = {"xx%.64syy", "xx%.64s", "%.64syy", "\"%.64s", "%.64s\""};
    char wrapped[200];
    struct payload out;
    payload_encode(&sample, (struct span){bytes, sizeof(bytes)});
    for (size_t i = 0; i < sizeof(around) / sizeof(*around); i++) {
        const int len = snprintf(wrapped, sizeof(wrapped), around[i], (const char *)bytes);
        const struct bytes whole = {(const uint8_t *)wrapped, (size_t)len};
        cr_assert(eq(int, payload_check(whole, sample.run, 64, &out), PAYLOAD_CORRUPT), "%zu", i);
    }
}

Test(payload, may_not_be_longer_than_it_was)
{
    uint8_t bytes[65];
    struct payload out;
    payload_encode(&sample, (struct span){bytes, 64});
    bytes[64] = 'x';
    const struct bytes longer = {bytes, 65};
    cr_assert(eq(int, payload_check(longer, sample.run, 64, &out), PAYLOAD_CORRUPT));
}

Test(payload, of_another_run_is_foreign)
{
    uint8_t bytes[64];
    struct payload out;
    payload_encode(&sample, (struct span){bytes, 64});
    cr_assert(eq(int, payload_check((struct bytes){bytes, 64}, sample.run ^ 1, 64, &out),
                 PAYLOAD_FOREIGN));
}
