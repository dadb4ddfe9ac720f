/* Heads of HTTP messages and WebSocket frames, found rather than checked.
 * Does not decode chunks, continuations or anything else that bench never sends. */
#define _GNU_SOURCE /* memmem */
#include "lib/head.h"

#include <string.h>

size_t head_len(struct bytes in)
{
    const uint8_t *end = in.len ? memmem(in.at, in.len, "\r\n\r\n", 4) : NULL;
    return end ? (size_t)(end - in.at) + 4 : 0;
}

static struct bytes trimmed(struct bytes b)
{
    while (b.len > 0 && (b.at[0] == ' ' || b.at[0] == '\t'))
        b = bytes_skip(b, 1);
    while (b.len > 0 && (b.at[b.len - 1] == ' ' || b.at[b.len - 1] == '\t'))
        b.len--;
    return b;
}

/* Cuts the first line (without CRLF) off *rest. */
static struct bytes line_take(struct bytes *rest)
{
    const uint8_t *end = rest->len ? memmem(rest->at, rest->len, "\r\n", 2) : NULL;
    const struct bytes line = {rest->at, end ? (size_t)(end - rest->at) : rest->len};
    *rest = bytes_skip(*rest, end ? line.len + 2 : line.len);
    return line;
}

struct bytes head_field(struct bytes head, struct bytes name)
{
    (void)line_take(&head); /* the request or status line */
    while (head.len > 0) {
        const struct bytes line = line_take(&head);
        if (line.len <= name.len || line.at[name.len] != ':')
            continue;
        if (bytes_equal_nocase((struct bytes){line.at, name.len}, name))
            return trimmed(bytes_skip(line, name.len + 1));
    }
    return (struct bytes){0};
}

static size_t decimal(struct bytes b)
{
    size_t value = 0;
    for (size_t i = 0; i < b.len && b.at[i] >= '0' && b.at[i] <= '9'; i++)
        value = value * 10 + (size_t)(b.at[i] - '0');
    return value;
}

size_t head_content_length(struct bytes head)
{
    return decimal(head_field(head, BYTES_LITERAL("Content-Length")));
}

unsigned head_status(struct bytes head)
{
    const struct bytes version = BYTES_LITERAL("HTTP/1.1 ");
    if (!bytes_start_with(head, version))
        return 0;
    return (unsigned)decimal(bytes_skip(head, version.len));
}

/* Bytes of extended length behind the first two (RFC 6455, 5.2). */
static size_t extended_size(uint8_t len7)
{
    if (len7 < 126)
        return 0;
    return len7 == 126 ? 2 : 8;
}

bool frame_head_parse(struct bytes in, struct frame_head *out)
{
    if (in.len < 2)
        return false;
    const uint8_t len7 = in.at[1] & 0x7f;
    const size_t extended = extended_size(len7);
    out->fin = (in.at[0] & 0x80) != 0;
    out->compressed = (in.at[0] & 0x40) != 0;
    out->masked = (in.at[1] & 0x80) != 0;
    out->opcode = in.at[0] & 0x0f;
    out->len = 2 + extended + (out->masked ? 4 : 0);
    if (in.len < out->len)
        return false;
    out->payload_len = extended ? (size_t)load_be(in.at + 2, extended) : len7;
    if (out->masked)
        memcpy(out->mask, in.at + 2 + extended, 4);
    return true;
}

size_t frame_head_put(uint8_t out[static FRAME_HEAD_MAX], uint8_t opcode, size_t payload_len,
                      const uint8_t *mask)
{
    const uint8_t len7 = (uint8_t)(payload_len < 126       ? payload_len
                                   : payload_len <= 0xffff ? 126
                                                           : 127);
    const size_t extended = extended_size(len7);
    out[0] = (uint8_t)(0x80 | opcode);
    out[1] = (uint8_t)(len7 | (mask ? 0x80 : 0));
    store_be(out + 2, extended, payload_len);
    if (mask)
        memcpy(out + 2 + extended, mask, 4);
    return 2 + extended + (mask ? 4 : 0);
}

void frame_mask(uint8_t *payload, size_t len, const uint8_t mask[static 4])
{
    for (size_t i = 0; i < len; i++)
        payload[i] ^= mask[i % 4];
}
