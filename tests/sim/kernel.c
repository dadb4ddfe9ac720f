/* Time, connections and their windows. What the reactor's side asks for is in kernel_io.c. */
#include "sim/kernel.h"

#include "base/assert.h"
#include "base/clock.h"
#include "sim/kernel_io.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_NS = 400, PREEMPTED_NS = 20000000 };

/* --- time and chance -------------------------------------------------------------------------- */

static struct kernel *present; /* the clock of base/ has no user */

static uint64_t monotonic_ns(void)
{
    kernel_spend(present, kernel_faults(present, present->faults.preempted)
                              ? random_below(present->random, PREEMPTED_NS)
                              : LOOK_NS);
    return present->now_ns;
}

static int64_t realtime_ms(void)
{
    return 1700000000000 + (int64_t)(present->now_ns / 1000000);
}

static void random_bytes(void *out, size_t len)
{
    uint8_t *at = out;
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)random_next(present->random);
}

static const struct clock_source virtual_clock = {monotonic_ns, realtime_ms, random_bytes};

void kernel_spend(struct kernel *k, uint64_t ns)
{
    k->now_ns += ns;
}

bool kernel_faults(struct kernel *k, uint32_t once_in)
{
    return once_in > 0 && random_one_in(k->random, once_in);
}

void kernel_init(struct kernel *k, struct random *random)
{
    *k = (struct kernel){.now_ns = 1000000000, .random = random};
    list_init(&k->sockets);
    present = k;
    clock_set_source(&virtual_clock);
}

void kernel_fini(struct kernel *k)
{
    while (!list_is_empty(&k->sockets)) {
        struct socket *s = LIST_OWNER(k->sockets.next, struct socket, link);
        s->stage = SOCKET_CLOSED;
        s->gone = true;
        socket_release(k, s);
    }
    clock_set_source(NULL);
    present = NULL;
}

/* --- pipes ------------------------------------------------------------------------------------ */

size_t pipe_len(const struct pipe *p)
{
    return p->end - p->begin;
}

size_t pipe_room(const struct pipe *p)
{
    return p->window > pipe_len(p) ? p->window - pipe_len(p) : 0;
}

void pipe_write(struct pipe *p, struct bytes b)
{
    if (p->begin > 0 && p->end + b.len > p->capacity) {
        memmove(p->at, p->at + p->begin, pipe_len(p));
        p->end = pipe_len(p);
        p->begin = 0;
    }
    if (p->end + b.len > p->capacity) {
        p->capacity = (p->end + b.len) * 2;
        p->at = realloc(p->at, p->capacity);
        ASSERT(p->at);
    }
    memcpy(p->at + p->end, b.at, b.len);
    p->end += b.len;
}

size_t pipe_read(struct pipe *p, struct span into)
{
    const size_t n = into.len < pipe_len(p) ? into.len : pipe_len(p);
    if (n > 0)
        memcpy(into.at, p->at + p->begin, n);
    p->begin += n;
    if (p->begin == p->end)
        p->begin = p->end = 0;
    return n;
}

static void pipe_drop(struct pipe *p)
{
    p->begin = p->end = 0;
}

/* --- sockets ---------------------------------------------------------------------------------- */

bool socket_is_readable(const struct socket *s)
{
    return pipe_len(&s->to_server) > 0 || s->ended || s->flawed;
}

bool socket_is_writable(const struct socket *s)
{
    return pipe_room(&s->to_peer) > 0 || s->flawed || s->gone;
}

void socket_fail(struct socket *s, int error)
{
    if (s->flawed)
        return;
    s->flawed = true;
    s->error = error;
    pipe_drop(&s->to_server);
}

void socket_release(struct kernel *k, struct socket *s)
{
    (void)k;
    if (s->stage != SOCKET_CLOSED || !s->gone)
        return;
    list_remove(&s->link);
    free(s->to_server.at);
    free(s->to_peer.at);
    free(s);
}

struct socket *socket_connect(struct kernel *k, int reactor, size_t to_server, size_t to_peer)
{
    struct socket *s = calloc(1, sizeof(*s));
    ASSERT(s);
    s->number = k->socket_count++;
    s->reactor = reactor >= 0 ? (unsigned)reactor : random_below(k->random, k->reactor_count);
    s->to_server.window = to_server;
    s->to_peer.window = to_peer;
    list_push_back(&k->sockets, &s->link);
    return s;
}

/* Bytes for a socket that its owner has closed are answered by an RST. */
static bool is_refused(const struct socket *s)
{
    return s->was_reset || s->stage == SOCKET_CLOSING || s->stage == SOCKET_CLOSED;
}

int64_t socket_write(struct kernel *k, struct socket *s, struct bytes b)
{
    ASSERT(!s->gone && !s->vanished && !s->ended);
    if (is_refused(s)) {
        s->was_reset = true;
        if (random_one_in(k->random, 2))
            pipe_drop(&s->to_peer); /* the RST overtook them */
        return SOCKET_RESET;
    }
    if (s->flawed)
        return SOCKET_RESET;
    const size_t room = pipe_room(&s->to_server);
    const size_t n = b.len < room ? b.len : room;
    if (n > 0 && pipe_len(&s->to_server) == 0)
        s->unread_ns = k->now_ns;
    pipe_write(&s->to_server, (struct bytes){b.at, n});
    return (int64_t)n;
}

int64_t socket_read(struct kernel *k, struct socket *s, struct span into)
{
    (void)k;
    ASSERT(!s->gone && !s->vanished);
    const size_t n = pipe_read(&s->to_peer, into);
    if (pipe_len(&s->to_peer) == 0)
        s->unacknowledged_ns = 0;
    if (n > 0)
        return (int64_t)n;
    if (s->was_reset || s->flawed)
        return SOCKET_RESET;
    return s->shut ? SOCKET_END : 0;
}

void socket_end(struct kernel *k, struct socket *s)
{
    (void)k;
    s->ended = true;
}

static void leave(struct kernel *k, struct socket **s_ptr)
{
    struct socket *s = *s_ptr;
    *s_ptr = NULL;
    s->gone = true;
    socket_release(k, s);
}

/* With unread bytes close() is a reset. */
void socket_close(struct kernel *k, struct socket **s_ptr)
{
    struct socket *s = *s_ptr;
    if (pipe_len(&s->to_peer) > 0)
        socket_fail(s, -ECONNRESET);
    pipe_drop(&s->to_peer);
    s->ended = true;
    leave(k, s_ptr);
}

void socket_reset(struct kernel *k, struct socket **s_ptr)
{
    socket_fail(*s_ptr, -ECONNRESET);
    leave(k, s_ptr);
}

/* What was on its way to the server still arrives. */
void socket_vanish(struct kernel *k, struct socket **s_ptr)
{
    struct socket *s = *s_ptr;
    *s_ptr = NULL;
    s->vanished = true;
    s->vanished_ns = k->now_ns;
    if (s->unacknowledged_ns == 0 && pipe_len(&s->to_peer) > 0)
        s->unacknowledged_ns = k->now_ns;
}

/* --- the sweep of time ------------------------------------------------------------------------ */

static uint64_t given_up_ns(const struct kernel *k, const struct socket *s)
{
    if (s->unacknowledged_ns > 0)
        return s->unacknowledged_ns + k->user_timeout_ns;
    return s->keepalive ? s->vanished_ns + k->keepalive_ns : UINT64_MAX;
}

void kernel_keep_time(struct kernel *k)
{
    struct list *next;
    for (struct list *l = k->sockets.next; l != &k->sockets; l = next) {
        struct socket *s = LIST_OWNER(l, struct socket, link);
        next = l->next;
        if (!s->vanished || s->gone)
            continue;
        if (s->stage == SOCKET_CLOSED || k->now_ns >= given_up_ns(k, s)) {
            socket_fail(s, -ETIMEDOUT);
            s->gone = true;
            socket_release(k, s);
        }
    }
}

/* --- what the scheduler asks ------------------------------------------------------------------ */

/* When the vanished peers of that reactor are given up. */
static uint64_t next_given_up_ns(const struct kernel *k, unsigned reactor)
{
    uint64_t next_ns = UINT64_MAX;
    for (const struct list *l = k->sockets.next; l != &k->sockets; l = l->next) {
        const struct socket *s = LIST_OWNER(l, struct socket, link);
        if (s->reactor != reactor || !s->vanished || s->gone)
            continue;
        const uint64_t ns = s->stage == SOCKET_CLOSED ? k->now_ns : given_up_ns(k, s);
        next_ns = ns < next_ns ? ns : next_ns;
    }
    return next_ns;
}

uint64_t kernel_next_ns(const struct kernel *k, unsigned reactor)
{
    const uint64_t event_ns = sim_io_next_ns(k->ios[reactor]);
    const uint64_t gone_ns = next_given_up_ns(k, reactor);
    return event_ns < gone_ns ? event_ns : gone_ns;
}

bool kernel_is_asleep(const struct kernel *k, unsigned reactor)
{
    return sim_io_is_waiting(k->ios[reactor]);
}

unsigned kernel_held_count(const struct kernel *k)
{
    unsigned count = 0;
    for (const struct list *l = k->sockets.next; l != &k->sockets; l = l->next) {
        const struct socket *s = LIST_OWNER(l, struct socket, link);
        count += s->stage == SOCKET_ACCEPTED || s->stage == SOCKET_CLOSING;
    }
    return count;
}

size_t kernel_window(const struct kernel *k, unsigned reactor, uint32_t slot)
{
    for (const struct list *l = k->sockets.next; l != &k->sockets; l = l->next) {
        const struct socket *s = LIST_OWNER(l, struct socket, link);
        if (s->stage == SOCKET_ACCEPTED && s->reactor == reactor && s->slot == slot)
            return s->to_server.window;
    }
    return 0;
}
