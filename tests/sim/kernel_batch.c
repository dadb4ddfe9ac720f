/* Receives and sends of simulated sockets, in batches: whole, short, refused for a moment, or the
 * end of the connection. */
#include "sim/kernel_io_internal.h"

#include <string.h>

static bool passing_fault(struct kernel *k, int32_t *result)
{
    static const int errors[] = {EAGAIN, ENOMEM, ENOBUFS};
    if (!kernel_faults(k, k->faults.passing))
        return false;
    *result = -errors[random_below(k->random, 3)];
    return true;
}

static void maybe_reset(struct kernel *k, struct socket *s)
{
    if (kernel_faults(k, k->faults.reset))
        socket_fail(s, -ECONNRESET);
}

static int32_t receive(struct kernel *k, struct socket *s, struct span into)
{
    int32_t result;
    ASSERT(into.len > 0);
    maybe_reset(k, s);
    if (s->flawed)
        return s->error;
    if (passing_fault(k, &result))
        return result;
    size_t n = pipe_len(&s->to_server);
    if (n == 0)
        return s->ended ? 0 : -EAGAIN;
    n = n < into.len ? n : into.len;
    if (kernel_faults(k, k->faults.short_receive))
        n = random_length(k->random, n);
    const size_t got = pipe_read(&s->to_server, (struct span){into.at, n});
    s->heard_ns = k->now_ns;
    if (pipe_len(&s->to_server) == 0)
        s->unread_ns = 0;
    return (int32_t)got;
}

static size_t total_len(const struct operation *o)
{
    size_t total = 0;
    for (unsigned i = 0; i < o->count; i++)
        total += o->vec[i].iov_len;
    return total;
}

/* Whatever is not taken by a peer that is gone comes back as a reset. */
static void take(struct kernel *k, struct socket *s, const struct operation *o, size_t n)
{
    for (unsigned i = 0; i < o->count && n > 0; i++) {
        const size_t len = o->vec[i].iov_len < n ? o->vec[i].iov_len : n;
        if (!s->gone)
            pipe_write(&s->to_peer, (struct bytes){o->vec[i].iov_base, len});
        n -= len;
    }
    if (s->gone)
        socket_fail(s, -ECONNRESET);
    else if (s->unacknowledged_ns == 0 && s->vanished)
        s->unacknowledged_ns = k->now_ns;
}

static int32_t send_some(struct kernel *k, struct socket *s, const struct operation *o,
                         size_t total)
{
    int32_t result;
    maybe_reset(k, s);
    if (s->flawed)
        return random_one_in(k->random, 2) ? s->error : -EPIPE;
    if (passing_fault(k, &result)) {
        s->refused_ns = k->now_ns;
        return result;
    }
    size_t n = s->gone ? total : pipe_room(&s->to_peer);
    n = n < total ? n : total;
    if (n > 0 && kernel_faults(k, k->faults.short_send)) {
        s->refused_ns = k->now_ns;
        n = random_length(k->random, n);
    }
    if (n == 0)
        return -EAGAIN;
    take(k, s, o, n);
    return (int32_t)n;
}

static void add_result(struct sim_io *f, const struct operation *o, int32_t result)
{
    ASSERT(f->result_count < IO_BATCH_MAX);
    f->results[f->result_count++] = (struct io_result){o->slot, o->tag, result};
}

/* An operation whose slot was closed meanwhile was started before the close. */
static void start(struct sim_io *f, const struct operation *o)
{
    struct socket *s = sim_owned(f, o->slot);
    if (!o->is_send) {
        add_result(f, o, receive(f->kernel, s, o->into));
        return;
    }
    const size_t total = total_len(o);
    ASSERT(total > 0);
    ASSERT(!s->shut);
    const int32_t result = send_some(f->kernel, s, o, total);
    const bool is_whole = result >= 0 && (size_t)result == total;
    s->blocked_ns = is_whole ? 0 : s->blocked_ns > 0 ? s->blocked_ns : f->kernel->now_ns;
    if (!is_whole)
        add_result(f, o, result);
}

void sim_start_queued(struct sim_io *f)
{
    while (f->started < f->queued) {
        struct operation *o = &f->queue[f->started++];
        if (o->is_send && !o->vec)
            o->vec = &o->one;
        start(f, o);
    }
}

static struct operation *queue(struct sim_io *f, uint32_t slot, bool in_batch[])
{
    if (f->batch_is_over) {
        f->batch_is_over = false;
        f->queued = f->started = f->result_count = 0;
        memset(f->received, 0, sizeof(f->received));
        memset(f->sent, 0, sizeof(f->sent));
    }
    sim_owned(f, slot);
    ASSERT(!in_batch[slot]); /* one of each between two submits */
    in_batch[slot] = true;
    ASSERT(f->queued < IO_BATCH_MAX);
    if (kernel_faults(f->kernel, f->kernel->faults.early))
        sim_start_queued(f);
    return &f->queue[f->queued++];
}

void sim_recv(struct io *io, uint32_t slot, uint32_t tag, struct span buf)
{
    struct sim_io *f = sim_of(io);
    *queue(f, slot, f->received) = (struct operation){.slot = slot, .tag = tag, .into = buf};
}

void sim_send(struct io *io, uint32_t slot, uint32_t tag, struct bytes b)
{
    struct sim_io *f = sim_of(io);
    *queue(f, slot, f->sent) = (struct operation){.slot = slot,
                                                  .tag = tag,
                                                  .is_send = true,
                                                  .one = {(void *)(uintptr_t)b.at, b.len},
                                                  .count = 1};
}

void sim_send_vec(struct io *io, uint32_t slot, uint32_t tag, const struct iovec *vec,
                  unsigned count)
{
    struct sim_io *f = sim_of(io);
    *queue(f, slot, f->sent) =
        (struct operation){.slot = slot, .tag = tag, .is_send = true, .vec = vec, .count = count};
}

void sim_submit(struct io *io)
{
    struct sim_io *f = sim_of(io);
    if (f->batch_is_over)
        f->result_count = 0;
    sim_start_queued(f);
    f->batch_is_over = true;
}

const struct io_result *sim_results(const struct io *io, unsigned *count)
{
    *count = sim_of(io)->result_count;
    return sim_of(io)->results;
}
