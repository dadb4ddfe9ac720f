/* The head of an unmasked, final WebSocket frame (RFC 6455, 5.2), so that a frame can be contiguous
 * with what it carries. Nothing else of WebSocket is known to the log. */
#pragma once

#include "base/bytes.h"
#include "log/message.h"

/* The kind is the opcode. */
static_assert(MESSAGE_TEXT == 1, "RFC 6455, 11.8");
static_assert(MESSAGE_BINARY == 2, "RFC 6455, 11.8");

/* Lengths up to 125 fit the second byte, then 16 bits, then 64. */
static inline size_t ws_frame_head_len(uint64_t payload_len)
{
    if (payload_len <= 125)
        return 2;
    return payload_len <= UINT16_MAX ? 4 : 10;
}

/* Writes the head so that it ends where the payload begins. */
static inline void ws_frame_write_head(uint8_t *payload, enum message_kind kind,
                                       uint64_t payload_len)
{
    const size_t ext_len = ws_frame_head_len(payload_len) - 2;
    uint8_t *head = payload - 2 - ext_len;
    head[0] = (uint8_t)(0x80 | kind);
    if (ext_len == 0)
        head[1] = (uint8_t)payload_len;
    else
        head[1] = ext_len == 2 ? 126 : 127;
    store_be(head + 2, ext_len, payload_len);
}
