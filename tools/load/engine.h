/* Many sockets on one struct io, one thread: dialing, receiving in batches, sending in batches, the
 * rests of both. What the bytes mean is the business of a kind: subscribers, or the publisher. */
#pragma once

#include "base/text.h"
#include "io/io.h"
#include "load/peer.h"

enum {
    ENGINE_RECEIVES = 64, /* of one batch */
    ENGINE_RECEIVE_LEN = 16384,
    ENGINE_KINDS = 2,
    ENGINE_UNSENT_MAX = 4 << 20, /* a peer that takes nothing for so long has failed */
};

struct engine;

/* What a connection's bytes mean. The three are called from engine_turn(). */
struct engine_kind {
    /* The connection is there. */
    void (*connected)(void *user, uint32_t slot);
    /* Bytes; the first `old` of them were there the last time and were returned then. Returns those
     * to be held until there are more. */
    struct span (*received)(void *user, uint32_t slot, struct span in, size_t old);
    /* It is over, not by us: why. The engine closes it behind this. */
    void (*ended)(void *user, uint32_t slot, const char *why);
};

struct engine_send {
    uint32_t slot;
    size_t offset, len; /* in the outgoing bytes */
};

struct engine {
    struct io *io;
    struct peer *peers; /* [slot_count], by slot; untouched ones cost nothing */
    uint32_t slot_count;
    uint32_t socket_count; /* dialed and not yet gone */
    struct {
        const struct engine_kind *kind;
        void *user;
    } kinds[ENGINE_KINDS];
    /* By kind. Sent: what was handed over to be sent. */
    uint64_t received_bytes[ENGINE_KINDS], sent_bytes[ENGINE_KINDS];
    uint64_t now_ns; /* when the bytes being looked at were received, or the turn began */
    uint8_t *buffers;
    uint32_t *ready; /* [IO_EVENTS_MAX]: slots to receive from */
    uint32_t ready_count;
    struct text joined;   /* what was held and what came, behind each other */
    struct text frame;    /* being encoded */
    struct text outgoing; /* of the batch */
    struct engine_send sends[IO_BATCH_MAX];
    uint32_t send_count;
    uint64_t mask; /* of the frames that we send: changes with each */
};

/* slot_count: sockets at once. -errno. */
ON_REACTOR int engine_init(struct engine *e, enum io_backend backend, uint32_t slot_count)
    MUST_CHECK;
/* Resets whatever is open and waits until the kernel has let go of it. */
ON_REACTOR void engine_fini(struct engine *e);

static inline struct peer *engine_peer(const struct engine *e, uint32_t slot)
{
    return &e->peers[slot];
}

/* A connection of that kind on its way: its slot, or -errno. */
ON_REACTOR int64_t engine_dial(struct engine *e, unsigned kind, const union io_address *remote,
                               const union io_address *local) MUST_CHECK;
/* Sends soon, in order; copies. Nothing for a peer that is closing. */
ON_REACTOR void engine_send(struct engine *e, uint32_t slot, struct bytes bytes);
/* The same for one masked WebSocket frame. */
ON_REACTOR void engine_send_frame(struct engine *e, uint32_t slot, unsigned opcode,
                                  struct bytes payload);
/* Calls its kind's ended(), then closes. */
ON_REACTOR void engine_fail(struct engine *e, uint32_t slot, const char *why);
ON_REACTOR void engine_close(struct engine *e, uint32_t slot, enum io_close how);
/* Sends what was gathered, waits for events until then at most, and serves them. */
ON_REACTOR void engine_turn(struct engine *e, uint64_t until_ns);
