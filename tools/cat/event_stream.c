/* Line by line. A line ends with LF, CR LF or CR; what is behind the first colon, less one space,
 * is the field's value. */
#include "cat/event_stream.h"

enum { RETRY_DIGITS_MAX = 9 };

static void take_bom(struct event_stream *s)
{
    const struct bytes bom = BYTES_LITERAL("\xef\xbb\xbf");
    if (!s->past_start && bytes_start_with(text_bytes(&s->line), bom)) {
        s->line.len -= bom.len;
        memmove(s->line.at, s->line.at + bom.len, s->line.len);
    }
    s->past_start = true;
}

/* Moves *in behind the end of a line. False: there is none yet. */
static bool take_line(struct event_stream *s, struct bytes *in)
{
    if (s->after_cr && in->len > 0 && in->at[0] == '\n')
        *in = bytes_skip(*in, 1);
    if (in->len > 0)
        s->after_cr = false;
    for (size_t i = 0; i < in->len; i++) {
        if (in->at[i] != '\n' && in->at[i] != '\r')
            continue;
        s->after_cr = in->at[i] == '\r';
        text_add(&s->line, (struct bytes){in->at, i});
        *in = bytes_skip(*in, i + 1);
        take_bom(s);
        return true;
    }
    text_add(&s->line, *in);
    *in = bytes_skip(*in, in->len);
    return false;
}

static void set(struct text *t, struct bytes value)
{
    t->len = 0;
    text_add(t, value);
}

static void take_retry(struct event_stream *s, struct bytes value)
{
    uint64_t ms = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] < '0' || value.at[i] > '9' || value.len > RETRY_DIGITS_MAX)
            return;
        ms = ms * 10 + (uint64_t)(value.at[i] - '0');
    }
    s->retry_ms = ms;
}

static void take_field(struct event_stream *s, struct bytes name, struct bytes value)
{
    if (bytes_equal(name, BYTES_LITERAL("data"))) {
        if (s->has_data)
            text_add_byte(&s->data, '\n');
        text_add(&s->data, value);
        s->has_data = true;
    } else if (bytes_equal(name, BYTES_LITERAL("event"))) {
        set(&s->event, value);
    } else if (bytes_equal(name, BYTES_LITERAL("id"))) {
        if (value.len > 0 && memchr(value.at, '\0', value.len))
            return;
        set(&s->id, value);
        s->has_id = true;
    } else if (bytes_equal(name, BYTES_LITERAL("retry"))) {
        take_retry(s, value);
    }
}

static void take_whole_line(struct event_stream *s)
{
    const struct bytes line = text_bytes(&s->line);
    const uint8_t *colon = line.len > 0 ? memchr(line.at, ':', line.len) : NULL;
    const struct bytes name = {line.at, colon ? (size_t)(colon - line.at) : line.len};
    struct bytes value = bytes_skip(line, colon ? name.len + 1 : name.len);
    if (value.len > 0 && value.at[0] == ' ')
        value = bytes_skip(value, 1);
    take_field(s, name, value); /* a comment's name is empty */
}

static struct event_block end_block(struct event_stream *s)
{
    const struct event_block block = {
        .event = s->event.len > 0 ? text_bytes(&s->event) : (struct bytes){0},
        .data = s->has_data ? text_bytes(&s->data) : (struct bytes){0},
        .id = s->has_id ? text_bytes(&s->id) : (struct bytes){0},
    };
    s->has_data = s->has_id = false;
    s->event.len = s->data.len = s->id.len = 0; /* their bytes stay until the next call */
    return block;
}

bool event_stream_next(struct event_stream *s, struct bytes *in, struct event_block *out)
{
    while (!event_stream_failed(s) && take_line(s, in)) {
        const bool ends = s->line.len == 0;
        if (!ends)
            take_whole_line(s);
        s->line.len = 0;
        if (ends && (s->has_data || s->has_id)) {
            *out = end_block(s);
            return true;
        }
        if (ends)
            s->event.len = 0;
    }
    return false;
}

bool event_stream_failed(const struct event_stream *s)
{
    return s->line.failed || s->data.failed || s->event.failed || s->id.failed;
}

void event_stream_fini(struct event_stream *s)
{
    text_fini(&s->line);
    text_fini(&s->data);
    text_fini(&s->event);
    text_fini(&s->id);
}
