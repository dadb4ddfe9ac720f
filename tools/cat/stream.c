/* By Server-Sent Events: the request, the framing of the answer, and what its blocks mean. */
#include "cat/answer.h"
#include "cat/event_stream.h"
#include "cat/follow.h"
#include "cat/target.h"
#include "load/events.h"

#include <stdio.h>

static bool ask(struct follow *f)
{
    struct text request = {0};
    const struct bytes place = follow_place(f);
    text_add_str(&request, "GET ");
    target_add_subscription(&request, f->options, place);
    text_add_str(&request, " HTTP/1.1\r\nAccept: text/event-stream\r\nCache-Control: no-cache\r\n");
    target_add_fields(&request, f->options);
    if (place.at)
        text_printf(&request, "Last-Event-ID: %.*s\r\n", (int)place.len, (const char *)place.at);
    text_add_str(&request, "\r\n");
    const bool is_sent = !request.failed && wire_send(&f->wire, text_bytes(&request));
    text_fini(&request);
    return is_sent;
}

static bool is_event_stream(const struct response *r)
{
    const struct bytes type = response_field(r, "content-type");
    const struct bytes wanted = BYTES_LITERAL("text/event-stream");
    return r->status == 200 && type.len >= wanted.len &&
           bytes_equal_nocase((struct bytes){type.at, wanted.len}, wanted);
}

/* False: the last one, *ending says why. */
static bool take_block(struct follow *f, const struct event_block *block, enum ending *ending)
{
    if (!block->data.at) {
        follow_set_place(f, block->id);
        return true;
    }
    if (bytes_equal(block->event, BYTES_LITERAL("gap")))
        return follow_take_gap(f, block->data, ending);
    return follow_take(f, block->data, ending);
}

/* All of these bytes. False: the same. */
static bool take_bytes(struct follow *f, struct event_stream *s, struct bytes in,
                       enum ending *ending)
{
    struct event_block block;
    while (event_stream_next(s, &in, &block))
        if (!take_block(f, &block, ending))
            return false;
    f->told_ms = s->retry_ms;
    if (event_stream_failed(s))
        *ending = follow_ended(f, ENDING_FAILED, "out of memory");
    return !event_stream_failed(s);
}

static enum ending lost(struct follow *f, enum wire_event event)
{
    char why[WIRE_WHY_MAX];
    snprintf(why, sizeof(why), "nothing was heard for %llu s",
             (unsigned long long)f->options->silence_s);
    return follow_ended(f, ENDING_AGAIN,
                        event == WIRE_END      ? "the server ended the stream"
                        : event == WIRE_SILENT ? why
                                               : f->wire.why);
}

static enum ending read_stream(struct follow *f, struct event_stream *s, struct http_body *body,
                               bool framed)
{
    enum ending ending = ENDING_FAILED;
    for (;;) {
        struct span in = wire_unread(&f->wire);
        const size_t len = in.len;
        const enum events_unframe unframed = framed ? events_unframe(body, &in) : EVENTS_GOES_ON;
        if (!take_bytes(f, s, span_bytes(in), &ending))
            return ending;
        wire_take(&f->wire, len);
        if (!follow_flush(f))
            return ENDING_FAILED;
        if (unframed != EVENTS_GOES_ON)
            return lost(f, WIRE_END);
        const enum wire_event event = wire_receive(&f->wire, f->options->silence_s * 1000);
        if (event != WIRE_DATA)
            return lost(f, event);
    }
}

enum ending stream_follow(struct follow *f)
{
    struct response head;
    struct http_body body;
    size_t head_len;
    if (!ask(f) || !answer_head(&f->wire, &head, &head_len))
        return follow_ended(f, ENDING_AGAIN, f->wire.why);
    if (!is_event_stream(&head))
        return follow_refused(f);
    const bool framed = response_body_init(&head, &body);
    struct event_stream s = {0};
    wire_take(&f->wire, head_len);
    follow_opened(f);
    const enum ending ending = read_stream(f, &s, &body, framed);
    event_stream_fini(&s);
    return ending;
}
