/* Last words, by protocol. Whether they are due is decided elsewhere (drain, slow, websocket). */
#include "conn/goodbye.h"

#include "conn/outbox.h"
#include "conn/peer.h"
#include "conn/reactor.h"
#include "conn/wire.h"
#include "sse/sse.h"

static ON_REACTOR bool say_close(struct reactor *r, struct conn *c, enum ws_close_code code,
                                 const char *reason)
{
    uint8_t frame[127];
    if (conn_has(c, CONN_CLOSE_SENT))
        return true;
    conn_set(c, CONN_CLOSE_SENT);
    const size_t len = ws_encode_close(frame, code, bytes_from(reason));
    return outbox_add(r, c, (struct bytes){frame, len});
}

ON_REACTOR void goodbye(struct reactor *r, struct conn *c, enum ws_close_code code,
                        const char *reason)
{
    peer_will_end(r, c, code ? code : WS_CLOSE_NORMAL, reason);
    if (c->phase == CONN_WS && !say_close(r, c, code, reason))
        return;
    if (c->phase == CONN_SSE) {
        const struct bytes end = sse_end(wire_is_chunked(c->wire));
        if (end.len > 0 && !outbox_add(r, c, end))
            return;
    }
    conn_end(r, c);
}
