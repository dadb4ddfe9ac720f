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
    return atomic_load_explicit(&r->mailbox.newest, memory_order_seq_cst) != NULL;
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

ON_REACTOR void mail_open_all(struct reactor *r)
{
    if (!mail_waits(r))
        return;
    struct mail *m =
        mail_turned_round(atomic_exchange_explicit(&r->mailbox.newest, NULL, memory_order_seq_cst));
    while (m) {
        struct mail *next = m->next; /* opening may free it, or send it again */
        m->open(r, m);
        m = next;
    }
}
