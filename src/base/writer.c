/* Measures or writes, whichever the writer is for. */
#include "base/writer.h"

#include "base/base64.h"

void writer_put(struct writer *w, struct bytes b)
{
    if (w->at && b.len > 0)
        memcpy(w->at + w->len, b.at, b.len);
    w->len += b.len;
}

void writer_put_base64(struct writer *w, struct bytes b)
{
    if (w->at)
        base64_encode(w->at + w->len, b);
    w->len += base64_len(b.len);
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* RFC 8259, 7: quotation mark, backslash and U+0000 to U+001F must be escaped, nothing else.
 *
 * Payloads of a MiB come by here, plain text as well as JSON with a quotation mark at every sixth
 * byte: eight bytes at a time where all are plain, and where not, no branch per quotation mark. */

/* Are all eight plain? A byte that is to be found borrows its top bit when it is subtracted from; a
 * byte with its top bit set of its own is plain. A borrow can run on into the byte above, but only
 * out of one that is not plain itself: the answer for all eight is exact. */
static bool all_plain(const uint8_t at[static 8])
{
    const uint64_t ones = 0x0101010101010101u, tops = ones << 7;
    uint64_t eight;
    memcpy(&eight, at, sizeof(eight));
    const uint64_t quote = (eight ^ ones * '"') - ones;
    const uint64_t backslash = (eight ^ ones * '\\') - ones;
    const uint64_t control = eight - ones * 0x20;
    return ((quote | backslash | control) & ~eight & tops) == 0;
}

static size_t has_backslash(uint8_t c)
{
    return (size_t)(c == '"') | (size_t)(c == '\\');
}

static size_t escaped_len(const uint8_t *at, size_t count)
{
    size_t len = count;
    for (size_t i = 0; i < count; i++) {
        const size_t more_of_control = at[i] == '\n' ? 1 : 5;
        len += at[i] < 0x20 ? more_of_control : has_backslash(at[i]);
    }
    return len;
}

static size_t json_len(struct bytes b)
{
    size_t len = 0;
    for (; b.len >= 8; b = bytes_skip(b, 8))
        len += all_plain(b.at) ? 8 : escaped_len(b.at, 8);
    return len + escaped_len(b.at, b.len);
}

static uint8_t *write_control(uint8_t *out, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t in_hex[] = {'\\', 'u', '0', '0', (uint8_t)hex[c >> 4], (uint8_t)hex[c & 15]};
    const size_t len = c == '\n' ? 2 : sizeof(in_hex);
    memcpy(out, c == '\n' ? (const uint8_t *)"\\n" : in_hex, len);
    return out + len;
}

static uint8_t *write_escaped(uint8_t *out, const uint8_t *at, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (at[i] < 0x20) {
            out = write_control(out, at[i]);
            continue;
        }
        const size_t more = has_backslash(at[i]);
        out[0] = '\\'; /* overwritten at once when there is to be none */
        out[more] = at[i];
        out += 1 + more;
    }
    return out;
}

/* Returns what json_len() said. */
static size_t json_write(uint8_t *at, struct bytes b)
{
    uint8_t *out = at;
    for (; b.len >= 8; b = bytes_skip(b, 8)) {
        if (all_plain(b.at)) {
            memcpy(out, b.at, 8);
            out += 8;
        } else {
            out = write_escaped(out, b.at, 8);
        }
    }
    return (size_t)(write_escaped(out, b.at, b.len) - at);
}

void writer_put_json(struct writer *w, struct bytes b)
{
    writer_put(w, BYTES_LITERAL("\""));
    if (w->at)
        w->len += json_write(w->at + w->len, b);
    else
        w->len += json_len(b);
    writer_put(w, BYTES_LITERAL("\""));
}
