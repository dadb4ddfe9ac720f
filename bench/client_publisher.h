/* A keep-alive connection that POSTs messages and counts the answers, in order. Pipelines as deep
 * as its user lets it. */
#pragma once

#include "base/text.h"
#include "client.h"
#include "lib/held.h"

struct publisher;
typedef void publisher_answered_fn(void *user, struct publisher *p);

struct publisher {
    struct watch watch; /* first: the loop knows publishers by it */
    const struct client_options *options;
    struct loop *loop;
    publisher_answered_fn *on_answered; /* a 201, or what --accepted says */
    void *user;
    struct text out;   /* requests the socket has not taken yet */
    struct held *rest; /* the beginning of an answer */
    uint32_t index;
    uint64_t posted, answered;
    int fd;
    bool open, failed, wants_out;
};

/* Call with options, loop, callback, user and index set. Serves the loop until it is open. */
int publisher_open(struct publisher *p) MUST_CHECK;
/* Queues one POST; publisher_flush() sends what is queued. */
void publisher_post(struct publisher *p, struct bytes payload);
void publisher_flush(struct publisher *p);
void publisher_close(struct publisher *p);

/* As many as the options say, each like that one but for its index; all are open. Whatever comes
 * back, publishers_close() takes it. */
int publishers_open(const struct publisher *like, struct publisher **out) MUST_CHECK;
void publishers_close(struct publisher *publishers, uint32_t count);
