/* Subscribing: one connection after the other, by one of two transports, from the place where the
 * last one ended; each message printed once. */
#pragma once

#include "cat/backoff.h"
#include "cat/wire.h"

enum { FOLLOW_PLACE_MAX = 128 };

/* How one connection ended. */
enum ending {
    ENDING_UNREACHABLE, /* there was none */
    ENDING_AGAIN,       /* lost, or sent away for a while */
    ENDING_FINISHED,    /* the topic is finished */
    ENDING_ENOUGH,      /* as many messages as were asked for */
    ENDING_FAILED,      /* refused, or nobody reads what is printed */
};

struct follow {
    const struct options *options;
    struct wire wire;
    struct backoff backoff;
    char place[FOLLOW_PLACE_MAX]; /* cursor behind which the next connection begins; "": none yet */
    uint64_t printed;
    uint64_t told_ms; /* the server's wish for the next connection; 0: none */
    bool has_missed;
    char why[WIRE_WHY_MAX]; /* of the ending */
};

/* Until there is nothing more to come. The exit status. */
int follow_run(const struct options *o);

/* --- for the transports ------------------------------------------------------------------------
 */

/* by server-sent events, by WebSocket: one connection */
enum ending stream_follow(struct follow *f) MUST_CHECK;
enum ending socket_follow(struct follow *f) MUST_CHECK;

/* An envelope, as the server wrote it. False: it is the last one, *ending says why. */
bool follow_take(struct follow *f, struct bytes json, enum ending *ending) MUST_CHECK;
/* A gap as an event stream tells it. False: the same. */
bool follow_take_gap(struct follow *f, struct bytes json, enum ending *ending) MUST_CHECK;
void follow_set_place(struct follow *f, struct bytes cursor);
/* What was printed is shown. False: it cannot be. */
bool follow_flush(struct follow *f) MUST_CHECK;
struct bytes follow_place(const struct follow *f); /* absent: none yet */
/* The connection is there, and lets us in. */
void follow_opened(struct follow *f);
enum ending follow_ended(struct follow *f, enum ending ending, const char *why);
/* An answer that is no stream: sent away, refused, or finished. Reads it from the wire. */
enum ending follow_refused(struct follow *f);
