/* The reactor's side: joining a set, offering what lies behind the position, gaps and the end. */
#include "conn/local.h"

#include "base/alloc.h"
#include "conn/finish.h"
#include "conn/place.h"
#include "conn/reactor.h"
#include "conn/slow.h"

#include <errno.h>

/* --- telling ---------------------------------------------------------------------------------- */

/* seq_cst: "offer, then look whether it is idle" pairs with "say that I am idle, then look" in
 * local_next(). */
static ON_REACTOR void wake(struct local *l)
{
    if (atomic_load_explicit(&l->idle, memory_order_seq_cst) &&
        atomic_exchange_explicit(&l->idle, false, memory_order_seq_cst))
        l->options.wake(l);
}

/* The next message is offered when it has taken the gap. */
static ON_REACTOR void tell_gap(struct reactor *r, struct local *l, struct cursor after,
                                const struct place *place)
{
    l->gap = (struct local_gap){after, place_cursor(r, place->position)};
    l->position = place->position;
    l->was_blocked = true;
    stat_add(&r->stats.gaps[place->reason], 1);
    atomic_store_explicit(&l->has_gap, true, memory_order_seq_cst);
    wake(l);
}

static ON_REACTOR void jump(struct reactor *r, struct local *l, uint64_t resumed,
                            enum gap_reason reason)
{
    tell_gap(r, l, place_cursor(r, l->position), &(struct place){resumed, true, reason});
}

static ON_REACTOR bool has_untaken_gap(const struct local *l)
{
    return atomic_load_explicit(&l->has_gap, memory_order_seq_cst);
}

/* --- the set ---------------------------------------------------------------------------------- */

static ON_REACTOR void leave_set(struct reactor *r, struct local *l)
{
    struct set *set = l->set;
    if (!set)
        return;
    const uint32_t moved = set_leave(set, WIRE_LOCAL, l->set_place);
    r->locals.slots[moved]->set_place = l->set_place;
    l->set = NULL;
    r->subscription_count -= set->filter_count;
    subscriptions_release(&r->subscriptions, set);
}

static ON_REACTOR void end(struct reactor *r, struct local *l)
{
    leave_set(r, l);
    list_remove(&l->due);
    atomic_store_explicit(&l->has_ended, true, memory_order_seq_cst);
    wake(l);
}

static ON_REACTOR int join_set(struct reactor *r, struct local *l)
{
    struct bytes name = bytes_from(l->options.pattern);
    struct set *set = subscriptions_get(&r->subscriptions, &name, 1);
    if (!set)
        return -ENOMEM;
    if (set_join(set, WIRE_LOCAL, l->slot, &l->set_place) != 0) {
        subscriptions_release(&r->subscriptions, set);
        return -ENOMEM;
    }
    l->set = set;
    r->subscription_count += set->filter_count;
    return 0;
}

/* --- offering --------------------------------------------------------------------------------- */

/* Its next messages are trimmed. False: nothing is to be offered for now. */
static ON_REACTOR bool regain_place(struct reactor *r, struct local *l)
{
    const bool was_slow = l->was_blocked;
    if (l->position >= l->set->trimmed_seq)
        return true;
    if (was_slow && l->options.slow == SLOW_CLOSE) {
        stat_add(&r->stats.slow_closes, 1);
        end(r, l);
        return false;
    }
    l->conflates = was_slow && l->options.slow == SLOW_LATEST;
    jump(r, l, place_oldest(r, l->set), was_slow ? GAP_SLOW : GAP_TRIMMED);
    return false;
}

/* False: it waits for room. Who took all of it meanwhile, and found that nobody waits, is woken by
 * flush(), and looks again: ask_for_more() in local_pull.c. */
static ON_REACTOR bool push(struct reactor *r, struct local *l, struct message *m)
{
    if (!log_ring_has_room(&l->ring, m)) {
        atomic_store_explicit(&l->blocked, true, memory_order_seq_cst);
        l->was_blocked = true;
        return false;
    }
    message_ref(m, 1);
    const bool pushed = log_ring_push(&l->ring, m);
    ASSERT(pushed); /* only we push */
    stat_add(&r->stats.deliveries[STAT_LOCAL], 1);
    return true;
}

/* The next message that is offered; 0: none, or as far as one walk looks. */
static ON_REACTOR uint64_t next_offered(struct reactor *r, const struct local *l,
                                        struct set_walk *walk, bool *skipped)
{
    uint64_t seq;
    *skipped = false;
    while ((seq = set_walk_next(walk)) != 0 && l->conflates && slow_is_superseded(r, seq))
        *skipped = true;
    return seq;
}

/* As far as there is room. What is skipped is told, however far one walk looks. *told: there is
 * something, be it only that we wait for room. */
static ON_REACTOR void offer_messages(struct reactor *r, struct local *l, bool *told)
{
    struct set_walk walk;
    bool skipped;
    uint64_t seq;
    set_walk_begin(&walk, &r->subscriptions.history, l->set, l->position);
    while ((seq = next_offered(r, l, &walk, &skipped)) != 0 && !skipped) {
        struct message *m = history_at(&r->subscriptions.history, seq);
        if (m->kind == MESSAGE_END)
            return;
        *told = true;
        if (!push(r, l, m))
            return;
        l->position = seq;
    }
    if (skipped)
        jump(r, l, seq != 0 ? seq - 1 : walk.seen_seq, GAP_SLOW);
    else if (walk.seen_seq > l->position)
        l->position = walk.seen_seq;
}

static ON_REACTOR bool is_behind(const struct local *l)
{
    return l->set && l->position < l->set->last_seq;
}

static ON_REACTOR bool is_waited_for(const struct local *l)
{
    return atomic_load_explicit(&l->blocked, memory_order_relaxed) || has_untaken_gap(l);
}

static ON_REACTOR void queue(struct reactor *r, struct local *l)
{
    if (list_is_empty(&l->due))
        list_push_back(&r->locals.due, &l->due);
}

static ON_REACTOR void caught_up(struct reactor *r, struct local *l)
{
    l->was_blocked = false;
    l->conflates = false;
    if (finish_has_all(r, l->set, l->position))
        end(r, l);
}

/* Whatever there is to be done with it now. */
static ON_REACTOR void flush(struct reactor *r, struct local *l)
{
    if (!l->set || is_waited_for(l))
        return;
    bool told = false;
    if (is_behind(l) && regain_place(r, l))
        offer_messages(r, l, &told);
    if (told)
        wake(l);
    if (!l->set || is_waited_for(l))
        return;
    if (finish_has_all(r, l->set, l->position) || !is_behind(l))
        caught_up(r, l);
    else
        queue(r, l);
}

ON_REACTOR uint64_t local_offer(struct reactor *r, uint32_t slot)
{
    struct local *l = r->locals.slots[slot];
    flush(r, l);
    return is_behind(l) && !is_waited_for(l) ? l->position : UINT64_MAX;
}

ON_REACTOR void locals_flush(struct reactor *r)
{
    struct list round;
    list_init(&round);
    list_move_all(&round, &r->locals.due);
    while (!list_is_empty(&round)) {
        struct local *l = LIST_OWNER(round.next, struct local, due);
        list_remove(&l->due);
        flush(r, l);
    }
}

/* --- coming and going ------------------------------------------------------------------------- */

static ON_REACTOR int take_slot(struct reactor *r, struct local *l)
{
    struct locals *ls = &r->locals;
    uint32_t slot = 0;
    while (slot < ls->count && ls->slots[slot])
        slot++;
    if (slot == ls->capacity) {
        const uint32_t capacity = ls->capacity ? ls->capacity * 2 : 8;
        struct local **slots = alloc_resize(ls->slots, capacity * sizeof(struct local *));
        if (!slots)
            return -ENOMEM;
        ls->slots = slots;
        ls->capacity = capacity;
    }
    ls->slots[slot] = l;
    ls->count += slot == ls->count;
    l->slot = slot;
    l->has_slot = true;
    atomic_fetch_add_explicit(&r->stats.connections[STAT_LOCAL], 1, memory_order_relaxed);
    return 0;
}

/* Where it begins was decided when it was asked for; what was trimmed since is a gap. */
static ON_REACTOR void find_place(struct reactor *r, struct local *l)
{
    const struct start start = {.kind = START_CURSOR, .cursor = l->options.after};
    const struct place place = place_find(r, l->set, &start);
    l->position = place.position;
    if (place.has_gap)
        tell_gap(r, l, l->options.after, &place);
}

static ON_REACTOR void welcome(struct reactor *r, struct local *l)
{
    list_push_back(&r->locals.known, &l->known);
    l->has_joined = true;
    if (take_slot(r, l) != 0 || join_set(r, l) != 0) {
        logline_limited(&r->broker->sink, &r->broker->causes.memory, LOGLINE_ERROR,
                        "no memory for a local subscription: it has ended");
        end(r, l);
        return;
    }
    find_place(r, l);
}

static ON_REACTOR void give_up(struct reactor *r, struct local *l)
{
    leave_set(r, l);
    list_remove(&l->due);
    list_remove(&l->known);
    if (l->has_slot) {
        r->locals.slots[l->slot] = NULL;
        atomic_fetch_sub_explicit(&r->stats.connections[STAT_LOCAL], 1, memory_order_relaxed);
    }
    local_release(l);
}

/* --- the end of the server -------------------------------------------------------------------- */

/* From now on none of its calls sends mail. They do not block, so neither does this for long. */
static ON_REACTOR void cut_off(struct local *l)
{
    atomic_store_explicit(&l->is_cut_off, true, memory_order_seq_cst);
    while (atomic_load_explicit(&l->callers, memory_order_seq_cst) > 0)
        continue;
}

/* Up to where it has been offered everything: of what was not consumed, nobody knows whose it is.
 */
static ON_REACTOR struct cursor last_place(const struct reactor *r, const struct local *l)
{
    const uint64_t consumed = r->subscriptions.history.next_seq - 1;
    if (!l->has_joined)
        return l->options.after;
    return place_cursor(r, is_behind(l) || consumed < l->position ? l->position : consumed);
}

/* What it will not be offered any more is a gap before the end. */
static ON_REACTOR void end_with_server(struct reactor *r, struct local *l)
{
    const struct cursor after = last_place(r, l), head = place_cursor(r, log_head(r->broker->log));
    cut_off(l);
    if (atomic_load_explicit(&l->has_ended, memory_order_relaxed))
        return;
    l->last_gap = (struct local_gap){after, head};
    l->has_last_gap = after.epoch != head.epoch || after.seq < head.seq;
    end(r, l);
}

/* --- mail ------------------------------------------------------------------------------------- */

/* Too late to join; those who did are told by locals_fini(). */
static ON_REACTOR void open_after_end(struct reactor *r, struct local *l)
{
    if (l->has_joined)
        return;
    end_with_server(r, l);
    give_up(r, l);
}

/* It may have said that it leaves, and not asked yet: then it finds that somebody has, and sends no
 * mail; or it has, and that mail is the last. */
static ON_REACTOR void give_up_unless_asked(struct reactor *r, struct local *l)
{
    if (!atomic_exchange_explicit(&l->asked, true, memory_order_seq_cst))
        give_up(r, l);
}

/* It joins, has made room, has taken a gap, or leaves. */
ON_REACTOR void local_open_mail(struct reactor *r, struct mail *m)
{
    struct local *l = LIST_OWNER(m, struct local, mail);
    if (r->locals.have_ended) {
        open_after_end(r, l); /* still `asked`: there is no other mail of it, nor will be */
        return;
    }
    atomic_store_explicit(&l->asked, false, memory_order_seq_cst);
    if (atomic_load_explicit(&l->leaves, memory_order_seq_cst)) {
        give_up_unless_asked(r, l);
        return;
    }
    if (!l->has_joined)
        welcome(r, l);
    flush(r, l);
}

void locals_init(struct locals *ls)
{
    *ls = (struct locals){0};
    list_init(&ls->known);
    list_init(&ls->due);
}

static struct local *first_known(struct locals *ls)
{
    return LIST_OWNER(ls->known.next, struct local, known);
}

ON_REACTOR void locals_fini(struct reactor *r)
{
    struct locals *ls = &r->locals;
    ls->have_ended = true;
    for (struct list *at = ls->known.next; at != &ls->known; at = at->next)
        end_with_server(r, LIST_OWNER(at, struct local, known));
    mail_open_all(r); /* the last: those who were known are cut off, the others are as they come */
    while (!list_is_empty(&ls->known))
        give_up(r, first_known(ls));
    alloc_free(ls->slots);
    ls->slots = NULL;
}

ON_REACTOR bool locals_are_behind(const struct reactor *r)
{
    for (const struct list *at = r->locals.known.next; at != &r->locals.known; at = at->next)
        if (is_behind(LIST_OWNER(at, const struct local, known)))
            return true;
    return false;
}
