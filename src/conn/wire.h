/* The wire forms of a message: which of its images each one sends, what of it, and how it is made.
 * The one place that knows all of them. */
#pragma once

#include "conn/conn.h"
#include "log/message.h"

/* Of what is compressed once for all. */
enum { WIRE_WINDOW_BITS = 15 };

/* What images are made with: `user` of their builders, some of which know of the epoch alone. */
struct wire_maker {
    uint64_t epoch; /* first */
    struct reactor *reactor;
};

struct wire_form {
    enum image_kind kind;
    bool inner;            /* only the image's inner slice */
    bool is_dear;          /* to build: once for all reactors, if that can be */
    image_build_fn *build; /* user: struct wire_maker */
};

/* The form that a subscriber of `wire` is sent the message in now: not compressed if it is short,
 * very long, or so old that it would be compressed for few. */
ON_REACTOR enum wire wire_now(const struct reactor *r, enum wire wire, const struct message *m);
enum wire wire_uncompressed(enum wire wire);
/* NULL: the message's own WebSocket frame is what is sent. */
const struct wire_form *wire_form(enum wire wire, const struct message *m);
/* What is sent of that form's image. */
struct bytes wire_slice(enum wire wire, const struct image *image, const struct message *m);
/* The image that a message which shares images keeps, or is given here. NULL: no memory. */
ON_REACTOR const struct image *wire_image(struct reactor *r, struct message *m,
                                          const struct wire_form *form) MUST_CHECK;
ON_REACTOR struct wire_maker wire_maker(struct reactor *r);
static inline bool wire_is_chunked(enum wire wire)
{
    return wire == WIRE_SSE_CHUNKED || wire == WIRE_SSE_JSON_CHUNKED;
}
