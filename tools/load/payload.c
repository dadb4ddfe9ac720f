/* The fields of a payload as digits of 6 bits, filler, and a checksum over all of it at the end, so
 * that a cut one lacks it. The checksum finds accidents, not attacks. */
#define _GNU_SOURCE /* memmem */
#include "load/payload.h"

#include "base/assert.h"
#include "base/siphash.h"

enum { MARK_LEN = 2, RUN_DIGITS = 5, SENDER_DIGITS = 4, SEQ_DIGITS = 5, TIME_DIGITS = 8 };
enum { TAG_LEN = MARK_LEN + RUN_DIGITS, SUM_DIGITS = 8 };

static_assert(TAG_LEN + SENDER_DIGITS + SEQ_DIGITS + TIME_DIGITS + SUM_DIGITS == PAYLOAD_MIN,
              "the fields are the shortest payload");

static const char digits[64] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

static void put(uint8_t **at, unsigned count, uint64_t value)
{
    for (unsigned i = count; i > 0; i--, value >>= 6)
        (*at)[i - 1] = (uint8_t)digits[value & 63];
    *at += count;
}

static uint64_t digit_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - (uint64_t)'0';
    if (c >= 'A' && c <= 'Z')
        return c - (uint64_t)'A' + 10;
    if (c >= 'a' && c <= 'z')
        return c - (uint64_t)'a' + 36;
    return c == '-' ? 62 : 63; /* anything else: the checksum is wrong then */
}

static uint64_t take(const uint8_t **at, unsigned count)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < count; i++)
        value = value << 6 | digit_value((*at)[i]);
    *at += count;
    return value;
}

static void tag_put(uint8_t **at, uint32_t run)
{
    *(*at)++ = 'u';
    *(*at)++ = 'L';
    put(at, RUN_DIGITS, run);
}

static uint64_t checksum(struct bytes b)
{
    static const struct siphash_key key = {0x75706c6f6164, 0x636865636b};
    return siphash(&key, b) >> 16;
}

void payload_encode(const struct payload *p, struct span out)
{
    uint8_t *at = out.at;
    ASSERT(out.len >= PAYLOAD_MIN);
    ASSERT(p->run <= PAYLOAD_RUN_MAX);
    ASSERT(p->sender <= PAYLOAD_SENDER_MAX);
    ASSERT(p->seq <= PAYLOAD_SEQ_MAX);
    tag_put(&at, p->run);
    put(&at, SENDER_DIGITS, p->sender);
    put(&at, SEQ_DIGITS, p->seq);
    put(&at, TIME_DIGITS, p->sent_ns);
    /* Differs from place to place and from message to message: a slip or a mix-up shows. */
    for (size_t i = (size_t)(at - out.at); i < out.len - SUM_DIGITS; i++)
        *at++ = (uint8_t)digits[(i + p->seq) & 63];
    put(&at, SUM_DIGITS, checksum((struct bytes){out.at, out.len - SUM_DIGITS}));
}

static enum payload_check decode(struct bytes b, struct payload *out)
{
    const uint8_t *at = b.at + MARK_LEN, *sum_at = b.at + b.len - SUM_DIGITS;
    if (take(&sum_at, SUM_DIGITS) != checksum((struct bytes){b.at, b.len - SUM_DIGITS}))
        return PAYLOAD_CORRUPT;
    out->run = (uint32_t)take(&at, RUN_DIGITS);
    out->sender = (uint32_t)take(&at, SENDER_DIGITS);
    out->seq = (uint32_t)take(&at, SEQ_DIGITS);
    out->sent_ns = take(&at, TIME_DIGITS);
    return PAYLOAD_WHOLE;
}

/* In an envelope of JSON it is a string; alone it is the whole message. */
static bool is_quoted(struct bytes message, size_t before, size_t len)
{
    return before > 0 && before + len < message.len && message.at[before - 1] == '"' &&
           message.at[before + len] == '"';
}

enum payload_check payload_check(struct bytes message, uint32_t run, size_t len,
                                 struct payload *out)
{
    uint8_t tag[TAG_LEN], *end = tag;
    tag_put(&end, run);
    if (message.len == 0)
        return PAYLOAD_FOREIGN;
    const uint8_t *found = memmem(message.at, message.len, tag, sizeof(tag));
    if (!found)
        return PAYLOAD_FOREIGN;
    const size_t before = (size_t)(found - message.at);
    if (message.len - before < len || !(message.len == len || is_quoted(message, before, len)))
        return PAYLOAD_CORRUPT;
    return decode((struct bytes){found, len}, out);
}
