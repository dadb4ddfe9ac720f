/* Event streams. Lines end with LF, CRLF or CR; a CR at the end of what is here counts at once, and
 * a LF that follows later is an empty line of no event.
 * Event names and ids are not looked at: what the messages say is in their data. */
#include "load/events.h"

static bool take_line(struct bytes *in, struct bytes *line)
{
    for (size_t i = 0; i < in->len; i++) {
        if (in->at[i] != '\n' && in->at[i] != '\r')
            continue;
        const bool pair = in->at[i] == '\r' && i + 1 < in->len && in->at[i + 1] == '\n';
        *line = (struct bytes){in->at, i};
        *in = bytes_skip(*in, i + (pair ? 2 : 1));
        return true;
    }
    return false;
}

/* "data:x", "data: x", and "data" alone, which is an empty line. */
static bool is_data(struct bytes line, struct bytes *value)
{
    const struct bytes name = BYTES_LITERAL("data");
    if (!bytes_start_with(line, name))
        return false;
    *value = bytes_skip(line, name.len);
    if (value->len == 0)
        return true;
    if (value->at[0] != ':')
        return false;
    *value = bytes_skip(*value, 1);
    if (value->len > 0 && value->at[0] == ' ')
        *value = bytes_skip(*value, 1);
    return true;
}

bool events_next(struct bytes *in, struct bytes *data)
{
    struct bytes left = *in, line, value;
    bool has_data = false;
    while (take_line(&left, &line)) {
        if (line.len == 0 && has_data) {
            *in = left;
            return true;
        }
        if (is_data(line, &value)) {
            if (has_data)
                data->len = (size_t)(line.at + line.len - data->at);
            else
                *data = value;
            has_data = true;
        }
        /* Without data so far there is nothing that a later line would need of it. */
        if (!has_data)
            *in = left;
    }
    return false;
}

bool events_is_refusal(struct bytes body)
{
    struct bytes line, rest;
    return take_line(&body, &line) && bytes_start_with(line, BYTES_LITERAL("retry:")) &&
           take_line(&body, &rest) && rest.len == 0 && body.len == 0;
}

enum events_unframe events_unframe(struct http_body *body, struct span *raw)
{
    struct bytes in = span_bytes(*raw), slice;
    uint8_t *to = raw->at;
    for (;;) {
        const enum http_body_step step = http_body_next(body, &in, &slice);
        if (step == HTTP_BODY_DATA) {
            memmove(to, slice.at, slice.len);
            to += slice.len;
            continue;
        }
        raw->len = (size_t)(to - raw->at);
        switch (step) {
        case HTTP_BODY_MORE:
        case HTTP_BODY_DATA:
            return EVENTS_GOES_ON;
        case HTTP_BODY_DONE:
            return EVENTS_ENDED;
        case HTTP_BODY_BAD:
            return EVENTS_BAD;
        }
    }
}
