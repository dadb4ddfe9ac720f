/* A stack that is taken whole and turned round. Nobody waits, and nothing is allocated here. */
#include "conn/mail.h"

#include "conn/reactor.h"

/* seq_cst: "send, then look whether the reactor sleeps" pairs with "say that I sleep, then look for
 * mail" (log_sleep_begin()). Its release shows the reactor what the sender wrote. */
void mail_send(struct reactor *r, struct mail *m)
{
    m->next = atomic_load_explicit(&r->mailbox.newest, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&r->mailbox.newest, &m->next, m,
                                                  memory_order_seq_cst, memory_order_relaxed))
        continue;
    log_wake_reactor(r->broker->log, r->index);
}

ON_REACTOR bool mail_waits(const struct reactor *r)
{
    return r->mailbox.taken ||
           atomic_load_explicit(&r->mailbox.newest, memory_order_seq_cst) != NULL;
}

struct mail *mail_turned_round(struct mail *newest)
{
    struct mail *oldest = NULL;
    while (newest) {
        struct mail *m = newest;
        newest = m->next;
        m->next = oldest;
        oldest = m;
    }
    return oldest;
}

/* NULL: there is none. */
static ON_REACTOR struct mail *next_mail(struct mailbox *box)
{
    if (!box->taken)
        box->taken =
            mail_turned_round(atomic_exchange_explicit(&box->newest, NULL, memory_order_seq_cst));
    struct mail *m = box->taken;
    if (m)
        box->taken = m->next; /* opening may free it, or send it again */
    return m;
}

ON_REACTOR void mail_open(struct reactor *r)
{
    while (mail_waits(r)) {
        struct mail *m = next_mail(&r->mailbox);
        m->open(r, m);
        if (reactor_slice_is_over(r))
            return;
    }
}

ON_REACTOR void mail_open_all(struct reactor *r)
{
    while (mail_waits(r)) {
        struct mail *m = next_mail(&r->mailbox);
        m->open(r, m);
    }
}
