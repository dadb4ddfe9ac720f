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

/* RFC 8259, 7: quotation mark, backslash and U+0000 to U+001F must be escaped, nothing else. */
static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

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

/* Where the run of plain bytes from `at` ends. Eight at a time: payloads of a MiB come by here. */
static size_t plain_end(struct bytes b, size_t at)
{
    while (b.len - at >= 8 && all_plain(b.at + at))
        at += 8;
    while (at < b.len && is_plain(b.at[at]))
        at++;
    return at;
}

static void put_escape(struct writer *w, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t in_short[] = {'\\', c == '\n' ? 'n' : c};
    const uint8_t in_hex[] = {'\\', 'u', '0', '0', (uint8_t)hex[c >> 4], (uint8_t)hex[c & 15]};
    if (c == '\n' || c >= 0x20)
        writer_put(w, (struct bytes){in_short, sizeof(in_short)});
    else
        writer_put(w, (struct bytes){in_hex, sizeof(in_hex)});
}

void writer_put_json(struct writer *w, struct bytes b)
{
    writer_put(w, BYTES_LITERAL("\""));
    for (size_t at = 0; at < b.len;) {
        const size_t end = plain_end(b, at);
        writer_put(w, (struct bytes){b.at + at, end - at});
        if (end < b.len)
            put_escape(w, b.at[end]);
        at = end + 1;
    }
    writer_put(w, BYTES_LITERAL("\""));
}
