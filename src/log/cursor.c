/* Reads and writes cursors as text. Whether a cursor is of this log is the caller's question. */
#include "log/cursor.h"

enum { EPOCH_DIGITS = 16, SEQ_DIGITS_MAX = 20 };

static bool parse_epoch(struct bytes digits, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < digits.len; i++) {
        const uint8_t c = digits.at[i];
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *out = value;
    return true;
}

static bool parse_seq(struct bytes digits, uint64_t *out)
{
    if (digits.len == 0)
        return false;
    if (digits.at[0] == '0' && digits.len > 1)
        return false; /* one spelling per place: ETags and If-None-Match compare bytes */
    uint64_t value = 0;
    for (size_t i = 0; i < digits.len; i++) {
        const uint8_t c = digits.at[i];
        if (c < '0' || c > '9')
            return false;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(c - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

bool cursor_parse(struct bytes text, struct cursor *out)
{
    struct cursor c;
    if (text.len <= EPOCH_DIGITS || text.at[EPOCH_DIGITS] != '-')
        return false;
    if (!parse_epoch((struct bytes){text.at, EPOCH_DIGITS}, &c.epoch))
        return false;
    if (!parse_seq(bytes_skip(text, EPOCH_DIGITS + 1), &c.seq))
        return false;
    *out = c;
    return true;
}

size_t cursor_format(struct cursor c, char out[static CURSOR_TEXT_MAX])
{
    for (size_t i = 0; i < EPOCH_DIGITS; i++)
        out[i] = "0123456789abcdef"[c.epoch >> (60 - 4 * i) & 15];
    out[EPOCH_DIGITS] = '-';

    char digits[SEQ_DIGITS_MAX]; /* the last one first */
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + c.seq % 10);
        c.seq /= 10;
    } while (c.seq > 0);

    size_t len = EPOCH_DIGITS + 1;
    while (count > 0)
        out[len++] = digits[--count];
    out[len] = '\0';
    return len;
}
