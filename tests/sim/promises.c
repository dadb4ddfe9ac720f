/* Limits, latency, and what is left behind: read from the inside of the server, at rest or between
 * two steps. */
#include "sim/promises.h"

#include "base/clock.h"
#include "sim/budgets.h"
#include "sim/failure.h"
#include "sim/peers.h"

enum {
    BYSTANDER_MAX_MS = 400,
    FORGETS_LATE_MS = 2000, /* once a second is looked, by one who may have stalled */
};

static void check_history(const struct world *w, unsigned index)
{
    const struct history *h = &w->reactors[index].subscriptions.history;
    const struct broker_settings *s = &w->scenario.settings;
    SIM_CHECK("limits", history_count(h) <= s->history_count, "reactor %u retains %lu messages",
              index, (unsigned long)history_count(h));
    SIM_CHECK("limits", h->bytes <= s->history_bytes || history_count(h) <= 1,
              "reactor %u retains %lu bytes", index, (unsigned long)h->bytes);
}

/* What there is room for is retained while it is young enough. */
static void check_retention(const struct world *w, unsigned index)
{
    const struct reactor *r = &w->reactors[index];
    const struct history *h = &r->subscriptions.history;
    /* Room is made before the next one is in. */
    const uint64_t newest = h->next_seq <= w->truth.head ? h->next_seq : w->truth.head;
    if (newest == 0)
        return;
    const int64_t since_ms = clock_realtime_ms() - w->scenario.settings.history_ms;
    const uint64_t by_room = w->truth.entries[newest].oldest;
    const uint64_t by_age = truth_oldest_since(&w->truth, since_ms);
    SIM_CHECK("retention", h->first_seq <= (by_age < by_room ? by_room : by_age),
              "reactor %u retains from %lu, and owes %lu by room, %lu by age", index,
              (unsigned long)h->first_seq, (unsigned long)by_room, (unsigned long)by_age);
}

/* And what is old is let go of. */
static void check_age(const struct world *w, unsigned index)
{
    const struct history *h = &w->reactors[index].subscriptions.history;
    if (history_count(h) == 0)
        return;
    const int64_t age_ms = clock_realtime_ms() - w->truth.entries[h->first_seq].time_ms;
    SIM_CHECK("retention", age_ms <= (int64_t)w->scenario.settings.history_ms + FORGETS_LATE_MS,
              "reactor %u retains %lu, which is %ld ms old", index, (unsigned long)h->first_seq,
              (long)age_ms);
}

void promises_retention(const struct world *w)
{
    for (unsigned i = 0; i < w->scenario.reactor_count; i++) {
        check_retention(w, i);
        check_age(w, i);
    }
}

/* Its deadlines run, and it is not being refused: else a reactor was interrupted before it had
 * decided about it, or while it lets go of it. */
static bool is_let_in(const struct world *w, const struct socket *s)
{
    if (s->stage != SOCKET_ACCEPTED)
        return false;
    const struct reactor *r = &w->reactors[s->reactor];
    return timers_is_set(&r->timers, s->slot) && !conn_has(&r->conns[s->slot], CONN_REFUSED);
}

/* As the kernel has them. */
static unsigned let_in_count(const struct world *w)
{
    unsigned count = 0;
    for (const struct list *l = w->kernel.sockets.next; l != &w->kernel.sockets; l = l->next)
        count += is_let_in(w, LIST_OWNER(l, struct socket, link));
    return count;
}

void promises_limits(const struct world *w)
{
    const struct broker *b = w->broker;
    for (unsigned i = 0; i < b->reactor_count; i++)
        check_history(w, i);
    SIM_CHECK("limits", let_in_count(w) <= b->settings.conn_count_max, "%u connections",
              let_in_count(w));
    budgets_check(w);
}

void promises_let_go(const struct world *w)
{
    const struct broker *b = w->broker;
    SIM_CHECK("let go", atomic_load(&b->conn_count) == 0, "%u connections are counted",
              atomic_load(&b->conn_count));
    SIM_CHECK("let go", atomic_load(&b->body_bytes) == 0, "%lu bytes of bodies are counted",
              (unsigned long)atomic_load(&b->body_bytes));
    SIM_CHECK("let go", atomic_load(&b->answer_bytes) == 0, "%lu bytes of answers are counted",
              (unsigned long)atomic_load(&b->answer_bytes));
    SIM_CHECK("let go", atomic_load(&b->pinned_bytes) == 0, "%lu bytes are pinned",
              (unsigned long)atomic_load(&b->pinned_bytes));
    for (unsigned i = 0; i < b->reactor_count; i++) {
        const struct reactor *r = &w->reactors[i];
        SIM_CHECK("let go", r->subscription_count == 0, "reactor %u: %u subscriptions", i,
                  r->subscription_count);
        SIM_CHECK("let go", list_is_empty(&r->cuts), "reactor %u: a cut frame", i);
        for (uint32_t slot = 0; slot < r->slot_count; slot++)
            SIM_CHECK("let go", !timers_is_set(&r->timers, slot), "reactor %u: slot %u has a timer",
                      i, slot);
    }
}

void promises_latency(const struct world *w)
{
    for (unsigned i = 0; i < w->peer_count; i++) {
        const uint64_t worst_ms = bystander_worst_ns(w->peers[i]) / 1000000;
        SIM_CHECK("latency", worst_ms <= BYSTANDER_MAX_MS, "a bystander waited for %lu ms",
                  (unsigned long)worst_ms);
    }
}
