/* WebSocket frames are contiguous with the payload; SSE images are built once and shared. */
#include "conn/wire.h"

#include "sse/sse.h"

static struct bytes sse_bytes(struct message *m, bool chunked, uint64_t epoch)
{
    const struct image *image = message_image(m, IMAGE_SSE, sse_image_new, &epoch);
    if (!image)
        return (struct bytes){0};
    if (chunked)
        return (struct bytes){image->bytes, image->len};
    return (struct bytes){image->bytes + image->inner_at, image->inner_len};
}

struct bytes wire_bytes(struct message *m, enum wire wire, uint64_t epoch)
{
    switch (wire) {
    case WIRE_WS:
        return message_ws_frame(m);
    case WIRE_SSE_CHUNKED:
        return sse_bytes(m, true, epoch);
    case WIRE_SSE_PLAIN:
        return sse_bytes(m, false, epoch);
    case WIRES:
        break;
    }
    UNREACHABLE("wire");
}
