/* A WebSocket as a client speaks it (RFC 6455), behind the handshake. Frames out are masked and may
 * be fragments; frames in are judged ("protocol"). */
#pragma once

#include "sim/peer.h"

enum { CLOSE_REASON_MAX = 124 };

enum ws_opcodes { OPCODE_MORE = 0, OPCODE_TEXT = 1, OPCODE_BINARY = 2 };

enum ws_got { GOT_NOTHING, GOT_SOMETHING, GOT_TEXT, GOT_BINARY, GOT_CLOSE };

struct ws_client {
    struct buffer message; /* what GOT_TEXT and GOT_BINARY are about, until the next is read */
    uint8_t opcode;        /* of the message under way; 0: none */
    bool may_deflate;      /* permessage-deflate was agreed on, without contexts */
    bool is_compressed;    /* the message under way */
    bool is_told;          /* the message was handed out */
    bool has_close, said_close;
    unsigned close_code; /* 0: none was given */
    char close_reason[CLOSE_REASON_MAX];
    unsigned pings_said, pongs_heard;
};

void ws_client_reset(struct ws_client *c);
/* At most one frame. Pings are answered; pongs have to be those for our pings, in order. */
enum ws_got ws_client_read(struct ws_client *c, struct peer *p);
void ws_client_say_message(struct ws_client *c, struct peer *p, bool is_binary, struct bytes b);
void ws_client_say_ping(struct ws_client *c, struct peer *p);
void ws_client_say_close(struct ws_client *c, struct peer *p, unsigned code);
void ws_client_fini(struct ws_client *c);
