/* Limits, latency, and what is left behind: read from the inside of the server, at rest or between
 * two steps. */
#include "sim/promises.h"

#include "base/clock.h"
#include "sim/failure.h"
#include "sim/peers.h"

enum { RECEIVE_BYTES = SCRATCH_BYTES, ANSWER_BYTES = 4 << 20, BYSTANDER_MAX_MS = 400 };

static void check_history(const struct world *w, unsigned index)
{
    const struct history *h = &w->reactors[index].subscriptions.history;
    const struct broker_settings *s = &w->scenario.settings;
    SIM_CHECK("limits", history_count(h) <= s->history_count, "reactor %u retains %lu messages",
              index, (unsigned long)history_count(h));
    SIM_CHECK("limits", h->bytes <= s->history_bytes || history_count(h) <= 1,
              "reactor %u retains %lu bytes", index, (unsigned long)h->bytes);
}

/* What there is room for is retained, and what is old is let go of: the reactors look once a second
 * while they are awake, and may have stalled. */
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

/* Bodies: what has been received is kept, one receive for each connection beyond the limit; a body
 * longer than the whole budget is taken when it is alone. */
void promises_limits(const struct world *w)
{
    const struct broker *b = w->broker;
    const struct broker_settings *s = &b->settings;
    const uint64_t bodies = atomic_load(&b->body_bytes), answers = atomic_load(&b->answer_bytes);
    for (unsigned i = 0; i < b->reactor_count; i++)
        check_history(w, i);
    for (unsigned i = 0; i < b->reactor_count; i++)
        check_retention(w, i);
    SIM_CHECK("limits", atomic_load(&b->conn_count) <= s->conn_count_max, "%u connections",
              atomic_load(&b->conn_count));
    SIM_CHECK("limits",
              bodies <= s->body_bytes_max + 2 * s->message_bytes_max +
                            (uint64_t)w->peer_count * 2 * RECEIVE_BYTES,
              "%lu bytes of bodies", (unsigned long)bodies);
    SIM_CHECK("limits", answers <= s->body_bytes_max / 2 + ANSWER_BYTES, "%lu bytes of answers",
              (unsigned long)answers);
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
