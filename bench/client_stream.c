/* From bytes to messages: WebSocket frames, or the data lines of Server-Sent Events.
 * Chunk sizes and other SSE fields pass as lines that are not data; a chunk that cuts a data line
 * would show as a corrupt message, never as a good one. */
#include "client_swarm.h"

#include "lib/head.h"
#include "lib/net.h"

/* Answers a ping (RFC 6455, 5.5.3). A mask of zeros keeps the payload as it is. */
static bool pong_send(struct peer *p, struct bytes payload)
{
    static const uint8_t no_mask[4] = {0};
    uint8_t frame[FRAME_HEAD_MAX + 125];
    if (payload.len > 125)
        return false;
    const size_t head = frame_head_put(frame, FRAME_PONG, payload.len, no_mask);
    memcpy(frame + head, payload.at, payload.len);
    p->swarm->pings++;
    return net_send(p->fd, (struct bytes){frame, head + payload.len}) >= 0;
}

/* What a compressed message says; whoever asked for compression gets nothing else. */
static bool message_deliver(struct swarm *s, struct peer *p, const struct frame_head *head,
                            struct bytes payload)
{
    s->wire_len = payload.len;
    if (head->compressed != s->options->deflate)
        return false;
    if (head->compressed)
        payload = inflated_of(&s->inflated, payload);
    return payload.at && (!s->on_message || s->on_message(s->user, p, payload));
}

static bool frame_deliver(struct swarm *s, struct peer *p, const struct frame_head *head,
                          struct bytes payload)
{
    switch (head->opcode) {
    case FRAME_TEXT:
    case FRAME_BINARY:
        return message_deliver(s, p, head, payload);
    case FRAME_PING:
        return pong_send(p, payload);
    case FRAME_PONG:
        return true;
    default: /* a close, a continuation, a reserved one: nothing this client asked for */
        return false;
    }
}

static size_t ws_take(struct swarm *s, struct peer *p, struct bytes in)
{
    struct frame_head head;
    size_t used = 0;
    while (p->state == PEER_OPEN && frame_head_parse(bytes_skip(in, used), &head)) {
        if (head.masked || !head.fin)
            return SIZE_MAX;
        if (in.len - used - head.len < head.payload_len)
            break;
        const struct bytes payload = {in.at + used + head.len, head.payload_len};
        if (!frame_deliver(s, p, &head, payload))
            return SIZE_MAX;
        used += head.len + head.payload_len;
    }
    return used;
}

static bool line_deliver(struct swarm *s, struct peer *p, struct bytes line)
{
    const struct bytes field = BYTES_LITERAL("data: ");
    if (!bytes_start_with(line, field) || !s->on_message)
        return true;
    return s->on_message(s->user, p, bytes_skip(line, field.len));
}

static size_t sse_take(struct swarm *s, struct peer *p, struct bytes in)
{
    size_t used = 0;
    while (used < in.len) {
        const uint8_t *at = in.at + used;
        const uint8_t *end = memchr(at, '\n', in.len - used);
        if (!end)
            break;
        if (!line_deliver(s, p, (struct bytes){at, (size_t)(end - at)}))
            return SIZE_MAX;
        used += (size_t)(end - at) + 1;
    }
    return used;
}

size_t stream_take(struct swarm *s, struct peer *p, struct bytes in)
{
    return s->options->sse ? sse_take(s, p, in) : ws_take(s, p, in);
}
