/* Messages put together for sending: what several connections at the same place share. */
#pragma once

#include "base/sizes.h"
#include "conn/conn.h"

#include <sys/uio.h>

struct sender;

static inline struct iovec batch_vec(struct bytes b)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)b.at, .iov_len = b.len};
}

enum {
    BATCH_VECS_MAX = SIZED(256, 6),
    BATCH_BYTES_MAX = SIZED(256 << 10, 4000),
    BATCHES_MAX = SIZED(8, 2),
    FLAT_MEMBERS_MIN =
        SIZED(8, 2), /* so many share a batch: then one copy saves each of them its iovecs */
};

/* Consecutive messages of one set in one wire form, shared by all who are at the same place. Valid
 * until the history changes, whoever leaves. */
struct batch {
    uint64_t set_number;
    enum wire wire;
    bool is_end;         /* nothing more will come: its one topic is finished */
    uint32_t count;      /* 0: nothing to send */
    uint64_t before_seq; /* positions in [before_seq, first_seq) fit */
    uint64_t first_seq, last_seq;
    uint64_t seen_seq; /* the set has nothing else up to here */
    size_t bytes;
    struct bytes flat; /* all of it in one piece; at == NULL: only vecs */
    struct iovec vecs[BATCH_VECS_MAX];
};

/* Consecutive messages of one set, as vecs. */
struct gathering {
    struct iovec *vecs;
    uint32_t max, count;
    bool newest_only; /* stops before the first message that a newer one of its topic supersedes */
    bool is_end;      /* the first one is the end of its topic */
    uint64_t before_seq, first_seq, last_seq, seen_seq;
    size_t bytes;
};
/* Gathers the set's messages behind `position`, as far as the limits go. */
ON_REACTOR void batch_gather(struct reactor *r, const struct set *set, enum wire wire,
                             uint64_t position, struct gathering *g);

/* The shared batch for that place; with count 0 it is nobody else's. None of the set's messages
 * behind `position` is trimmed. */
ON_REACTOR const struct batch *batch_for(struct reactor *r, const struct set *set, enum wire wire,
                                         uint64_t position);
/* Settles the sends under way: no batch and no image built for them is needed any more. */
ON_REACTOR void batch_recycle(struct reactor *r);
/* The same, when nothing is under way. */
void batch_forget(struct sender *s);

/* The bytes of a retained message in that form: of the image that it shares with everybody while it
 * is new, else of one built for the sends under way. Valid until they are recycled. at == NULL: no
 * memory. */
ON_REACTOR struct bytes batch_wire_at(struct reactor *r, enum wire wire, uint64_t seq);
