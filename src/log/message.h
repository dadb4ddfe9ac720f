/* A published message and its wire images: immutable, counted, shared by every reactor. It does not
 * know who receives it. */
#pragma once

#include "base/assert.h"
#include "base/attr.h"
#include "base/bytes.h"

#include <stdatomic.h>

/* The longest header of an unmasked WebSocket frame is 10 bytes; 14 leaves room for a mask, so that
 * a client (the load generator) can use the same buffer. RFC 6455, 5.2. */
enum { MESSAGE_HEAD_ROOM = 14 };

/* END: nothing is published to its topic after it. It has no payload and no images. */
enum message_kind { MESSAGE_TEXT = 1, MESSAGE_BINARY, MESSAGE_END };

/* Wire images other than the WebSocket frame, which is contiguous with the payload. */
enum image_kind {
    IMAGE_SSE,          /* an event in a chunk; inner: the event alone */
    IMAGE_ENVELOPE,     /* a WebSocket frame around the JSON envelope; inner: the envelope */
    IMAGE_SSE_ENVELOPE, /* an event that carries the envelope, in a chunk; inner: the event */
    /* Compressed, or not if that makes it no shorter: the frame, which is then left out (len is 0)
     * if it lies in the message; the envelope's frame. */
    IMAGE_WS_DEFLATE,
    IMAGE_ENVELOPE_DEFLATE,
    IMAGE_KINDS,
    IMAGE_WS_FRAME = IMAGE_KINDS, /* of a message with a taken payload alone */
};
/* Reactors that hold a message's images are counted below the claims. */
enum { IMAGE_HOLDERS_MAX = (1 << (16 - IMAGE_KINDS)) - 1 };

/* Built once, by whichever reactor needs it first. The inner slice is the same without its framing.
 */
struct image {
    _Atomic uint64_t *total; /* what it is counted in while a message keeps it; NULL: nowhere */
    struct image *next;      /* for whoever owns it alone */
    uint32_t len;
    uint32_t inner_at, inner_len;
    uint8_t bytes[];
};

/* Room for len bytes, all of them the inner slice: both are the caller's to fill. NULL: no memory.
 */
struct image *image_new(uint32_t len) MUST_CHECK;
/* What it costs, and is counted as. */
static inline uint64_t image_size(const struct image *i)
{
    return offsetof(struct image, bytes) + (uint64_t)i->len;
}
/* Of an image that no message keeps. Clears the caller's pointer; NULL is fine. */
void image_free(struct image **i_ptr);

/* Which peer published. One that waits for the order is answered by its own reactor when that
 * consumes the entry. reactor == ORIGIN_NONE: no peer did. */
enum { ORIGIN_NONE = 0xffff, TAG_NONE = 0 };
struct message_origin {
    uint16_t reactor;
    uint16_t tag; /* which request of that connection; TAG_NONE: none waits */
    uint32_t conn;
    uint32_t generation;
};

/* A header of its publisher's own. */
struct message_header {
    struct bytes name, value; /* UTF-8; <= UINT16_MAX each */
};

/* A payload that is not copied: release is called once, on any thread, with the message's last
 * reference. */
struct message_taking {
    void (*release)(void *user, const void *payload);
    void *user;
};

/* Who wants to know when the order is fixed. Run once: by the reactor, when it consumes the
 * message, or with -ESHUTDOWN when that will never be. */
struct message_done {
    void (*run)(void *user, int err, uint64_t seq);
    void *user;
    unsigned reactor;
};

struct message_options {
    struct bytes topic;        /* 1..255 bytes, checked by the caller, as are the limits below */
    struct bytes event;        /* <= 255; may be absent, empty counts as that */
    struct bytes content_type; /* the same */
    struct bytes payload;      /* <= UINT32_MAX */
    const struct message_header *headers;
    size_t header_count;
    const struct message_taking *taking; /* NULL: the payload is copied */
    const struct message_done *done;     /* NULL: nobody */
    enum message_kind kind;
    struct message_origin origin;
};

/* As they are kept: the lengths are charged to the history. */
enum { MESSAGE_HEADERS_MAX = UINT16_MAX };
size_t message_headers_size(const struct message_header *headers, size_t count);

struct message {
    _Atomic uint32_t refs;
    uint32_t payload_len;
    /* Stamped by the log before any reactor can see the message; immutable afterwards. */
    uint64_t seq;
    uint64_t oldest;      /* the oldest seq that count and byte limits retain once this one is in */
    int64_t time_ms;      /* Unix time */
    uint64_t appended_ns; /* monotonic, of the first log_append(): for publish-to-send times */
    struct message *next_in_entry; /* the next message of the same all-or-nothing append, or NULL */
    _Atomic(struct image *) images[IMAGE_KINDS];
    struct message_origin origin;   /* of the entry; meaningful on its last message */
    _Atomic uint32_t pins;          /* of message_pin(): one for each connection with a cut frame */
    _Atomic uint16_t image_holders; /* reactors that may still ask for images. The log sets it to
                                       their number when it stamps; 1 in a message without a log.
                                       Above that, one bit for each claim */
    uint16_t headers_len;
    uint8_t event_len;
    uint8_t content_type_len;
    enum message_kind kind : 4;
    bool is_taken : 1; /* its payload is */
    bool has_done : 1;
    uint8_t topic_len;
    /* struct taken, struct message_done, each only if need be; topic, event, content type, headers,
     * head room, payload */
    uint8_t bytes[];
};
static_assert(sizeof(struct message) == 112,
              "seven malloc units, without padding: a slot for each kind of image is 40 bytes of "
              "it; 65,536 messages of history cost 7 MiB before what they carry");

/* One reference, to the caller. NULL: no memory. */
struct message *message_new(const struct message_options *o) MUST_CHECK;
/* Takes n references at once: one atomic per reactor, not one per subscriber. */
ANY_THREAD void message_ref(struct message *m, uint32_t n);
/* Gives up the caller's reference and clears its pointer. */
ANY_THREAD void message_unref(struct message **m_ptr);

struct bytes message_topic(const struct message *m);
struct bytes message_event(const struct message *m);        /* absent: at == NULL */
struct bytes message_content_type(const struct message *m); /* absent: at == NULL */
struct bytes message_payload(const struct message *m);
/* The next header: *at is 0 at first. False: there is none. */
bool message_next_header(const struct message *m, size_t *at, struct message_header *out)
    MUST_CHECK;
/* The whole unmasked WebSocket frame (FIN, text or binary), RFC 6455, 5.2, which lies in the
 * message: that of a taken payload is an image. END has none: absent. */
struct bytes message_ws_frame(const struct message *m);

/* What an entry costs the history: payload, headers, and a flat price for the rest. */
enum { MESSAGE_OVERHEAD = 256 };
static inline uint64_t message_cost(const struct message *m)
{
    return (uint64_t)m->payload_len + m->headers_len + MESSAGE_OVERHEAD;
}

/* Whose reactor tells: only of one with has_done. */
unsigned message_done_reactor(const struct message *m);
/* Tells who waits for the order, if anybody, once. Before the reactor gives up its reference. */
void message_ordered(struct message *m, int err);
/* For a message that the log refused: who made it keeps what was to be taken, and knows. */
void message_disown(struct message *m);

/* Returns the image that the message keeps, building it if nobody has: `build` returns a new image
 * or NULL for no memory. Two reactors may build at once; the loser frees its own. The winner's size
 * (image_size()) is added to *total until the image is freed. NULL: no memory. Only before this
 * reactor has called message_retire_images(). */
typedef struct image *image_build_fn(const struct message *m, void *user);
ANY_THREAD const struct image *message_image(struct message *m, enum image_kind kind,
                                             image_build_fn *build, void *user,
                                             _Atomic uint64_t *total);
/* Is the caller the first who builds an image of that kind? For images that are too dear to be
 * built twice: the others look for it with message_image_there(). */
ANY_THREAD bool message_claim_image(struct message *m, enum image_kind kind) MUST_CHECK;
/* The claimer could not build it. */
ANY_THREAD void message_give_up_claim(struct message *m, enum image_kind kind);
ANY_THREAD bool message_image_there(const struct message *m, enum image_kind kind) MUST_CHECK;
/* Each reactor says once that it will not ask for the message's images any more, and uses none: the
 * last one frees them. Does not touch the reference. */
ANY_THREAD void message_retire_images(struct message *m);

/* Keeps the message for a cut frame, whatever the history does: takes a reference. *total counts
 * the cost of every message that is pinned at least once. */
ANY_THREAD void message_pin(struct message *m, _Atomic uint64_t *total);
/* Clears the caller's pointer. */
ANY_THREAD void message_unpin(struct message **m_ptr, _Atomic uint64_t *total);
