/* The subscriber's side: takes what was offered, in the order ring, gap, end; asks its reactor for
 * more when there is room. */
#include "conn/local.h"

#include "conn/reactor.h"

/* Counted first, then looked, both seq_cst: either we see that it is cut off, or the reactor, which
 * says so and then looks at the count, waits for us. */
static void ask(struct local *l)
{
    if (atomic_exchange_explicit(&l->asked, true, memory_order_seq_cst))
        return; /* it is on its way, and what it asks for is read when it is opened */
    atomic_fetch_add_explicit(&l->callers, 1, memory_order_seq_cst);
    if (!atomic_load_explicit(&l->is_cut_off, memory_order_seq_cst))
        mail_send(l->reactor, &l->mail);
    atomic_fetch_sub_explicit(&l->callers, 1, memory_order_seq_cst);
}

int local_join(struct local *l, struct reactor *r)
{
    const int err = log_ring_init(&l->ring, LOCAL_RING, LOCAL_RING_BYTES);
    if (err != 0)
        return err;
    l->reactor = r;
    l->mail.open = local_open_mail;
    l->idle = true;
    l->sides = 2;
    list_init(&l->due);
    list_init(&l->known);
    ask(l);
    return 0;
}

/* Half of the ring at a time: mail for every message would cost more than the message. seq_cst: see
 * push() in local.c. */
static void ask_for_more(struct local *l, bool is_empty)
{
    if (!atomic_load_explicit(&l->blocked, memory_order_seq_cst))
        return;
    if (!is_empty && log_ring_len(&l->ring) > LOCAL_RING / 2)
        return;
    if (atomic_exchange_explicit(&l->blocked, false, memory_order_seq_cst))
        ask(l);
}

static enum local_next take_gap(struct local *l, struct local_gap *gap)
{
    *gap = l->gap;
    atomic_store_explicit(&l->has_gap, false, memory_order_seq_cst);
    ask(l);
    return LOCAL_GAP;
}

/* Behind the ring: what was there before the end, or the gap, was said has been seen by now. */
static enum local_next take_notice(struct local *l, struct local_gap *gap)
{
    if (atomic_load_explicit(&l->has_gap, memory_order_seq_cst))
        return take_gap(l, gap);
    if (!atomic_load_explicit(&l->has_ended, memory_order_seq_cst))
        return LOCAL_NONE;
    if (!l->has_last_gap)
        return LOCAL_END;
    *gap = l->last_gap;
    l->has_last_gap = false;
    return LOCAL_GAP;
}

static bool has_notice(const struct local *l)
{
    return atomic_load_explicit(&l->has_gap, memory_order_seq_cst) ||
           atomic_load_explicit(&l->has_ended, memory_order_seq_cst);
}

/* Looks at the notices first: what is in the ring then came before them. */
static enum local_next look(struct local *l, struct message **m, struct local_gap *gap)
{
    const bool notice = has_notice(l);
    *m = log_ring_pop(&l->ring);
    ask_for_more(l, !*m);
    if (*m)
        return LOCAL_MESSAGE;
    return notice ? take_notice(l, gap) : LOCAL_NONE;
}

/* seq_cst: "say that I am idle, then look" pairs with "offer, then look whether it is idle" in
 * local.c. What comes between the two looks may find itself quieted: it is announced once more. */
enum local_next local_next(struct local *l, struct message **m, struct local_gap *gap)
{
    const enum local_next next = look(l, m, gap);
    if (next != LOCAL_NONE)
        return next;
    l->options.quiet(l);
    if (atomic_load_explicit(&l->idle, memory_order_seq_cst))
        return LOCAL_NONE;
    atomic_store_explicit(&l->idle, true, memory_order_seq_cst);
    if (!log_ring_has_message(&l->ring) && !has_notice(l))
        return LOCAL_NONE;
    if (atomic_exchange_explicit(&l->idle, false, memory_order_seq_cst))
        l->options.wake(l);
    return look(l, m, gap);
}

void local_leave(struct local *l)
{
    atomic_store_explicit(&l->leaves, true, memory_order_seq_cst);
    ask(l);
    local_release(l);
}

void local_release(struct local *l)
{
    /* Release: our writes are over; acquire: the other side's are, if it was before us. */
    if (atomic_fetch_sub_explicit(&l->sides, 1, memory_order_acq_rel) > 1)
        return;
    for (struct message *m; (m = log_ring_pop(&l->ring));)
        message_unref(&m);
    log_ring_fini(&l->ring);
    l->options.free(l);
}
