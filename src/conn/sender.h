/* Every send of a reactor goes through here: gathered in batches of IO_BATCH_MAX, at most one per
 * connection between two reaps. A send that went out whole leaves no trace; one that was cut leaves
 * its connection with the one cut frame pinned, and a poll for room.
 *
 * What a connection is sent, always in this order: the rest of the cut frame, its outbox (answers,
 * control frames), then the messages after its position. */
#pragma once

#include "base/sizes.h"
#include "conn/batch.h"
#include "io/io.h"

enum {
    MIXED_VECS_MAX = SIZED(32, 5), /* cut frame, outbox, and the first messages behind them */
    TRANSIENT_BYTES_MAX =
        SIZED(8 << 20, 2000), /* then they are settled and freed; one send may go beyond */
    UNSETTLED_BYTES_MAX =
        SIZED(4 << 20, 3000),   /* then they are settled, so that a slice can be ended in time */
    SURCHARGE_BYTES = 16 << 10, /* so much more to send costs as much as a further send */
};

/* What one send was made of, so that a cut can be placed. Order: cut, outbox or constant, messages.
 */
struct send_record {
    uint32_t slot;
    uint32_t cut_len, outbox_len;
    uint32_t message_count;
    struct bytes constant;        /* a ping or heartbeat, or what was received */
    bool may_be_left;             /* of a constant: whole, when there is no room for any of it */
    const struct iovec *messages; /* [message_count], theirs */
    uint64_t position_before;
    uint64_t bytes; /* all of it */
    int64_t result; /* SEND_WHOLE, bytes, or -errno */
};
#define SEND_WHOLE INT64_MAX

struct sender {
    struct batch *batches;             /* [BATCHES_MAX] */
    uint8_t (*flats)[BATCH_BYTES_MAX]; /* one for each, reserved: they cost what is used */
    unsigned batch_count;
    unsigned record_count;
    uint64_t timed_seq;       /* messages up to here are in the publish-to-send histogram */
    struct image *transients; /* images of old messages, built for sends under way; owned */
    size_t transient_bytes;
    uint64_t unsettled_bytes;              /* of the sends under way */
    struct iovec (*mixed)[MIXED_VECS_MAX]; /* [IO_BATCH_MAX], one list per record */
    struct send_record records[IO_BATCH_MAX];
};

int sender_init(struct sender *s) MUST_CHECK;
void sender_fini(struct sender *s);

/* fanout.offer: sends a member what it has not been offered, unless its own flush will. Returns the
 * newest seq it has been offered, UINT64_MAX when that is not the pass's concern. */
ON_REACTOR uint64_t sender_offer(struct reactor *r, struct set *set, enum wire wire, uint32_t slot);
/* Sends what the connection owes, in the order above. */
ON_REACTOR void sender_flush_conn(struct reactor *r, struct conn *c);
/* A ping or heartbeat from constant memory, if nothing stands before it. False: something does, and
 * nothing was sent. */
ON_REACTOR bool sender_send_constant(struct reactor *r, struct conn *c, struct bytes constant);
/* The same with bytes of a receive buffer, which are valid until the next receives. Settles
 * nothing. */
ON_REACTOR bool sender_send_received(struct reactor *r, struct conn *c, struct bytes received);
/* Submits what is gathered and settles each send. */
ON_REACTOR void sender_settle(struct reactor *r);
/* The history is about to change: batches point into it. Nothing may be unsettled. */
ON_REACTOR void sender_forget_batches(struct reactor *r);
/* The connection has room again. */
ON_REACTOR void sender_writable(struct reactor *r, struct conn *c);
