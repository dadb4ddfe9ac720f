/* Compressed messages of one WebSocket (permessage-deflate, RFC 7692). zlib's memory is there only
 * in the middle of a message, unless both sides agreed to keep what was said before. What all
 * subscribers of a topic share is wire.c's. */
#pragma once

#include "conn/conn.h"
#include "ws/ws.h"

/* A handshake agrees on that (bits by enum conn_deflate). False: what is kept between messages
 * would be too much for the server; nothing is agreed on. */
ON_REACTOR bool deflated_agree(struct reactor *r, struct conn *c, uint8_t deflate) MUST_CHECK;
/* The connection is over. */
ON_REACTOR void deflated_release(struct reactor *r, struct conn *c);

enum inflated {
    INFLATED_FINE,
    INFLATED_BAD,      /* not what deflate makes */
    INFLATED_BAD_TEXT, /* text that is not UTF-8 */
    INFLATED_TOO_LONG,
    INFLATED_NO_MEMORY,
};

/* A part of a compressed message, appended to the connection's body. Stops as soon as it is longer
 * than messages may be, whatever was compressed into the rest. */
ON_REACTOR enum inflated deflated_add(struct reactor *r, struct conn *c, struct bytes part,
                                      enum ws_opcode opcode) MUST_CHECK;
/* The message is complete. */
ON_REACTOR enum inflated deflated_finish(struct reactor *r, struct conn *c, enum ws_opcode opcode)
    MUST_CHECK;

/* Is a message of that length to be compressed for this peer? */
ON_REACTOR bool deflated_is_due(const struct reactor *r, const struct conn *c, size_t len);
/* Sends a message, compressed if that makes it shorter or has to be. False: no memory, the
 * connection has to end. */
ON_REACTOR bool deflated_send(struct reactor *r, struct conn *c, struct bytes payload,
                              enum ws_opcode opcode) MUST_CHECK;
