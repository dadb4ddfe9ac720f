/* From DELETE to the log, and what becomes of those who ask for a finished topic. Subscribers are
 * let go by the sender, when they have everything. */
#include "conn/finish.h"

#include "conn/access.h"
#include "conn/answer.h"
#include "conn/exchange.h"
#include "conn/goodbye.h"
#include "conn/inbound.h"
#include "conn/judge.h"
#include "conn/publish.h"
#include "conn/reactor.h"

enum { DELETE_BODY_MAX = 64 << 10 };

ON_REACTOR void finish_request(struct reactor *r, struct conn *c, const struct http_request *q,
                               struct bytes head)
{
    if (access_origin(r, c, q) && access_token(r, c, q, r->broker->settings.admin_token) &&
        judge_open(r, c, q, head, PEER_HTTP))
        exchange_want_body(r, c, q, head, DELETE_BODY_MAX);
}

ON_REACTOR void finish_body(struct reactor *r, struct conn *c)
{
    struct message *end = publish_message_of(r, c, MESSAGE_END);
    publish_append(r, c, &end);
}

ON_REACTOR bool finish_has_all(const struct reactor *r, const struct set *set, uint64_t position)
{
    const struct topic *topic = set_only_topic(set);
    const struct history *h = &r->subscriptions.history;
    if (!topic || !topic->is_finished)
        return false;
    if (topic->last_seq == 0 || history_at(h, topic->last_seq)->kind != MESSAGE_END)
        return true; /* even the end is trimmed */
    return position >= history_older(h, topic->last_seq);
}

ON_REACTOR bool finish_is_over(const struct reactor *r, const struct conn *c)
{
    return c->set && finish_has_all(r, c->set, c->position);
}

ON_REACTOR void finish_goodbye(struct reactor *r, struct conn *c)
{
    goodbye(r, c, WS_CLOSE_NORMAL, "the topic is finished");
}

ON_REACTOR void finish_answer(struct reactor *r, struct conn *c, const struct http_request *q)
{
    conn_unsubscribe(r, c);
    answer_error(r, c, q, 410, "finished", "this topic is finished: it takes no more messages");
}
