/* An embedder whose callbacks answer as the peer's query asks, and write down what they were told:
 * `?open=deny`, `?subscribe=login`, `?publish=later`. What should have been told is the tests'. */
#pragma once

#include "embed.h"

#include <pthread.h>

enum { HOST_EVENTS = 4000, HOST_TICKETS = 200, HOST_STORY = 2000 };

/* Values of the query: allow, deny, login, later; `now` is answered with ALLOW before the callback
 * returns LATER; `odd` is no verdict at all. */

struct host {
    struct uproar *u;
    pthread_mutex_t lock;
    struct host_event {
        uint64_t peer;
        char text[120];
    } events[HOST_EVENTS];
    unsigned event_count;
    struct uproar_ticket tickets[HOST_TICKETS]; /* of those that were put off */
    _Atomic unsigned ticket_count;
    _Atomic unsigned opened, closed;                       /* calls */
    void (*look)(const struct uproar_peer_info *, void *); /* in each callback, before the answer */
    void *look_user;
};

/* The usual options with its callbacks, which begin to be called when it is started. */
struct uproar_options host_options(struct host *h);
void host_start(struct host *h);
void host_start_with(struct host *h, const struct uproar_options *o);
void host_free(struct host *h);

/* What the index-th peer was, as `open ws; subscribe t; publish t hello; close 1006`. Waits until
 * so much has happened. */
void host_expect_story(struct host *h, unsigned index, const char *story);
/* The id of the index-th peer; waits for it. */
struct uproar_peer host_peer(struct host *h, unsigned index);
unsigned host_peer_count(struct host *h);
/* The index-th question that was put off; waits for it. */
struct uproar_ticket host_ticket(const struct host *h, unsigned index);
