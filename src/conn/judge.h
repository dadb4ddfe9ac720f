/* What the embedder is asked about peers, and what becomes of its answers. A question that is put
 * off keeps the request; when the verdict comes the request is run again, and what was allowed
 * before is not asked again. */
#pragma once

#include "conn/mail.h"
#include "conn/peer.h"
#include "log/message.h"

enum verdict { VERDICT_ALLOW = 1, VERDICT_DENY, VERDICT_LOGIN, VERDICT_LATER };

/* The embedder's, in inner dress. Each may be NULL: allow, ignore. On the reactor's thread. */
struct judge_hooks {
    enum verdict (*open)(void *user, const struct peer *p, uint64_t ticket);
    enum verdict (*subscribe)(void *user, const struct peer *p, struct bytes pattern,
                              uint64_t ticket);
    enum verdict (*publish)(void *user, const struct peer *p, const struct message *m,
                            uint64_t ticket);
    void (*close)(void *user, const struct peer *p, unsigned code, struct bytes reason);
    void *user;
};

/* A request that makes a peer, before anything else is done for it. True: go on; else it is
 * answered, or waits. Called again, it begins another run. */
ON_REACTOR bool judge_open(struct reactor *r, struct conn *c, const struct http_request *q,
                           struct bytes head, enum peer_proto proto) MUST_CHECK;
/* The same for each name. head: absent once the request is read to its end. */
ON_REACTOR bool judge_subscribe(struct reactor *r, struct conn *c, const struct http_request *q,
                                struct bytes head, struct bytes name) MUST_CHECK;
/* The request's body is there: another run, behind what was asked about its head. */
ON_REACTOR void judge_rewind(struct reactor *r, struct conn *c);
/* A request's message. */
ON_REACTOR bool judge_publish(struct reactor *r, struct conn *c, const struct http_request *q,
                              const struct message *m) MUST_CHECK;
/* A WebSocket's. LATER: websocket_judged() will be called. */
ON_REACTOR enum verdict judge_websocket(struct reactor *r, struct conn *c, const struct message *m)
    MUST_CHECK;

/* No verdict came in time. False: it is on its way. */
ON_REACTOR bool judge_give_up(struct reactor *r, struct conn *c) MUST_CHECK;
/* The peer ends: what was asked about it is not open any more. */
ON_REACTOR void judge_forget(struct reactor *r, struct conn *c);
/* Tells that it ended. */
ON_REACTOR void judge_close(struct reactor *r, struct conn *c);

/* --- any thread --------------------------------------------------------------------------------
 */

/* -ENOENT: it is not open; -ENOMEM. The reactors must be there. */
ANY_THREAD int judge_answer(struct broker *b, uint64_t ticket, enum verdict v) MUST_CHECK;
