/* Judged by what the peers have seen; that the drain ends is world.c's to judge. */
#include "sim/draining.h"

#include "sim/failure.h"

enum {
    ACTS_MAX = 1000, /* with small windows and small reads */
    IDLE_ACTS = 3,
    ACT_NS = 1000000,
};

/* --- before ----------------------------------------------------------------------------------- */

static bool is_owed(const struct peer *p)
{
    return p->kind->is_owed && p->kind->is_owed(p);
}

static void count_connections(struct draining *d, const struct kernel *k)
{
    for (const struct list *l = k->sockets.next; l != &k->sockets; l = l->next) {
        const struct socket *s = LIST_OWNER(l, struct socket, link);
        d->conn_count[s->reactor] += s->stage == SOCKET_ACCEPTED;
    }
}

void draining_begin(struct draining *d, const struct world *w)
{
    *d = (struct draining){.began_ns = w->kernel.now_ns};
    count_connections(d, &w->kernel);
    for (unsigned i = 0; i < w->peer_count; i++) {
        const struct peer *p = w->peers[i];
        if (is_owed(p))
            d->owed[i] = (struct owed){true, p->socket->number, p->socket->reactor};
    }
}

/* --- afterwards ------------------------------------------------------------------------------- */

static bool is_still_owed(const struct owed *o, const struct peer *p)
{
    return o->is_owed && is_owed(p) && p->socket->number == o->number;
}

/* As long as something comes. */
static void read_on(const struct owed *o, struct peer *p)
{
    int idle = 0;
    for (int i = 0; i < ACTS_MAX && idle < IDLE_ACTS && is_still_owed(o, p); i++) {
        kernel_spend(p->kernel, ACT_NS);
        p->kind->act(p);
        idle = p->has_moved ? 0 : idle + 1;
    }
}

/* Of those who were there, by then. */
static unsigned dismissed_count(const struct draining *d, const struct world *w, unsigned reactor,
                                uint64_t until_ns)
{
    unsigned count = 0;
    for (unsigned i = 0; i < w->peer_count; i++) {
        const uint64_t ns = w->peers[i]->dismissed_ns;
        count += d->owed[i].is_owed && d->owed[i].reactor == reactor && ns > 0 && ns <= until_ns;
    }
    return count;
}

/* The first one at once, the last one at the end. Not all of its connections are streams: so it is
 * an upper bound. */
static uint64_t due_count(const struct draining *d, const struct world *w, unsigned reactor,
                          uint64_t ns)
{
    const uint64_t passed_ms = (ns - d->began_ns) / 1000000 + 1;
    return d->conn_count[reactor] * passed_ms / w->scenario.settings.drain_ms + 1;
}

static void check_spread(const struct draining *d, const struct world *w, unsigned index)
{
    const struct peer *p = w->peers[index];
    const unsigned reactor = d->owed[index].reactor;
    if (!d->owed[index].is_owed || p->dismissed_ns == 0)
        return;
    const unsigned count = dismissed_count(d, w, reactor, p->dismissed_ns);
    SIM_CHECK("drain", count <= due_count(d, w, reactor, p->dismissed_ns),
              "%s: %u of %u were told after %lu ms of %u", p->name, count, d->conn_count[reactor],
              (unsigned long)((p->dismissed_ns - d->began_ns) / 1000000),
              w->scenario.settings.drain_ms);
}

/* Streams may end for other reasons meanwhile, or have ended before: a slow reader notices later.
 */
static bool is_only_reason(const struct world *w)
{
    const struct scenario *s = &w->scenario;
    return s->settings.slow != SLOW_CLOSE && s->settings.stream_max_ms == 0 && !s->finishes_topics;
}

void draining_judge(const struct draining *d, struct world *w)
{
    for (unsigned i = 0; i < w->peer_count; i++) {
        read_on(&d->owed[i], w->peers[i]);
        SIM_CHECK("drain", !is_still_owed(&d->owed[i], w->peers[i]),
                  "%s was not told that the server goes", w->peers[i]->name);
    }
    for (unsigned i = 0; is_only_reason(w) && i < w->peer_count; i++)
        check_spread(d, w, i);
}
