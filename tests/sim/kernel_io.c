/* io.h on simulated sockets. It holds its caller to the contract: who owns a slot, how many
 * operations a batch may have, that nothing is asked of a slot that was closed. */
#include "sim/kernel_io.h"

#include "base/assert.h"
#include "io/io_internal.h"
#include "sim/fiber.h"

#include <stdlib.h>
#include <string.h>

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

static struct sim_io *sim_of(const struct io *io)
{
    return (struct sim_io *)(uintptr_t)io;
}

static struct socket *owned(struct sim_io *f, uint32_t slot)
{
    ASSERT(slot < f->slot_count);
    ASSERT(f->slots[slot]);
    ASSERT(f->slots[slot]->stage == SOCKET_ACCEPTED);
    return f->slots[slot];
}

/* --- receives and sends ----------------------------------------------------------------------- */

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
    if (!kernel_faults(k, k->faults.reset))
        return;
    k->resets++;
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
    return (int32_t)pipe_read(&s->to_server, (struct span){into.at, n});
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
    if (passing_fault(k, &result))
        return result;
    size_t n = s->gone ? total : pipe_room(&s->to_peer);
    n = n < total ? n : total;
    if (n > 0 && kernel_faults(k, k->faults.short_send))
        n = random_length(k->random, n);
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
    struct socket *s = owned(f, o->slot);
    if (!o->is_send) {
        add_result(f, o, receive(f->kernel, s, o->into));
        return;
    }
    const size_t total = total_len(o);
    ASSERT(total > 0);
    ASSERT(!s->shut);
    const int32_t result = send_some(f->kernel, s, o, total);
    if (result < 0 || (size_t)result < total) {
        f->kernel->short_sends++;
        add_result(f, o, result);
    }
}

static void start_queued(struct sim_io *f)
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
    owned(f, slot);
    ASSERT(!in_batch[slot]); /* one of each between two submits */
    in_batch[slot] = true;
    ASSERT(f->queued < IO_BATCH_MAX);
    if (kernel_faults(f->kernel, f->kernel->faults.early))
        start_queued(f);
    return &f->queue[f->queued++];
}

static void sim_recv(struct io *io, uint32_t slot, uint32_t tag, struct span buf)
{
    struct sim_io *f = sim_of(io);
    *queue(f, slot, f->received) = (struct operation){.slot = slot, .tag = tag, .into = buf};
}

static void sim_send(struct io *io, uint32_t slot, uint32_t tag, struct bytes b)
{
    struct sim_io *f = sim_of(io);
    *queue(f, slot, f->sent) = (struct operation){.slot = slot,
                                                  .tag = tag,
                                                  .is_send = true,
                                                  .one = {(void *)(uintptr_t)b.at, b.len},
                                                  .count = 1};
}

static void sim_send_vec(struct io *io, uint32_t slot, uint32_t tag, const struct iovec *vec,
                         unsigned count)
{
    struct sim_io *f = sim_of(io);
    *queue(f, slot, f->sent) =
        (struct operation){.slot = slot, .tag = tag, .is_send = true, .vec = vec, .count = count};
}

static void sim_submit(struct io *io)
{
    struct sim_io *f = sim_of(io);
    if (f->batch_is_over)
        f->result_count = 0;
    start_queued(f);
    f->batch_is_over = true;
}

static const struct io_result *sim_results(const struct io *io, unsigned *count)
{
    *count = sim_of(io)->result_count;
    return sim_of(io)->results;
}

/* --- polls and ends --------------------------------------------------------------------------- */

static uint64_t due_ns(struct kernel *k)
{
    const bool late = kernel_faults(k, k->faults.late);
    return k->now_ns + (late ? random_next(k->random) % k->faults.late_ns : 0);
}

static void sim_poll_arm(struct io *io, uint32_t slot, enum io_poll what)
{
    struct socket *s = owned(sim_of(io), slot);
    bool *armed = what == IO_IN ? &s->armed_in : &s->armed_out;
    ASSERT(!*armed);
    *armed = true;
    *(what == IO_IN ? &s->in_due_ns : &s->out_due_ns) = 0;
}

static void sim_shutdown(struct io *io, uint32_t slot)
{
    start_queued(sim_of(io)); /* sends that were queued before it */
    owned(sim_of(io), slot)->shut = true;
}

/* What was queued starts before: the backends keep that order. */
static void sim_close(struct io *io, uint32_t slot, enum io_close how)
{
    struct sim_io *f = sim_of(io);
    start_queued(f);
    struct socket *s = owned(f, slot);
    s->stage = SOCKET_CLOSING;
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

static struct io_event *add_event(struct sim_io *f, enum io_kind kind, uint32_t slot)
{
    ASSERT(f->event_count < IO_EVENTS_MAX);
    struct io_event *e = &f->events[f->event_count++];
    *e = (struct io_event){.kind = kind, .slot = slot};
    return e;
}

/* Sets when an event comes, once it can; true: now. */
static bool has_come(struct kernel *k, bool can, uint64_t *at_ns)
{
    if (!can)
        return false;
    if (*at_ns == 0)
        *at_ns = due_ns(k);
    return *at_ns <= k->now_ns;
}

static void poll_events(struct sim_io *f, struct socket *s)
{
    if (has_come(f->kernel, s->armed_in && socket_is_readable(s), &s->in_due_ns)) {
        s->armed_in = false;
        add_event(f, IO_READABLE, s->slot);
    }
    if (has_come(f->kernel, s->armed_out && socket_is_writable(s), &s->out_due_ns)) {
        s->armed_out = false;
        add_event(f, IO_WRITABLE, s->slot);
    }
}

static void close_event(struct sim_io *f, struct socket *s)
{
    if (s->closed_due_ns > f->kernel->now_ns)
        return;
    add_event(f, IO_CLOSED, s->slot);
    f->slots[s->slot] = NULL;
    s->stage = SOCKET_CLOSED;
    socket_release(f->kernel, s);
}

/* Lowest first, as descriptors are, or any: a slot that is used again soon, and one that is not. */
static int free_slot(struct sim_io *f)
{
    const bool lowest = random_one_in(f->kernel->random, 2);
    const uint32_t first = lowest ? 0 : random_below(f->kernel->random, f->slot_count);
    for (uint32_t i = 0; i < f->slot_count; i++)
        if (!f->slots[(first + i) % f->slot_count])
            return (int)((first + i) % f->slot_count);
    return -EMFILE;
}

static struct socket *next_in_backlog(const struct sim_io *f)
{
    const struct list *head = &f->kernel->sockets;
    for (struct list *l = head->next; l != head; l = l->next) {
        struct socket *s = LIST_OWNER(l, struct socket, link);
        if (s->reactor == f->reactor && s->stage == SOCKET_BACKLOG)
            return s;
    }
    return NULL;
}

static void fail_accept(struct sim_io *f, int error)
{
    f->kernel->accept_failures++;
    if (f->accept_retry_ns == 0)
        add_event(f, IO_ACCEPT_FAILED, 0)->result = error;
    f->accept_retry_ns = f->kernel->now_ns + IO_ACCEPT_RETRY_MS * UINT64_C(1000000);
}

static void accept_one(struct sim_io *f, struct socket *s)
{
    static const int errors[] = {EMFILE, ENFILE, ENOMEM};
    const int slot = free_slot(f);
    if (slot < 0 || kernel_faults(f->kernel, f->kernel->faults.accept)) {
        fail_accept(f, slot < 0 ? slot : -errors[random_below(f->kernel->random, 3)]);
        return;
    }
    f->slots[slot] = s;
    s->stage = SOCKET_ACCEPTED;
    s->slot = (uint32_t)slot;
    struct io_event *e = add_event(f, IO_ACCEPTED, s->slot);
    e->peer.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = (uint16_t)s->number};
}

static bool may_accept(struct sim_io *f)
{
    if (!f->listening || f->paused)
        return false;
    if (f->accept_retry_ns > f->kernel->now_ns)
        return false;
    f->accept_retry_ns = 0;
    return true;
}

static void accept_events(struct sim_io *f)
{
    struct socket *s;
    while (may_accept(f) && (s = next_in_backlog(f)) != NULL) {
        if (!has_come(f->kernel, true, &f->backlog_due_ns))
            return;
        accept_one(f, s);
        f->backlog_due_ns = 0;
    }
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
    accept_events(f); /* first: a slot is free for a newcomer only after its IO_CLOSED was seen */
    for (uint32_t i = 0; i < f->slot_count && f->event_count < max; i++) {
        struct socket *s = f->slots[(first + i) % f->slot_count];
        if (s && s->stage == SOCKET_ACCEPTED)
            poll_events(f, s);
        else if (s)
            close_event(f, s);
    }
    if (f->woken)
        add_event(f, IO_WOKEN, 0);
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

static uint64_t when(const struct kernel *k, bool can, uint64_t at_ns)
{
    return !can ? UINT64_MAX : at_ns == 0 ? k->now_ns : at_ns;
}

static uint64_t socket_next_ns(const struct kernel *k, const struct socket *s)
{
    if (s->stage == SOCKET_CLOSING)
        return s->closed_due_ns;
    const uint64_t in_ns = when(k, s->armed_in && socket_is_readable(s), s->in_due_ns);
    const uint64_t out_ns = when(k, s->armed_out && socket_is_writable(s), s->out_due_ns);
    return earlier(in_ns, out_ns);
}

static uint64_t accept_next_ns(const struct sim_io *f)
{
    const bool can = f->listening && !f->paused && next_in_backlog(f);
    const uint64_t ns = when(f->kernel, can, f->backlog_due_ns);
    return can && f->accept_retry_ns > ns ? f->accept_retry_ns : ns;
}

uint64_t sim_io_next_ns(const struct sim_io *f)
{
    uint64_t next_ns = f->woken ? f->kernel->now_ns : earlier(f->wait_until_ns, accept_next_ns(f));
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

static void sim_destroy(struct io *io)
{
    struct sim_io *f = sim_of(io);
    start_queued(f);
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
    .poll_arm = sim_poll_arm,
    .recv = sim_recv,
    .send = sim_send,
    .send_vec = sim_send_vec,
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
