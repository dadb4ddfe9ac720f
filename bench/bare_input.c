/* What bare understands: a WebSocket or SSE subscription, a POST, pongs. Found by pattern.
 * Holds no part of anything: a request or frame that does not come whole costs the connection. */
#include "bare.h"

#include "base/alloc.h"
#include "lib/head.h"
#include "lib/upgrade.h"

#include <errno.h>

static const struct bytes event_head = {(const uint8_t *)"data: ", 6};
static const struct bytes event_end = {(const uint8_t *)"\n\n", 2};

void bare_input_init(struct bare *b)
{
    b->sha1 = upgrade_digest();
    b->frame = alloc_bytes(FRAME_HEAD_MAX + BARE_BODY_MAX);
    b->event = alloc_bytes(event_head.len + BARE_BODY_MAX + event_end.len);
    if (!b->sha1 || !b->frame || !b->event)
        bare_fail("memory", -ENOMEM);
}

static struct bytes image(uint8_t *at, struct bytes head, struct bytes body, struct bytes end)
{
    memcpy(at, head.at, head.len);
    memcpy(at + head.len, body.at, body.len);
    memcpy(at + head.len + body.len, end.at, end.len);
    return (struct bytes){at, head.len + body.len + end.len};
}

/* Framed once for each kind of subscriber; one send for each of them, now. */
static void publish(struct bare *b, struct bytes body)
{
    uint8_t at[FRAME_HEAD_MAX];
    const struct bytes head = {at, frame_head_put(at, FRAME_BINARY, body.len, NULL)};
    const struct bytes images[BARE_KIND_COUNT] = {
        [BARE_WS] = image(b->frame, head, body, BYTES_LITERAL("")),
        [BARE_SSE] = image(b->event, event_head, body, event_end),
    };
    bare_send_range(b, 0, b->high, images);
}

static bool upgrade(struct bare *b, uint32_t conn, struct bytes key, struct span in)
{
    char reply[UPGRADE_REPLY_MAX];
    const size_t len = upgrade_reply(reply, key, b->sha1);
    if (len == 0)
        return false;
    memcpy(in.at, reply, len); /* it must stay until it is submitted, and the request is read */
    bare_send(b, conn, (struct bytes){in.at, len});
    b->kinds[conn] = BARE_WS;
    return true;
}

static bool subscribe(struct bare *b, uint32_t conn, struct span in)
{
    const struct bytes head = span_bytes(in);
    const struct bytes key = head_field(head, BYTES_LITERAL("Sec-WebSocket-Key"));
    if (key.at)
        return upgrade(b, conn, key, in);
    if (!bytes_equal(head_field(head, BYTES_LITERAL("Accept")), BYTES_LITERAL("text/event-stream")))
        return false;
    bare_send(b, conn,
              BYTES_LITERAL("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                            "Cache-Control: no-store\r\n\r\n"));
    b->kinds[conn] = BARE_SSE;
    return true;
}

/* One POST or several, pipelined. */
static bool take_posts(struct bare *b, uint32_t conn, struct bytes in)
{
    while (in.len > 0) {
        const size_t head_size = head_len(in);
        const struct bytes head = {in.at, head_size}, rest = bytes_skip(in, head_size);
        const size_t body_len = head_content_length(head);
        if (head_size == 0 || body_len > rest.len)
            return false;
        publish(b, (struct bytes){rest.at, body_len});
        bare_send(b, conn,
                  BYTES_LITERAL("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n"
                                "Content-Type: application/json\r\n\r\n{}"));
        in = bytes_skip(rest, body_len);
    }
    return true;
}

/* Pongs, and whatever else a WebSocket says: nobody hears it. */
static bool take_frames(struct bytes in)
{
    struct frame_head head;
    while (in.len > 0) {
        if (!frame_head_parse(in, &head) || in.len - head.len < head.payload_len)
            return false;
        if (head.opcode == FRAME_CLOSE)
            return false;
        in = bytes_skip(in, head.len + head.payload_len);
    }
    return true;
}

bool bare_input(struct bare *b, uint32_t conn, struct span in)
{
    const struct bytes said = span_bytes(in);
    if (b->kinds[conn] == BARE_WS)
        return take_frames(said);
    if (b->kinds[conn] == BARE_SSE)
        return true;
    if (bytes_start_with(said, BYTES_LITERAL("POST ")))
        return take_posts(b, conn, said);
    return bytes_start_with(said, BYTES_LITERAL("GET ")) && head_len(said) == in.len &&
           subscribe(b, conn, in);
}
