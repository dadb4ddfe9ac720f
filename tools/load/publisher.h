/* One HTTP connection that publishes, one POST at a time: the next goes out when the last is
 * answered, so that their order is settled. It keeps no schedule. */
#pragma once

#include "load/engine.h"
#include "load/response.h"
#include "load/url.h"

enum { PUBLISHER_KIND = 1, PUBLISHER_WHY_MAX = 160, PUBLISHER_ANSWER_MAX = 1024 };

enum publisher_state {
    PUBLISHER_AWAY, /* not connected; connects with the next message */
    PUBLISHER_CONNECTING,
    PUBLISHER_THERE,
    PUBLISHER_BROKEN, /* why says it; nothing more will be published */
};

struct publisher {
    struct engine *engine;
    const struct url *url;
    union io_address remote;
    uint64_t timeout_ns;
    enum publisher_state state;
    uint32_t slot;
    bool busy;       /* a message is not answered yet */
    bool in_body;    /* the head of the answer is taken */
    bool framed;     /* its body has an end of its own */
    bool closes;     /* the server ends the connection with this answer */
    unsigned status; /* of the answer */
    struct http_body body;
    struct text request;
    struct text answer;         /* its body, as far as it is short */
    uint64_t due_ns;            /* since when the message has been to be accepted */
    uint64_t sent_ns, retry_ns; /* retry_ns: 0, or when to try the same again */
    uint64_t accepted;          /* messages */
    uint64_t retried;           /* 429 or 503: not now */
    char why[PUBLISHER_WHY_MAX];
};

void publisher_init(struct publisher *p, struct engine *e, const struct url *url,
                    const union io_address *remote);
void publisher_fini(struct publisher *p);
/* Only while not busy and not broken. */
ON_REACTOR void publisher_send(struct publisher *p, struct bytes payload);
/* The last message's id, as {"id":"..."} in the answer has it; absent: it has none. */
struct bytes publisher_last_id(const struct publisher *p);
/* Tries again what is due, gives up what takes too long. Returns when it wants to be called next.
 */
ON_REACTOR uint64_t publisher_tick(struct publisher *p);
