/* Joins, pulls at its own pace, leaves, comes back. An end must have a reason, and a wait without
 * being woken shows when everything settles. */
#include "sim/puller.h"

#include "base/alloc.h"
#include "sim/failure.h"
#include "sim/schedule.h"
#include "sim/world.h"

#include <stdio.h>
#include <string.h>

enum { PAUSE_MAX_NS = 40000000, RETRY_NS = 5000000 };

static struct puller *puller_of(const struct local *l);

/* --- its descriptor ----------------------------------------------------------------------------
 */

struct pulled {
    struct local local; /* first */
    struct puller *puller;
    char pattern[TRUTH_TOPIC_MAX];
};

static struct puller *puller_of(const struct local *l)
{
    return ((const struct pulled *)l)->puller;
}

static void wake(struct local *l)
{
    struct puller *p = puller_of(l);
    if (p->local != l)
        return; /* it has left meanwhile */
    p->is_rung = true;
    if (p->next_ns == UINT64_MAX)
        p->next_ns = p->world->kernel.now_ns;
}

static void quiet(struct local *l)
{
    puller_of(l)->is_rung = false;
}

static void free_pulled(struct local *l)
{
    alloc_release(l, sizeof(struct pulled));
}

/* --- joining -----------------------------------------------------------------------------------
 */

static uint64_t draw_after(struct puller *p)
{
    const uint64_t head = log_head(p->world->broker->log);
    return random_one_in(&p->random, 2) ? head : random_below(&p->random, (uint32_t)head + 1);
}

static void begin_audit(struct puller *p, uint64_t after, enum slow_policy slow)
{
    static const enum audit_policy policies[] = {
        [SLOW_CLOSE] = AUDIT_CLOSE, [SLOW_SKIP] = AUDIT_SKIP, [SLOW_LATEST] = AUDIT_LATEST};
    const struct filters filters = p->audit.filters;
    p->audit = (struct audit){
        .truth = &p->world->truth, .who = p->name, .filters = filters, .policy = policies[slow]};
    audit_begin(&p->audit, after);
}

static bool join(struct puller *p)
{
    struct world *w = p->world;
    struct pulled *pulled = alloc_reserve(sizeof(*pulled));
    if (!pulled)
        return false;
    scenario_draw_filters(&w->scenario, &p->random, &p->audit.filters);
    p->audit.filters.count = 1;
    const enum slow_policy slow = (enum slow_policy)random_below(&p->random, SLOW_LATEST + 1);
    const uint64_t after = draw_after(p);
    begin_audit(p, after, slow);
    memcpy(pulled->pattern, p->audit.filters.names[0], sizeof(pulled->pattern));
    pulled->puller = p;
    pulled->local.options = (struct local_options){.slow = slow,
                                                   .after = {w->truth.epoch, after},
                                                   .pattern = pulled->pattern,
                                                   .wake = wake,
                                                   .quiet = quiet,
                                                   .free = free_pulled};
    p->reactor = random_below(&p->random, w->scenario.reactor_count);
    p->is_slow = random_one_in(&p->random, 2);
    p->local = &pulled->local;
    trace("%s: wants %s behind %lu, policy %d", p->name, pulled->pattern, (unsigned long)after,
          (int)slow);
    if (local_join(&pulled->local, &w->reactors[p->reactor]) == 0)
        return true;
    p->local = NULL;
    alloc_release(pulled, sizeof(*pulled));
    return false;
}

static void leave(struct puller *p)
{
    struct local *l = p->local;
    trace("%s: leaves behind %lu", p->name, (unsigned long)p->audit.seen);
    p->local = NULL;
    p->is_rung = false;
    local_leave(l);
}

/* --- judging -----------------------------------------------------------------------------------
 */

static void look_at_the_reactor(struct puller *p)
{
    const struct world *w = p->world;
    const uint64_t first_seq = w->reactors[p->reactor].subscriptions.history.first_seq;
    const uint64_t refused_seq = w->refused_seq[p->reactor];
    p->audit.first_retained = first_seq > refused_seq ? first_seq : refused_seq + 1;
    p->audit.refused_seq = refused_seq;
}

static struct bytes cursor_text(struct cursor c, char out[static CURSOR_TEXT_MAX])
{
    const size_t len = cursor_format(c, out);
    return (struct bytes){(const uint8_t *)out, len};
}

static void on_message(struct puller *p, struct message *m)
{
    char text[CURSOR_TEXT_MAX];
    const struct bytes id = cursor_text((struct cursor){p->audit.truth->epoch, m->seq}, text);
    look_at_the_reactor(p);
    audit_message(&p->audit, id, message_topic(m), message_payload(m));
    trace("%s: message %lu", p->name, (unsigned long)p->audit.seen);
    message_unref(&m);
}

static bool server_is_over(const struct world *w)
{
    return w->draining;
}

/* What the end of the server may have cost is told whether something was there or not. */
static void on_gap(struct puller *p, const struct local_gap *gap)
{
    char from[CURSOR_TEXT_MAX], to[CURSOR_TEXT_MAX];
    trace("%s: gap (%lu, %lu]", p->name, (unsigned long)gap->after.seq,
          (unsigned long)gap->resumed.seq);
    look_at_the_reactor(p);
    if (!server_is_over(p->world)) {
        audit_gap(&p->audit, cursor_text(gap->after, from), cursor_text(gap->resumed, to),
                  (struct bytes){0});
        return;
    }
    const uint64_t due = truth_next(p->audit.truth, &p->audit.filters, p->audit.seen);
    SIM_CHECK("gap", due == 0 || gap->after.seq < due,
              "%s: the last gap is behind %lu, %lu was due", p->name, (unsigned long)gap->after.seq,
              (unsigned long)due);
    p->audit.seen = gap->resumed.seq > p->audit.seen ? gap->resumed.seq : p->audit.seen;
}

static bool is_finished(const struct puller *p, uint64_t due)
{
    return filters_are_one_topic(&p->audit.filters) &&
           (due == 0 || p->audit.truth->entries[due].is_end) && p->world->truth.end_count > 0;
}

static void on_end(struct puller *p)
{
    const uint64_t due = truth_next(p->audit.truth, &p->audit.filters, p->audit.seen);
    look_at_the_reactor(p);
    const bool is_slow =
        p->audit.policy == AUDIT_CLOSE && due != 0 && due < p->audit.first_retained;
    const bool is_over = server_is_over(p->world) && due == 0;
    trace("%s: the end behind %lu", p->name, (unsigned long)p->audit.seen);
    SIM_CHECK("order",
              is_slow || is_over || is_finished(p, due) || p->world->scenario.allocation_fails > 0,
              "%s: ends behind %lu, although %lu is due", p->name, (unsigned long)p->audit.seen,
              (unsigned long)due);
    leave(p);
}

/* --- pulling -----------------------------------------------------------------------------------
 */

static void pause_for(struct puller *p, uint64_t ns)
{
    p->next_ns = p->world->kernel.now_ns + ns;
    fiber_yield();
}

static void wait_for_a_wake(struct puller *p)
{
    p->next_ns = p->is_rung ? p->world->kernel.now_ns : UINT64_MAX;
    fiber_yield();
}

static bool is_live(const struct world *w)
{
    return w->settled_ns == 0 && !w->draining;
}

static void pull(struct puller *p)
{
    struct message *m;
    struct local_gap gap;
    switch (local_next(p->local, &m, &gap)) {
    case LOCAL_MESSAGE:
        on_message(p, m);
        break;
    case LOCAL_GAP:
        on_gap(p, &gap);
        break;
    case LOCAL_END:
        on_end(p);
        return;
    case LOCAL_NONE:
        wait_for_a_wake(p);
        break;
    }
    if (p->local && is_live(p->world) && random_one_in(&p->random, 60))
        leave(p);
    else if (p->is_slow && is_live(p->world))
        pause_for(p, random_below(&p->random, PAUSE_MAX_NS));
}

static void run(void *user)
{
    struct puller *p = user;
    struct world *w = p->world;
    while (!w->draining || p->local) {
        if (p->local && p->leaves)
            leave(p);
        else if (p->dozes && w->draining && !schedule_reactors_are_over(w))
            pause_for(p, RETRY_NS);
        else if (p->local)
            pull(p);
        else if (p->leaves || !is_live(w) || !join(p))
            pause_for(p, w->draining ? 0 : RETRY_NS);
    }
    p->next_ns = UINT64_MAX;
}

void puller_init(struct puller *p, struct world *w, unsigned index)
{
    *p = (struct puller){.world = w, .random = random_from(w->seed * 31 + index + 1)};
    p->dozes = random_one_in(&p->random, 4);
    snprintf(p->name, sizeof(p->name), "puller %u", index);
    p->fiber = fiber_new(run, p);
}

void puller_fini(struct puller *p)
{
    fiber_free(&p->fiber);
}

bool puller_is_at_rest(const struct puller *p)
{
    return !p->local || (!p->leaves && p->next_ns == UINT64_MAX &&
                         truth_next(p->audit.truth, &p->audit.filters, p->audit.seen) == 0);
}
