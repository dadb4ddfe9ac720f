/* HTTP/1.1 heads and WebSocket frame heads, by pattern: written apart from src/ so that the judge
 * shares no mistake with what it judges. Not a validating parser: bench talks to itself. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

/* Length of the head with its empty line, 0 while it is incomplete. */
size_t head_len(struct bytes in);
/* A field's value without white space around it; at == NULL: absent. */
struct bytes head_field(struct bytes head, struct bytes name);
/* Content-Length, 0 when there is none. */
size_t head_content_length(struct bytes head);
/* Of a response; 0 when it is none. */
unsigned head_status(struct bytes head);

enum { FRAME_HEAD_MAX = 14 };
enum frame_opcode { FRAME_TEXT = 1, FRAME_BINARY = 2, FRAME_CLOSE = 8, FRAME_PING, FRAME_PONG };

struct frame_head {
    size_t payload_len;
    size_t len; /* of the head itself */
    bool fin, masked;
    bool compressed; /* RSV1 */
    uint8_t opcode;
    uint8_t mask[4];
};

/* false: more bytes are needed. */
bool frame_head_parse(struct bytes in, struct frame_head *out);
/* A final frame's head; mask NULL: none (a server's frame). Returns its length. */
size_t frame_head_put(uint8_t out[static FRAME_HEAD_MAX], uint8_t opcode, size_t payload_len,
                      const uint8_t *mask);
/* Masks or unmasks. */
void frame_mask(uint8_t *payload, size_t len, const uint8_t mask[static 4]);
