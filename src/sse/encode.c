/* Messages as Server-Sent Events (WHATWG HTML, 9.2) in HTTP/1.1 chunks (RFC 9112, 7.1).
 * Who receives them, and when a heartbeat is due, is not known here. */
#include "sse/sse.h"

#include "base/writer.h"
#include "log/cursor.h"

#include <stdio.h>

static void put_field(struct writer *w, struct bytes name_and_colon, struct bytes value)
{
    writer_put(w, name_and_colon);
    writer_put(w, value);
    writer_put(w, BYTES_LITERAL("\n"));
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

/* An event: what it is of, and whether its data is the payload or the envelope. */
struct event {
    const struct message *m;
    uint64_t epoch;
    bool in_envelope;
};

static void put_cursor(struct writer *w, const struct event *e)
{
    char text[CURSOR_TEXT_MAX];
    const size_t len = cursor_format((struct cursor){.epoch = e->epoch, .seq = e->m->seq}, text);
    put_field(w, BYTES_LITERAL("id: "), (struct bytes){(const uint8_t *)text, len});
}

static void put_event_name(struct writer *w, const struct event *e)
{
    const struct bytes name = message_event(e->m);
    if (name.len == 0) {
        if (e->m->kind == MESSAGE_BINARY && !e->in_envelope) /* which says so itself */
            put_field(w, BYTES_LITERAL("event: "), BYTES_LITERAL("binary"));
        return;
    }
    /* A line end in it would forge fields: it is refused where messages are published. */
    ASSERT(!memchr(name.at, '\n', name.len));
    ASSERT(!memchr(name.at, '\r', name.len));
    put_field(w, BYTES_LITERAL("event: "), name);
}

/* Text by its lines, binary as base64. */
static void put_body(struct writer *w, struct bytes body, enum message_kind kind)
{
    if (kind == MESSAGE_TEXT) {
        put_text(w, body);
        return;
    }
    writer_put(w, BYTES_LITERAL("data: "));
    writer_put_base64(w, body);
    writer_put(w, BYTES_LITERAL("\n"));
}

static void put_data(struct writer *w, const struct event *e)
{
    if (!e->in_envelope) {
        put_body(w, message_payload(e->m), e->m->kind);
        return;
    }
    writer_put(w, BYTES_LITERAL("data: ")); /* one line: JSON has its line ends escaped */
    envelope_put(w, e->m, e->epoch);
    writer_put(w, BYTES_LITERAL("\n"));
}

/* The id last: some readers take it when its line is there, and would go on behind an event that
 * was cut in the midst of its data. */
static void put_event(struct writer *w, const struct event *e)
{
    put_event_name(w, e);
    put_data(w, e);
    put_cursor(w, e);
    writer_put(w, BYTES_LITERAL("\n"));
}

static struct image *event_image_new(const struct event *e)
{
    char head[20];
    struct writer size = {0};
    put_event(&size, e);
    const size_t head_len = (size_t)snprintf(head, sizeof(head), "%zx\r\n", size.len);
    const size_t total = head_len + size.len + 2;
    if (total > UINT32_MAX) /* a payload of gigabytes of line ends: struct image cannot say it */
        return NULL;
    struct image *image = image_new((uint32_t)total);
    if (!image)
        return NULL;
    image->inner_at = (uint32_t)head_len;
    image->inner_len = (uint32_t)size.len;

    struct writer w = {.at = image->bytes};
    writer_put(&w, (struct bytes){(const uint8_t *)head, head_len});
    put_event(&w, e);
    writer_put(&w, BYTES_LITERAL("\r\n"));
    ASSERT(w.len == total);
    return image;
}

struct image *sse_image_new(const struct message *m, void *user)
{
    const uint64_t *epoch = user;
    ASSERT(m->kind != MESSAGE_END);
    return event_image_new(&(struct event){.m = m, .epoch = *epoch});
}

struct image *sse_envelope_image_new(const struct message *m, void *user)
{
    const uint64_t *epoch = user;
    return event_image_new(&(struct event){.m = m, .epoch = *epoch, .in_envelope = true});
}

void sse_add_open(struct text *out, uint32_t retry_ms, struct bytes cursor)
{
    text_printf(out, "retry: %u\n", retry_ms);
    if (cursor.at) {
        text_add_str(out, "id: ");
        text_add(out, cursor);
        text_add_str(out, "\n");
    }
    text_add_str(out, "\n");
}

enum { PREAMBLE_LEN = 2 << 10 };

void sse_add_preamble(struct text *out)
{
    uint8_t *at = text_extend(out, PREAMBLE_LEN);
    if (!at)
        return;
    memset(at, ' ', PREAMBLE_LEN);
    at[0] = ':';
    at[PREAMBLE_LEN - 1] = '\n'; /* no blank line: some clients show each as a message */
}

static void put_direct(struct writer *w, struct bytes body, enum message_kind kind)
{
    if (kind == MESSAGE_BINARY)
        put_field(w, BYTES_LITERAL("event: "), BYTES_LITERAL("binary"));
    put_body(w, body, kind);
    writer_put(w, BYTES_LITERAL("\n"));
}

void sse_add_direct(struct text *out, struct bytes body, enum message_kind kind)
{
    struct writer size = {0};
    put_direct(&size, body, kind);
    struct writer w = {.at = text_extend(out, size.len)};
    if (w.at)
        put_direct(&w, body, kind);
}

void sse_add_gap(struct text *out, const struct gap *gap)
{
    char resumed[CURSOR_TEXT_MAX];
    cursor_format(gap->resumed, resumed);
    text_add_str(out, "event: gap\ndata: ");
    gap_add(out, gap);
    text_printf(out, "\nid: %s\n\n", resumed);
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
