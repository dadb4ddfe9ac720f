/* Gap notices, by wire form. Whether one is due, is decided in slow.c and place.c. */
#include "conn/notice.h"

#include "conn/goodbye.h"
#include "conn/outbox.h"
#include "conn/reactor.h"
#include "conn/wire.h"
#include "sse/sse.h"
#include "ws/ws.h"

#include <stdio.h>

static ON_REACTOR bool tell_json(struct reactor *r, struct conn *c, const struct gap *gap)
{
    struct text payload = {0};
    text_add_str(&payload, "{\"gap\":");
    gap_add(&payload, gap);
    text_add_str(&payload, "}");
    const bool told =
        payload.failed ? false : outbox_add_frame(r, c, WS_TEXT, text_bytes(&payload));
    if (payload.failed)
        conn_drop(r, c, true); /* going on without the notice would be a silent loss */
    text_fini(&payload);
    return told;
}

ON_REACTOR bool notice_event(struct reactor *r, struct conn *c, struct text *event)
{
    struct text *out = outbox_open(r, c);
    if (out) {
        sse_add_framed(out, text_bytes(event), wire_is_chunked(c->wire));
        out->failed = out->failed || event->failed;
    }
    text_fini(event);
    return outbox_close(r, c);
}

static ON_REACTOR bool tell_event(struct reactor *r, struct conn *c, const struct gap *gap)
{
    struct text event = {0};
    sse_add_gap(&event, gap);
    return notice_event(r, c, &event);
}

static ON_REACTOR void close_raw(struct reactor *r, struct conn *c, const struct gap *gap)
{
    char reason[WS_CLOSE_REASON_MAX + 1], resumed[CURSOR_TEXT_MAX];
    cursor_format(gap->resumed, resumed);
    snprintf(reason, sizeof(reason), "gap %.*s %s", (int)gap->after.len,
             (const char *)gap->after.at, resumed);
    goodbye(r, c, WS_CLOSE_GAP, reason);
}

ON_REACTOR bool notice_gap(struct reactor *r, struct conn *c, const struct gap *gap)
{
    stat_add(&r->stats.gaps[gap->reason], 1);
    switch (c->wire) {
    case WIRE_WS:
    case WIRE_WS_DEFLATE:
        close_raw(r, c, gap);
        return false;
    case WIRE_WS_JSON:
    case WIRE_WS_JSON_DEFLATE:
        return tell_json(r, c, gap);
    case WIRE_SSE_CHUNKED:
    case WIRE_SSE_PLAIN:
    case WIRE_SSE_JSON_CHUNKED:
    case WIRE_SSE_JSON_PLAIN:
        return tell_event(r, c, gap);
    case WIRE_POLL: /* its answer tells it */
    case WIRE_LOCAL:
    case WIRES:
        break;
    }
    UNREACHABLE("wire");
}
