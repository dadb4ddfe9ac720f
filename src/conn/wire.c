/* A table: WebSocket frames are contiguous with a payload that was copied; every other form is an
 * image, built once and shared. */
#include "conn/wire.h"

#include "log/envelope.h"
#include "sse/sse.h"
#include "ws/ws.h"

static const struct wire_form forms[WIRES] = {
    [WIRE_WS] = {IMAGE_WS_FRAME, false, ws_image_new},
    [WIRE_SSE_CHUNKED] = {IMAGE_SSE, false, sse_image_new},
    [WIRE_SSE_PLAIN] = {IMAGE_SSE, true, sse_image_new},
    [WIRE_WS_JSON] = {IMAGE_ENVELOPE, false, envelope_image_new},
    [WIRE_SSE_JSON_CHUNKED] = {IMAGE_SSE_ENVELOPE, false, sse_envelope_image_new},
    [WIRE_SSE_JSON_PLAIN] = {IMAGE_SSE_ENVELOPE, true, sse_envelope_image_new},
    [WIRE_POLL] = {IMAGE_ENVELOPE, true, envelope_image_new},
};

const struct wire_form *wire_form(enum wire wire, const struct message *m)
{
    return wire == WIRE_WS && !m->is_taken ? NULL : &forms[wire];
}

struct bytes wire_slice(enum wire wire, const struct image *image)
{
    if (forms[wire].inner)
        return (struct bytes){image->bytes + image->inner_at, image->inner_len};
    return (struct bytes){image->bytes, image->len};
}
