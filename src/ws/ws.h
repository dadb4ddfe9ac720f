/* WebSocket (RFC 6455), the server's side, without a socket or a clock: frames in, events out; and
 * the frames that we send. What compressed payloads say is not looked at here: inflate.h. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"
#include "log/message.h"

enum { WS_HEAD_MAX = 14, WS_CONTROL_MAX = 125, WS_CLOSE_REASON_MAX = 123 };

enum ws_opcode { WS_CONTINUATION, WS_TEXT, WS_BINARY, WS_CLOSE = 8, WS_PING, WS_PONG };

enum ws_close_code {
    WS_CLOSE_NORMAL = 1000,
    WS_CLOSE_GOING_AWAY = 1001,
    WS_CLOSE_PROTOCOL_ERROR = 1002,
    WS_CLOSE_UNSUPPORTED = 1003,
    WS_CLOSE_NO_STATUS = 1005, /* never on the wire: a close frame without a code */
    WS_CLOSE_ABNORMAL = 1006,  /* the same: the connection was lost */
    WS_CLOSE_BAD_TEXT = 1007,
    WS_CLOSE_POLICY = 1008,
    WS_CLOSE_TOO_BIG = 1009,
    WS_CLOSE_INTERNAL = 1011,
    WS_CLOSE_TRY_LATER = 1013,
    WS_CLOSE_GAP = 4410,
};

/* What a connection keeps while it is in the middle of a frame or message; between messages
 * ws_reader_is_idle() is true and it can be dropped: a new zeroed one goes on just as well. */
struct ws_reader {
    uint64_t frame_left;    /* payload bytes of the current frame still to come */
    uint64_t message_len;   /* payload that the headers of the current message announced so far */
    uint32_t utf8;          /* decoder state of a text message */
    uint16_t close_code;    /* WS_EVENT_VIOLATION: why; WS_EVENT_CLOSE: the peer's (1005: none) */
    uint8_t state;          /* enum in reader.c; 0: in a header or before it */
    uint8_t opcode;         /* of the current frame */
    uint8_t message_opcode; /* WS_TEXT or WS_BINARY inside a message, else 0 */
    bool fin;
    bool compressed; /* the current message is: its payload is handed out as it came */
    uint8_t mask[4]; /* turned so that mask[0] is for the next byte */
    uint8_t kept_len;
    uint8_t kept[WS_CONTROL_MAX]; /* a header, then a control frame's payload, until it is whole */
};

enum ws_event {
    WS_EVENT_MORE,    /* *in is used up */
    WS_EVENT_DATA,    /* slice: unmasked payload of the current message, of kind *opcode */
    WS_EVENT_MESSAGE, /* the message is complete; may follow no DATA */
    WS_EVENT_PING,    /* slice: its payload: answer with it */
    WS_EVENT_PONG,
    WS_EVENT_CLOSE,     /* close_code, slice: the reason */
    WS_EVENT_VIOLATION, /* close_code says how to close; why: for the log and the reason */
};

struct ws_step {
    enum ws_event event;
    enum ws_opcode opcode; /* of DATA and MESSAGE: WS_TEXT or WS_BINARY */
    bool compressed;       /* the same */
    struct span slice;
    const char *why;
};

struct ws_limits {
    uint64_t message_max; /* longer ones are a violation (1009), told from the frame's header before
                             its bytes arrive; compressed ones may be somewhat longer than they
                             would be otherwise, and what they say is for the caller to bound */
    bool may_compress;    /* permessage-deflate was agreed on (RFC 7692, 6) */
};

/* Unmasks in place and moves *in on; call until WS_EVENT_MORE. Slices of DATA point into *in, those
 * of control frames into the reader: they last until the next call. Text that is not compressed is
 * checked as it comes: fail-fast (1007). Nothing after CLOSE or VIOLATION counts: it is swallowed
 * (MORE). The same events wherever the bytes are cut; DATA slices, and what was handed out of a
 * message that ends in a violation, apart. */
enum ws_event ws_reader_next(struct ws_reader *r, struct span *in, const struct ws_limits *limits,
                             struct ws_step *step) MUST_CHECK;
bool ws_reader_is_idle(const struct ws_reader *r);

enum { WS_COMPRESSED = 0x40 }; /* RSV1, beside the opcode of a message (RFC 7692, 6) */
/* Head of an unmasked, final frame. Returns its length (2, 4 or 10). */
size_t ws_encode_head(uint8_t out[static 10], unsigned opcode, uint64_t payload_len);
/* A whole close frame: code, reason (UTF-8) cut at a character to WS_CLOSE_REASON_MAX. code 1005:
 * empty payload. Returns its length, at most 127. */
size_t ws_encode_close(uint8_t out[static 127], unsigned code, struct bytes reason);
/* A whole pong with that payload (<= 125 bytes). Returns its length. */
size_t ws_encode_pong(uint8_t out[static 127], struct bytes payload);

/* The frame of a message whose payload lies elsewhere (image_build_fn; user is not looked at). */
struct image *ws_image_new(const struct message *m, void *user) MUST_CHECK;
