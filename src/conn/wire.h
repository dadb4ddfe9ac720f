/* The wire forms of a message: which of its images each one sends, and what of it. The one place
 * that knows all of them. */
#pragma once

#include "log/message.h"
#include "topic/set.h"

struct wire_form {
    enum image_kind kind;
    bool inner;            /* only the image's inner slice */
    image_build_fn *build; /* user: const uint64_t *epoch */
};

/* NULL: the message's own WebSocket frame is what is sent. */
const struct wire_form *wire_form(enum wire wire, const struct message *m);
struct bytes wire_slice(enum wire wire, const struct image *image);
static inline bool wire_is_chunked(enum wire wire)
{
    return wire == WIRE_SSE_CHUNKED || wire == WIRE_SSE_JSON_CHUNKED;
}
