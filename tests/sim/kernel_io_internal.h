/* What the files of the simulated io share: its state, and when things come. For kernel_io.c,
 * kernel_batch.c and kernel_accept.c only. */
#pragma once

#include "base/assert.h"
#include "io/io_internal.h"
#include "sim/kernel_io.h"

struct operation {
    uint32_t slot, tag;
    bool is_send;
    struct span into;        /* a receive's */
    struct iovec one;        /* a send's, when it has one piece */
    const struct iovec *vec; /* else; the caller's until io_submit() returns */
    unsigned count;
};

struct sim_io {
    struct io io;
    struct kernel *kernel;
    unsigned reactor;
    uint32_t slot_count;
    struct socket *slots[KERNEL_SLOTS_MAX];
    bool received[KERNEL_SLOTS_MAX], sent[KERNEL_SLOTS_MAX]; /* in this batch */

    struct operation queue[IO_BATCH_MAX];
    unsigned queued, started;
    struct io_result results[IO_BATCH_MAX];
    unsigned result_count;
    bool batch_is_over; /* the next operation begins a new one */

    bool listening, paused, woken;
    uint64_t accept_retry_ns; /* 0: accepting */
    uint64_t backlog_due_ns;

    bool waiting;
    uint64_t wait_until_ns;
    struct io_event events[IO_EVENTS_MAX];
    unsigned event_count;
};

static inline struct sim_io *sim_of(const struct io *io)
{
    return (struct sim_io *)(uintptr_t)io;
}

static inline struct socket *sim_owned(struct sim_io *f, uint32_t slot)
{
    ASSERT(slot < f->slot_count);
    ASSERT(f->slots[slot]);
    ASSERT(f->slots[slot]->stage == SOCKET_ACCEPTED);
    return f->slots[slot];
}

/* --- kernel_io.c ------------------------------------------------------------------------------ */

struct io_event *sim_add_event(struct sim_io *f, enum io_kind kind, uint32_t slot);
/* Sets when an event comes, once it can; true: now. */
bool sim_has_come(struct kernel *k, bool can, uint64_t *at_ns);
/* When one comes that can, if it is known; UINT64_MAX: it can not. */
uint64_t sim_when(const struct kernel *k, bool can, uint64_t at_ns);

/* --- kernel_batch.c: receives and sends ------------------------------------------------------- */

void sim_recv(struct io *io, uint32_t slot, uint32_t tag, struct span buf);
void sim_send(struct io *io, uint32_t slot, uint32_t tag, struct bytes b);
void sim_send_vec(struct io *io, uint32_t slot, uint32_t tag, const struct iovec *vec,
                  unsigned count);
void sim_submit(struct io *io);
const struct io_result *sim_results(const struct io *io, unsigned *count);
/* What was queued so far is carried out, before anything else is. */
void sim_start_queued(struct sim_io *f);

/* --- kernel_accept.c: the listener's backlog -------------------------------------------------- */

void sim_accept(struct sim_io *f);
/* When the next one comes by itself; UINT64_MAX: never. */
uint64_t sim_accept_next_ns(const struct sim_io *f);
