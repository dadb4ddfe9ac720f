/* What other threads ask of a reactor: letters that any thread sends and the reactor opens in its
 * turn, one sender's in their order. What they say is their senders' business. */
#pragma once

#include "base/attr.h"

#include <stdatomic.h>
#include <stdbool.h>

struct reactor;

/* The sender's until it is sent, the reactor's until `open` is called, which may free it. */
struct mail {
    struct mail *next;
    void (*open)(struct reactor *r, struct mail *m); /* ON_REACTOR */
};

struct mailbox {
    _Alignas(64) _Atomic(struct mail *) newest;
    struct mail *taken; /* out of it, and not opened yet: the oldest first. The reactor's */
};

/* The newest first becomes the oldest first. */
struct mail *mail_turned_round(struct mail *newest);
/* Wakes the reactor if it sleeps. Whoever sends sees to it that the reactor is still there. */
ANY_THREAD void mail_send(struct reactor *r, struct mail *m);
/* Is there any? In the wake-up protocol: seq_cst. */
ON_REACTOR bool mail_waits(const struct reactor *r);
/* Opens some, at least one, until the reactor's slice is over. */
ON_REACTOR void mail_open(struct reactor *r);
/* Opens all there is, and what comes meanwhile. */
ON_REACTOR void mail_open_all(struct reactor *r);
