/* io.h on simulated sockets. It holds its caller to the contract: who owns a slot, how many
 * operations a batch may have, that nothing is asked of a slot that was closed. */
#include "sim/fiber.h"
#include "sim/kernel_io_internal.h"

#include <stdlib.h>

/* --- polls and ends --------------------------------------------------------------------------- */

static uint64_t due_ns(struct kernel *k)
{
    const bool late = kernel_faults(k, k->faults.late);
    return k->now_ns + (late ? random_next(k->random) % k->faults.late_ns : 0);
}

static void sim_poll_arm(struct io *io, uint32_t slot, enum io_poll what)
{
    struct socket *s = sim_owned(sim_of(io), slot);
    bool *armed = what == IO_IN ? &s->armed_in : &s->armed_out;
    ASSERT(!*armed);
    *armed = true;
    *(what == IO_IN ? &s->in_due_ns : &s->out_due_ns) = 0;
}

static void sim_keepalive(struct io *io, uint32_t slot)
{
    sim_owned(sim_of(io), slot)->keepalive = true;
}

static void sim_shutdown(struct io *io, uint32_t slot)
{
    sim_start_queued(sim_of(io)); /* sends that were queued before it */
    struct socket *s = sim_owned(sim_of(io), slot);
    s->shut = true;
    s->shut_ns = sim_of(io)->kernel->now_ns;
}

/* What was queued starts before: the backends keep that order. */
static void sim_close(struct io *io, uint32_t slot, enum io_close how)
{
    struct sim_io *f = sim_of(io);
    sim_start_queued(f);
    struct socket *s = sim_owned(f, slot);
    s->stage = SOCKET_CLOSING;
    s->closed_ns = f->kernel->now_ns;
    s->closed_due_ns = due_ns(f->kernel);
    s->armed_in = s->armed_out = false;
    s->shut = true;
    const bool unread = pipe_len(&s->to_server) > 0;
    if (how == IO_CLOSE_RESET || unread) {
        s->was_reset = true;
        if (how == IO_CLOSE_RESET || random_one_in(f->kernel->random, 2))
            s->to_peer.begin = s->to_peer.end = 0;
    }
}

/* --- events ----------------------------------------------------------------------------------- */

struct io_event *sim_add_event(struct sim_io *f, enum io_kind kind, uint32_t slot)
{
    ASSERT(f->event_count < IO_EVENTS_MAX);
    struct io_event *e = &f->events[f->event_count++];
    *e = (struct io_event){.kind = kind, .slot = slot};
    return e;
}

bool sim_has_come(struct kernel *k, bool can, uint64_t *at_ns)
{
    if (!can)
        return false;
    if (*at_ns == 0)
        *at_ns = due_ns(k);
    return *at_ns <= k->now_ns;
}

static void poll_events(struct sim_io *f, struct socket *s)
{
    if (sim_has_come(f->kernel, s->armed_in && socket_is_readable(s), &s->in_due_ns)) {
        s->armed_in = false;
        sim_add_event(f, IO_READABLE, s->slot);
    }
    if (sim_has_come(f->kernel, s->armed_out && socket_is_writable(s), &s->out_due_ns)) {
        s->armed_out = false;
        sim_add_event(f, IO_WRITABLE, s->slot);
    }
}

static void close_event(struct sim_io *f, struct socket *s)
{
    if (s->closed_due_ns > f->kernel->now_ns)
        return;
    sim_add_event(f, IO_CLOSED, s->slot);
    f->slots[s->slot] = NULL;
    s->stage = SOCKET_CLOSED;
    socket_release(f->kernel, s);
}

static void shuffle(struct sim_io *f)
{
    for (unsigned i = f->event_count; i > 1; i--) {
        const uint32_t other = random_below(f->kernel->random, i);
        const struct io_event e = f->events[i - 1];
        f->events[i - 1] = f->events[other];
        f->events[other] = e;
    }
}

/* Few of those there are: the rest comes with the next call. */
static uint32_t events_max(struct sim_io *f)
{
    return kernel_faults(f->kernel, f->kernel->faults.few) ? 1 + random_below(f->kernel->random, 3)
                                                           : IO_EVENTS_MAX;
}

static void collect(struct sim_io *f)
{
    const uint32_t max = events_max(f);
    const uint32_t first = random_below(f->kernel->random, f->slot_count);
    f->event_count = 0;
    kernel_keep_time(f->kernel);
    sim_accept(f); /* first: a slot is free for a newcomer only after its IO_CLOSED was seen */
    for (uint32_t i = 0; i < f->slot_count && f->event_count < max; i++) {
        struct socket *s = f->slots[(first + i) % f->slot_count];
        if (s && s->stage == SOCKET_ACCEPTED)
            poll_events(f, s);
        else if (s)
            close_event(f, s);
    }
    if (f->woken)
        sim_add_event(f, IO_WOKEN, 0);
    f->woken = false;
    shuffle(f);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static unsigned sim_wait(struct io *io, uint64_t timeout_ns, const struct io_event **events)
{
    struct sim_io *f = sim_of(io);
    const uint64_t now_ns = f->kernel->now_ns;
    sim_submit(io);
    collect(f);
    if (f->event_count == 0 && timeout_ns > 0) {
        f->wait_until_ns = timeout_ns == UINT64_MAX ? UINT64_MAX : now_ns + timeout_ns;
        f->waiting = true;
        fiber_yield();
        f->waiting = false;
        collect(f);
    }
    *events = f->events;
    return f->event_count;
}

static void sim_wake(struct io *io)
{
    sim_of(io)->woken = true;
}

bool sim_io_is_waiting(const struct sim_io *f)
{
    return f->waiting;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t sim_when(const struct kernel *k, bool can, uint64_t at_ns)
{
    return !can ? UINT64_MAX : at_ns == 0 ? k->now_ns : at_ns;
}

static uint64_t socket_next_ns(const struct kernel *k, const struct socket *s)
{
    if (s->stage == SOCKET_CLOSING)
        return s->closed_due_ns;
    const uint64_t in_ns = sim_when(k, s->armed_in && socket_is_readable(s), s->in_due_ns);
    const uint64_t out_ns = sim_when(k, s->armed_out && socket_is_writable(s), s->out_due_ns);
    return earlier(in_ns, out_ns);
}

uint64_t sim_io_next_ns(const struct sim_io *f)
{
    uint64_t next_ns =
        f->woken ? f->kernel->now_ns : earlier(f->wait_until_ns, sim_accept_next_ns(f));
    for (uint32_t slot = 0; slot < f->slot_count; slot++)
        if (f->slots[slot])
            next_ns = earlier(next_ns, socket_next_ns(f->kernel, f->slots[slot]));
    return next_ns;
}

/* --- life ------------------------------------------------------------------------------------- */

static int sim_listen(struct io *io, int fd)
{
    (void)fd;
    sim_of(io)->listening = true;
    return 0;
}

static void sim_listen_stop(struct io *io)
{
    sim_of(io)->listening = false;
}

static void sim_listen_pause(struct io *io, bool paused)
{
    sim_of(io)->paused = paused;
}

/* Nobody in the simulation connects: its peers come from outside. */
static int64_t sim_connect(struct io *io, const union io_address *remote,
                           const union io_address *local)
{
    (void)io;
    (void)remote;
    (void)local;
    return -ENETUNREACH;
}

static void sim_destroy(struct io *io)
{
    struct sim_io *f = sim_of(io);
    sim_start_queued(f);
    for (uint32_t slot = 0; slot < f->slot_count; slot++) {
        struct socket *s = f->slots[slot];
        if (!s)
            continue;
        s->was_reset = s->stage == SOCKET_ACCEPTED;
        s->stage = SOCKET_CLOSED;
        socket_release(f->kernel, s);
    }
    f->kernel->ios[f->reactor] = NULL;
    free(f);
}

static const struct io_impl sim_impl = {
    .destroy = sim_destroy,
    .listen = sim_listen,
    .listen_stop = sim_listen_stop,
    .listen_pause = sim_listen_pause,
    .connect = sim_connect,
    .poll_arm = sim_poll_arm,
    .recv = sim_recv,
    .send = sim_send,
    .send_vec = sim_send_vec,
    .keepalive = sim_keepalive,
    .shutdown = sim_shutdown,
    .close = sim_close,
    .submit = sim_submit,
    .results = sim_results,
    .wait = sim_wait,
    .wake = sim_wake,
};

struct io *kernel_io_new(struct kernel *k, uint32_t slot_count)
{
    struct sim_io *f = calloc(1, sizeof(*f));
    ASSERT(f && slot_count <= KERNEL_SLOTS_MAX);
    f->kernel = k;
    f->reactor = k->reactor_count++;
    f->slot_count = slot_count;
    io_attach(&f->io, &sim_impl);
    k->ios[f->reactor] = f;
    return &f->io;
}
