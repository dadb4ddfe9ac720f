/* Asking, tickets, and the two ways on: at once, or when a verdict comes by mail. */
#include "conn/judge.h"

#include "base/alloc.h"
#include "conn/answer.h"
#include "conn/callback.h"
#include "conn/exchange.h"
#include "conn/inbound.h"
#include "conn/reactor.h"
#include "conn/websocket.h"

#include <errno.h>

/* --- tickets ---------------------------------------------------------------------------------- */

/* What stands in the reactor's table for a connection: an open question's number, above these; or
 * what became of it. */
enum { QUESTION_NONE, QUESTION_ALLOWED };

/* A question's number above the place of its connection among all slots. It stands in the table
 * while it is open: whoever takes it out decides. */
static uint64_t ticket_of(const struct reactor *r, uint32_t slot, uint32_t question)
{
    return (uint64_t)question << 32 | ((uint64_t)r->index * r->slot_count + slot);
}

static ON_REACTOR _Atomic uint32_t *question_of(struct reactor *r, const struct conn *c)
{
    return &r->questions[reactor_slot(r, c)];
}

static ON_REACTOR uint64_t open_ticket(struct reactor *r, const struct conn *c, struct peer *p)
{
    if (++r->last_question <= QUESTION_ALLOWED)
        r->last_question = QUESTION_ALLOWED + 1;
    p->question = r->last_question;
    atomic_store_explicit(question_of(r, c), p->question, memory_order_release);
    return ticket_of(r, reactor_slot(r, c), p->question);
}

/* False: somebody has answered; the mail is on its way. */
static ON_REACTOR bool close_ticket(struct reactor *r, const struct conn *c, const struct peer *p)
{
    uint32_t question = p->question;
    return atomic_compare_exchange_strong_explicit(question_of(r, c), &question, QUESTION_NONE,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

/* --- asking ----------------------------------------------------------------------------------- */

/* Returned at once: not asked any more. Somebody may have answered meanwhile: too late. */
static ON_REACTOR enum verdict settled(struct reactor *r, const struct conn *c, struct peer *p,
                                       enum verdict v)
{
    if (v == VERDICT_LATER)
        return v;
    (void)close_ticket(r, c, p);
    p->question = 0;
    return v == VERDICT_ALLOW || v == VERDICT_LOGIN ? v : VERDICT_DENY;
}

static ON_REACTOR uint64_t begin_question(struct reactor *r, const struct conn *c, struct peer *p,
                                          enum callback which)
{
    const uint64_t ticket = open_ticket(r, c, p);
    callback_begin(r, which, reactor_slot(r, c));
    return ticket;
}

static ON_REACTOR enum verdict end_question(struct reactor *r, const struct conn *c, struct peer *p,
                                            enum verdict v)
{
    callback_end(r);
    return settled(r, c, p, v);
}

static ON_REACTOR enum verdict ask_open(struct reactor *r, struct conn *c, struct peer *p)
{
    const struct judge_hooks *hooks = r->broker->hooks;
    if (!hooks->open)
        return VERDICT_ALLOW;
    const uint64_t ticket = begin_question(r, c, p, CALLBACK_on_open);
    return end_question(r, c, p, hooks->open(hooks->user, p, ticket));
}

static ON_REACTOR enum verdict ask_subscribe(struct reactor *r, struct conn *c, struct peer *p,
                                             struct bytes name)
{
    const struct judge_hooks *hooks = r->broker->hooks;
    if (!hooks->subscribe)
        return VERDICT_ALLOW;
    const uint64_t ticket = begin_question(r, c, p, CALLBACK_on_subscribe);
    return end_question(r, c, p, hooks->subscribe(hooks->user, p, name, ticket));
}

static ON_REACTOR enum verdict ask_publish(struct reactor *r, struct conn *c, struct peer *p,
                                           const struct message *m)
{
    const struct judge_hooks *hooks = r->broker->hooks;
    if (!hooks->publish)
        return VERDICT_ALLOW;
    const uint64_t ticket = begin_question(r, c, p, CALLBACK_on_publish);
    return end_question(r, c, p, hooks->publish(hooks->user, p, m, ticket));
}

/* --- requests --------------------------------------------------------------------------------- */

static ON_REACTOR void answer_denied(struct reactor *r, struct conn *c,
                                     const struct http_request *q, enum verdict v)
{
    const bool login = v == VERDICT_LOGIN;
    const struct answer a = {.status = login ? 401 : 403,
                             .headers =
                                 login ? "WWW-Authenticate: Bearer\r\nCache-Control: no-store\r\n"
                                       : "Cache-Control: no-store\r\n"};
    stat_add(&r->stats.refused[login ? REFUSED_login : REFUSED_denied], 1);
    answer_error_with(r, c, q, &a, login ? "unauthorized" : "denied",
                      login ? "this needs a login" : "this is not allowed");
}

/* Keeps the request for another run. head: absent once it is read to its end, when it is kept
 * already. */
static ON_REACTOR void wait_for_verdict(struct reactor *r, struct conn *c,
                                        const struct http_request *q, struct bytes head)
{
    struct inbound *in = inbound_get(r, c);
    if (!in || (head.at && inbound_add(r, in, &in->head, head) != 0)) {
        judge_forget(r, c);
        answer_no_memory(r, c, q);
        return;
    }
    if (head.at)
        in->state = INBOUND_VERDICT;
    inbound_begin_wait(r, c, WAIT_VERDICT, VERDICT_MS);
}

/* Is the run's next question one of those that were allowed before? */
static bool was_allowed(struct peer *p)
{
    return ++p->asked <= p->allowed;
}

static ON_REACTOR bool follow(struct reactor *r, struct conn *c, const struct http_request *q,
                              struct bytes head, enum verdict v)
{
    struct peer *p = peer_of(r, c);
    if (v == VERDICT_ALLOW)
        p->allowed = p->asked;
    else if (v == VERDICT_LATER)
        wait_for_verdict(r, c, q, head);
    else
        answer_denied(r, c, q, v);
    return v == VERDICT_ALLOW;
}

ON_REACTOR bool judge_open(struct reactor *r, struct conn *c, const struct http_request *q,
                           struct bytes head, enum peer_proto proto)
{
    if (!r->broker->hooks)
        return true;
    struct peer *p = peer_of(r, c);
    if (!p || (!p->said && peer_begin(r, c, q, proto) != 0)) {
        answer_no_memory(r, c, q);
        return false;
    }
    p->asked = 0;
    if (!was_allowed(p) && !follow(r, c, q, head, ask_open(r, c, p)))
        return false;
    p->is_open = true;
    return true;
}

ON_REACTOR bool judge_subscribe(struct reactor *r, struct conn *c, const struct http_request *q,
                                struct bytes head, struct bytes name)
{
    struct peer *p = peer_of(r, c);
    return !p || was_allowed(p) || follow(r, c, q, head, ask_subscribe(r, c, p, name));
}

ON_REACTOR void judge_rewind(struct reactor *r, struct conn *c)
{
    struct peer *p = peer_of(r, c);
    if (p)
        p->asked = 1; /* on_open */
}

ON_REACTOR bool judge_publish(struct reactor *r, struct conn *c, const struct http_request *q,
                              const struct message *m)
{
    struct peer *p = peer_of(r, c);
    return !p || was_allowed(p) || follow(r, c, q, (struct bytes){0}, ask_publish(r, c, p, m));
}

ON_REACTOR enum verdict judge_websocket(struct reactor *r, struct conn *c, const struct message *m)
{
    struct peer *p = peer_of(r, c);
    return p ? ask_publish(r, c, p, m) : VERDICT_ALLOW;
}

/* --- verdicts --------------------------------------------------------------------------------- */

struct verdict_mail {
    struct mail mail;
    uint32_t slot, question;
    enum verdict verdict;
};

static ON_REACTOR void judged(struct reactor *r, struct conn *c, enum verdict v)
{
    struct peer *p = peer_of(r, c);
    p->question = 0;
    if (c->phase == CONN_WS) {
        websocket_judged(r, c, v);
        return;
    }
    const struct http_request *q = exchange_kept(r, c);
    c->inbound->wait = WAIT_NONE;
    if (v == VERDICT_ALLOW) {
        p->allowed = p->asked;
        p->is_open = true; /* whether the request gets so far again or not */
    } else {
        answer_denied(r, c, q, v);
    }
    conn_resume_input(r, c);
}

static ENTERS_REACTOR void open_verdict(struct reactor *r, struct mail *m)
{
    const struct verdict_mail *letter = (const struct verdict_mail *)m;
    struct conn *c = reactor_conn(r, letter->slot);
    const struct peer *p = c->phase == CONN_FREE ? NULL : peer_of(r, c);
    if (p && p->question == letter->question && inbound_waits_for(c, WAIT_VERDICT))
        judged(r, c, letter->verdict);
    alloc_free(m);
}

/* The letter first: an answer that took the question must not be lost for want of memory. */
int judge_answer(struct broker *b, uint64_t ticket, enum verdict v)
{
    uint32_t question = (uint32_t)(ticket >> 32);
    const uint32_t place = (uint32_t)ticket;
    if (question <= QUESTION_ALLOWED || place / b->slot_count >= b->reactor_count || !b->hooks)
        return -ENOENT;
    struct reactor *r = &b->reactors[place / b->slot_count];
    struct verdict_mail *letter = alloc_bytes(sizeof(*letter));
    if (!letter)
        return -ENOMEM;
    *letter = (struct verdict_mail){{.open = open_verdict}, place % b->slot_count, question, v};
    const uint32_t after = v == VERDICT_ALLOW ? QUESTION_ALLOWED : QUESTION_NONE;
    /* Acquire: what the callback did before it put the question off. */
    if (!atomic_compare_exchange_strong_explicit(&r->questions[letter->slot], &question, after,
                                                 memory_order_acq_rel, memory_order_relaxed)) {
        alloc_free(letter);
        return -ENOENT;
    }
    mail_send(r, &letter->mail);
    return 0;
}

ON_REACTOR bool judge_give_up(struct reactor *r, struct conn *c)
{
    struct peer *p = peer_of(r, c);
    if (!close_ticket(r, c, p))
        return false;
    p->question = 0;
    stat_add(&r->stats.refused[REFUSED_no_verdict], 1);
    return true;
}

ON_REACTOR void judge_forget(struct reactor *r, struct conn *c)
{
    struct peer *p = peer_of(r, c);
    if (!p || p->question == 0)
        return;
    if (!close_ticket(r, c, p) &&
        atomic_load_explicit(question_of(r, c), memory_order_relaxed) == QUESTION_ALLOWED)
        p->is_open = true; /* its verdict comes too late, but has been given */
    p->question = 0;
}

/* --- the end ---------------------------------------------------------------------------------- */

ON_REACTOR void judge_close(struct reactor *r, struct conn *c)
{
    const struct judge_hooks *hooks = r->broker->hooks;
    struct peer *p = peer_of(r, c);
    p->is_open = false;
    if (!hooks->close)
        return;
    callback_begin(r, CALLBACK_on_close, reactor_slot(r, c));
    hooks->close(hooks->user, p, p->code, bytes_from(p->reason));
    callback_end(r);
}
