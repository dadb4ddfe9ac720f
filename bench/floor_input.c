/* What the floor understands: a WebSocket or SSE subscription, a POST, a WebSocket frame to echo.
 * Found by pattern; a request that fits no pattern gets 404. */
#include "floor.h"
#include "lib/head.h"
#include "lib/upgrade.h"

#include <errno.h>

int floor_input_init(struct floor *f)
{
    f->sha1 = upgrade_digest();
    return f->sha1 ? 0 : -ENOMEM;
}

static void upgrade(struct floor *f, int fd, struct bytes key)
{
    char reply[UPGRADE_REPLY_MAX];
    const size_t len = upgrade_reply(reply, key, f->sha1);
    if (len == 0)
        return;
    floor_send(f, fd, (struct bytes){(const uint8_t *)reply, len});
    floor_subscribe(f, fd, CONN_WS);
}

static void image_add(struct image *image, struct bytes b)
{
    memcpy(image->at + image->len, b.at, b.len);
    image->len += b.len;
}

/* Frames a message once for each kind of subscriber, behind what is gathered already. */
static void publish(struct floor *f, struct bytes body)
{
    uint8_t head[FRAME_HEAD_MAX];
    struct image *ws = &f->out[CONN_WS], *sse = &f->out[CONN_SSE];
    if (sse->len + body.len + 64 > FLOOR_IMAGE_MAX)
        floor_fan_out(f);
    image_add(ws, (struct bytes){head, frame_head_put(head, FRAME_BINARY, body.len, NULL)});
    image_add(ws, body);
    image_add(sse, BYTES_LITERAL("data: "));
    image_add(sse, body);
    image_add(sse, BYTES_LITERAL("\n\n"));
    if (f->mode == FLOOR_ONE_SEND_EACH)
        floor_fan_out(f);
}

static void subscribe_or_refuse(struct floor *f, int fd, struct bytes head)
{
    const struct bytes key = head_field(head, BYTES_LITERAL("Sec-WebSocket-Key"));
    const struct bytes accept = head_field(head, BYTES_LITERAL("Accept"));
    if (key.at) {
        upgrade(f, fd, key);
        return;
    }
    if (bytes_equal(accept, BYTES_LITERAL("text/event-stream"))) {
        floor_send(f, fd,
                   BYTES_LITERAL("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                 "Cache-Control: no-store\r\n\r\n"));
        floor_subscribe(f, fd, CONN_SSE);
        return;
    }
    floor_send(f, fd, BYTES_LITERAL("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
}

/* Length of the request that was served, 0 when it is not complete. */
static size_t serve_request(struct floor *f, int fd, struct bytes in)
{
    const struct bytes created = BYTES_LITERAL("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n"
                                               "Content-Type: application/json\r\n\r\n{}");
    const size_t head_size = head_len(in);
    if (head_size == 0)
        return 0;
    const struct bytes head = {in.at, head_size};
    if (!bytes_start_with(head, BYTES_LITERAL("POST "))) {
        subscribe_or_refuse(f, fd, head);
        return head_size;
    }
    const size_t body_len = head_content_length(head);
    if (in.len - head_size < body_len)
        return 0;
    publish(f, (struct bytes){in.at + head_size, body_len});
    if (held_append(&f->replies, created) != 0)
        floor_send(f, fd, created);
    return head_size + body_len;
}

/* One answer for all messages of one read, as the requests were. */
static size_t serve_requests(struct floor *f, int fd, struct bytes in)
{
    size_t used = 0;
    while (f->conns[fd].kind == CONN_HTTP) {
        const size_t n = serve_request(f, fd, bytes_skip(in, used));
        if (n == 0)
            break;
        used += n;
    }
    if (f->replies) {
        floor_send(f, fd, held_bytes(f->replies));
        held_drop(&f->replies);
    }
    return used;
}

/* Frames are unmasked where they lie, in the scratch buffer, and go back behind a new head that is
 * never longer than the old one: 4 bytes of mask are gone. */
static size_t echo_frames(struct floor *f, int fd, struct bytes in)
{
    uint8_t *const at = f->scratch;
    size_t used = 0, reply_len = 0;
    struct frame_head head;
    while (frame_head_parse(bytes_skip(in, used), &head) && head.masked &&
           in.len - used >= head.len + head.payload_len) {
        uint8_t *payload = at + used + head.len;
        frame_mask(payload, head.payload_len, head.mask);
        used += head.len + head.payload_len;
        if (head.opcode >= FRAME_CLOSE)
            continue;
        reply_len += frame_head_put(at + reply_len, head.opcode, head.payload_len, NULL);
        memmove(at + reply_len, payload, head.payload_len);
        reply_len += head.payload_len;
    }
    if (reply_len > 0)
        floor_send(f, fd, (struct bytes){at, reply_len});
    return used;
}

size_t floor_consume(struct floor *f, int fd, struct bytes in)
{
    if (f->conns[fd].kind == CONN_HTTP)
        return serve_requests(f, fd, in);
    if (f->mode == FLOOR_ECHO && f->conns[fd].kind == CONN_WS)
        return echo_frames(f, fd, in);
    return in.len; /* pongs and closes of subscribers */
}
