/* WebSocket as a client reads and writes it (RFC 6455): src/ws is the server's side, which has to
 * refuse what a client gets, unmasked frames, and sends them. No socket, no state: what is not
 * whole yet stays with the caller. Text is not checked for UTF-8, payloads have checksums. */
#pragma once

#include "base/attr.h"
#include "ws/ws.h"

enum { FRAMES_MESSAGE_MAX = 64 << 20 };

enum frames_event {
    FRAMES_MORE,    /* what is left of *in is the beginning of something: keep it, unread */
    FRAMES_MESSAGE, /* slice: a whole message, its fragments joined */
    FRAMES_PING,    /* slice: its payload; to be answered */
    FRAMES_PONG,
    FRAMES_CLOSE, /* code, and slice: the reason */
    FRAMES_WRONG, /* why: the server breaks the protocol */
};

struct frames_step {
    enum frames_event event;
    unsigned code;
    struct bytes slice; /* until the next call */
    const char *why;
    uint8_t control[WS_CONTROL_MAX];
};

/* Moves *in on past what it tells. Writes in *in: fragments are joined where they lie, and a
 * control frame between two of them is taken out from there. The same events wherever bytes were
 * cut. */
enum frames_event frames_next(struct span *in, struct frames_step *step) MUST_CHECK;

/* A masked, final frame into out, which has room for WS_HEAD_MAX more than the payload. Its length.
 */
size_t frames_encode(uint8_t *out, enum ws_opcode opcode, struct bytes payload, uint32_t mask);
