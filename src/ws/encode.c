/* The frames that a server sends: unmasked, final, in the shortest form (RFC 6455, 5.2).
 * Of messages only those whose payload lies elsewhere are copied: the others carry their frame. */
#include "ws/ws.h"

#include "base/assert.h"
#include "base/utf8.h"
#include "log/ws_frame.h"

size_t ws_encode_head(uint8_t out[static 10], unsigned opcode, uint64_t payload_len)
{
    out[0] = (uint8_t)(0x80 | opcode);
    if (payload_len <= 125) {
        out[1] = (uint8_t)payload_len;
        return 2;
    }
    if (payload_len <= UINT16_MAX) {
        out[1] = 126;
        store_be(out + 2, 2, payload_len);
        return 4;
    }
    ASSERT(payload_len <= INT64_MAX); /* the top bit must be 0 */
    out[1] = 127;
    store_be(out + 2, 8, payload_len);
    return 10;
}

static size_t control_frame(uint8_t out[static 127], enum ws_opcode opcode, size_t payload_len)
{
    ASSERT(payload_len <= WS_CONTROL_MAX);
    return ws_encode_head(out, opcode, payload_len) + payload_len;
}

size_t ws_encode_close(uint8_t out[static 127], unsigned code, struct bytes reason)
{
    if (code == WS_CLOSE_NO_STATUS)
        return control_frame(out, WS_CLOSE, 0);
    ASSERT(code >= 1000);
    ASSERT(code <= 4999);
    const size_t reason_len = utf8_cut(reason, WS_CLOSE_REASON_MAX).len;
    store_be(out + 2, 2, code);
    if (reason_len > 0)
        memcpy(out + 4, reason.at, reason_len);
    return control_frame(out, WS_CLOSE, 2 + reason_len);
}

size_t ws_encode_pong(uint8_t out[static 127], struct bytes payload)
{
    const size_t len = control_frame(out, WS_PONG, payload.len);
    if (payload.len > 0)
        memcpy(out + 2, payload.at, payload.len);
    return len;
}

struct image *ws_image_new(const struct message *m, void *user)
{
    (void)user;
    const struct bytes payload = message_payload(m);
    const size_t head_len = ws_frame_head_len(payload.len);
    if (head_len + payload.len > UINT32_MAX)
        return NULL;
    struct image *image = image_new((uint32_t)(head_len + payload.len));
    if (!image)
        return NULL;
    ws_frame_write_head(image->bytes + head_len, m->kind, payload.len);
    if (payload.len > 0)
        memcpy(image->bytes + head_len, payload.at, payload.len);
    return image;
}
