/* Writes a message as JSON (RFC 8259). Who gets it, and in which protocol, is not known here. */
#include "log/envelope.h"

#include "log/ws_frame.h"

#include <inttypes.h>
#include <stdio.h>

static struct bytes cursor_bytes(struct cursor c, char out[static CURSOR_TEXT_MAX])
{
    const size_t len = cursor_format(c, out);
    return (struct bytes){(const uint8_t *)out, len};
}

static void put_time(struct writer *w, int64_t time_ms)
{
    char digits[24];
    const int len = snprintf(digits, sizeof(digits), "%" PRId64, time_ms);
    writer_put(w, (struct bytes){(const uint8_t *)digits, (size_t)len});
}

static void put_headers(struct writer *w, const struct message *m)
{
    struct message_header h;
    size_t at = 0;
    writer_put(w, BYTES_LITERAL(",\"headers\":"));
    for (struct bytes before = BYTES_LITERAL("{"); message_next_header(m, &at, &h);
         before = BYTES_LITERAL(",")) {
        writer_put(w, before);
        writer_put_json(w, h.name);
        writer_put(w, BYTES_LITERAL(":"));
        writer_put_json(w, h.value);
    }
    writer_put(w, BYTES_LITERAL("}"));
}

static void put_payload(struct writer *w, const struct message *m)
{
    if (m->kind == MESSAGE_BINARY) {
        writer_put(w, BYTES_LITERAL(",\"base64\":\""));
        writer_put_base64(w, message_payload(m));
        writer_put(w, BYTES_LITERAL("\""));
    } else {
        writer_put(w, BYTES_LITERAL(",\"data\":"));
        writer_put_json(w, message_payload(m));
    }
}

void envelope_put(struct writer *w, const struct message *m, uint64_t epoch)
{
    char cursor[CURSOR_TEXT_MAX];
    const struct bytes event = message_event(m);
    ASSERT(m->kind != MESSAGE_END);
    writer_put(w, BYTES_LITERAL("{\"id\":\""));
    writer_put(w, cursor_bytes((struct cursor){.epoch = epoch, .seq = m->seq}, cursor));
    writer_put(w, BYTES_LITERAL("\",\"topic\":"));
    writer_put_json(w, message_topic(m));
    writer_put(w, BYTES_LITERAL(",\"time\":"));
    put_time(w, m->time_ms);
    if (event.len > 0) {
        writer_put(w, BYTES_LITERAL(",\"event\":"));
        writer_put_json(w, event);
    }
    if (m->headers_len > 0)
        put_headers(w, m);
    put_payload(w, m);
    writer_put(w, BYTES_LITERAL("}"));
}

static size_t envelope_size(const struct message *m, uint64_t epoch)
{
    struct writer size = {0};
    envelope_put(&size, m, epoch);
    return size.len;
}

void envelope_add(struct text *out, const struct message *m, uint64_t epoch)
{
    struct writer w = {.at = text_extend(out, envelope_size(m, epoch))};
    if (w.at)
        envelope_put(&w, m, epoch);
}

struct image *envelope_image_new(const struct message *m, void *user)
{
    const uint64_t *epoch = user;
    const size_t size = envelope_size(m, *epoch);
    const size_t head_len = ws_frame_head_len(size);
    if (head_len + size > UINT32_MAX) /* gigabytes of what must be escaped: no image can say it */
        return NULL;
    struct image *image = image_new((uint32_t)(head_len + size));
    if (!image)
        return NULL;
    image->inner_at = (uint32_t)head_len;
    image->inner_len = (uint32_t)size;

    struct writer w = {.at = image->bytes + head_len};
    ws_frame_write_head(w.at, MESSAGE_TEXT, size);
    envelope_put(&w, m, *epoch);
    ASSERT(w.len == size);
    return image;
}

const char *gap_reason_name(enum gap_reason reason)
{
    static const char *const names[GAP_REASONS] = {
        [GAP_EPOCH] = "epoch",
        [GAP_TRIMMED] = "trimmed",
        [GAP_SLOW] = "slow",
    };
    ASSERT(reason < GAP_REASONS);
    return names[reason];
}

void gap_add(struct text *out, const struct gap *gap)
{
    char resumed[CURSOR_TEXT_MAX];
    text_add_str(out, "{\"after\":");
    text_add_json(out, gap->after);
    text_add_str(out, ",\"resumed\":\"");
    text_add(out, cursor_bytes(gap->resumed, resumed));
    text_printf(out, "\",\"reason\":\"%s\"}", gap_reason_name(gap->reason));
}
