/* Messages as Server-Sent Events (WHATWG HTML, 9.2) in HTTP/1.1 chunks (RFC 9112, 7.1).
 * Who receives them, and when a heartbeat is due, is not known here. */
#include "sse/sse.h"

#include "base/alloc.h"
#include "log/cursor.h"

#include <stdio.h>

/* The same calls first measure (at == NULL), then write: an image is allocated exactly, and its
 * size cannot disagree with its bytes. */
struct writer {
    uint8_t *at;
    size_t len;
};

static void put(struct writer *w, struct bytes b)
{
    if (w->at && b.len > 0)
        memcpy(w->at + w->len, b.at, b.len);
    w->len += b.len;
}

static void put_field(struct writer *w, struct bytes name_and_colon, struct bytes value)
{
    put(w, name_and_colon);
    put(w, value);
    put(w, BYTES_LITERAL("\n"));
}

/* Where the line that starts at `from` ends. The places of the next CR and LF are kept: a search
 * for each line would take quadratic time for a payload of nothing but CR. */
struct line_ends {
    size_t cr, lf;
};

static size_t find(struct bytes b, size_t from, uint8_t c)
{
    const uint8_t *hit = from < b.len ? memchr(b.at + from, c, b.len - from) : NULL;
    return hit ? (size_t)(hit - b.at) : b.len;
}

static size_t line_end(struct line_ends *ends, struct bytes b, size_t from)
{
    if (ends->cr < from)
        ends->cr = find(b, from, '\r');
    if (ends->lf < from)
        ends->lf = find(b, from, '\n');
    return ends->cr < ends->lf ? ends->cr : ends->lf;
}

static size_t line_end_size(struct bytes b, size_t end)
{
    const bool cr_lf = b.at[end] == '\r' && end + 1 < b.len && b.at[end + 1] == '\n';
    return cr_lf ? 2 : 1;
}

/* One field per line, and one for what is behind the last line end, be it empty: the receiver joins
 * them with LF. So an empty payload is one empty line, which is dispatched as an event with "". */
static void put_text(struct writer *w, struct bytes payload)
{
    struct line_ends ends = {find(payload, 0, '\r'), find(payload, 0, '\n')};
    size_t from = 0;

    for (;;) {
        const size_t end = line_end(&ends, payload, from);
        const struct bytes line = {payload.at + from, end - from};
        /* Always with one space: the receiver takes one away, ours or the payload's. */
        put_field(w, BYTES_LITERAL("data: "), line);
        if (end == payload.len)
            return;
        from = end + line_end_size(payload, end);
    }
}

/* RFC 4648, 4. */
static void base64_quad(uint8_t out[static 4], const uint8_t *in, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned bits = (unsigned)in[0] << 16 | (len > 1 ? (unsigned)in[1] << 8 : 0) |
                          (len > 2 ? (unsigned)in[2] : 0);

    out[0] = (uint8_t)digits[bits >> 18];
    out[1] = (uint8_t)digits[bits >> 12 & 63];
    out[2] = len > 1 ? (uint8_t)digits[bits >> 6 & 63] : '=';
    out[3] = len > 2 ? (uint8_t)digits[bits & 63] : '=';
}

static void put_base64(struct writer *w, struct bytes payload)
{
    if (w->at) {
        uint8_t *out = w->at + w->len;
        for (size_t i = 0; i < payload.len; i += 3, out += 4)
            base64_quad(out, payload.at + i, payload.len - i);
    }
    w->len += (payload.len + 2) / 3 * 4;
}

static void put_event_name(struct writer *w, const struct message *m)
{
    const struct bytes name = message_event(m);
    if (name.len == 0) {
        if (m->kind == MESSAGE_BINARY)
            put_field(w, BYTES_LITERAL("event: "), BYTES_LITERAL("binary"));
        return;
    }
    /* A line end in it would forge fields: it is refused where messages are published. */
    ASSERT(!memchr(name.at, '\n', name.len));
    ASSERT(!memchr(name.at, '\r', name.len));
    put_field(w, BYTES_LITERAL("event: "), name);
}

static void put_event(struct writer *w, const struct message *m, struct bytes cursor)
{
    put_field(w, BYTES_LITERAL("id: "), cursor);
    put_event_name(w, m);
    if (m->kind == MESSAGE_BINARY) {
        put(w, BYTES_LITERAL("data: "));
        put_base64(w, message_payload(m));
        put(w, BYTES_LITERAL("\n"));
    } else {
        put_text(w, message_payload(m));
    }
    put(w, BYTES_LITERAL("\n"));
}

struct image *sse_image_new(const struct message *m, void *user)
{
    const uint64_t *epoch = user;
    char cursor_text[CURSOR_TEXT_MAX], head[20];
    const size_t cursor_len =
        cursor_format((struct cursor){.epoch = *epoch, .seq = m->seq}, cursor_text);
    const struct bytes cursor = {(const uint8_t *)cursor_text, cursor_len};
    struct writer size = {0};

    put_event(&size, m, cursor);
    const size_t head_len = (size_t)snprintf(head, sizeof(head), "%zx\r\n", size.len);
    const size_t total = head_len + size.len + 2;
    if (total > UINT32_MAX) /* a payload of gigabytes of line ends: struct image cannot say it */
        return NULL;
    struct image *image = alloc_bytes(sizeof(*image) + total);
    if (!image)
        return NULL;
    image->len = (uint32_t)total;
    image->inner_at = (uint32_t)head_len;
    image->inner_len = (uint32_t)size.len;

    struct writer w = {.at = image->bytes};
    put(&w, (struct bytes){(const uint8_t *)head, head_len});
    put_event(&w, m, cursor);
    put(&w, BYTES_LITERAL("\r\n"));
    ASSERT(w.len == total);
    return image;
}

void sse_add_open(struct text *out, uint32_t retry_ms, struct bytes cursor)
{
    text_printf(out, "retry: %u\n", retry_ms);
    text_add_str(out, "id: ");
    text_add(out, cursor);
    text_add_str(out, "\n\n");
}

void sse_add_retry(struct text *out, uint32_t retry_ms)
{
    text_printf(out, "retry: %u\n\n", retry_ms);
}

void sse_add_framed(struct text *out, struct bytes body, bool chunked)
{
    if (body.len == 0) /* an empty chunk would end the stream */
        return;
    if (chunked)
        text_printf(out, "%zx\r\n", body.len);
    text_add(out, body);
    if (chunked)
        text_add_str(out, "\r\n");
}

struct bytes sse_heartbeat(bool chunked)
{
    return chunked ? BYTES_LITERAL("2\r\n:\n\r\n") : BYTES_LITERAL(":\n");
}

struct bytes sse_end(bool chunked)
{
    return chunked ? BYTES_LITERAL("0\r\n\r\n") : BYTES_LITERAL("");
}
