/* What all subscribers have in common, and what each transport adds to it. For the peers' own files
 * only (peers.h makes subscribers). */
#pragma once

#include "sim/json_client.h"
#include "sim/peer.h"
#include "sim/response.h"
#include "sim/sse_client.h"
#include "sim/ws_client.h"

/* Where a connection asks to begin. */
enum from {
    FROM_SEEN, /* behind what it has seen */
    FROM_NOW,
    FROM_EARLIEST,
    FROM_LAST,
    FROM_TOLD,      /* behind what a publisher was told: asked as if it had seen that */
    FROM_ELSEWHERE, /* a cursor that is not of this log: it is told a gap first */
};

enum pace { PACE_EAGER, PACE_SLOW, PACE_STALLING };

struct subscriber;
typedef void subscriber_fn(struct subscriber *s);
typedef void subscriber_message_fn(struct subscriber *s, uint32_t number);

struct transport {
    const char *name;
    bool is_stream;       /* its place is a connection, not only a cursor */
    subscriber_fn *ask;   /* the connection is new */
    subscriber_fn *read;  /* understands what has come; may ask again, or close */
    subscriber_fn *ended; /* the server ended the connection: might it? */
    subscriber_fn *lasts; /* it is open, and all that came has been read: may it be so still? */
};
extern const struct transport transport_ws_raw, transport_ws_json, transport_sse, transport_poll;

struct subscriber {
    struct peer peer;
    struct audit audit;
    const struct transport *transport;
    enum pace pace;
    bool has_place;   /* the audit has begun */
    bool is_finished; /* its topic is over, and it has all of it */
    bool is_leaving;
    subscriber_message_fn *on_message; /* NULL: nothing more than the audit */

    /* This connection, or this question. */
    uint64_t asks_ns; /* not before; once it has, when it did */
    bool has_asked;
    enum from from;
    char after[RESPONSE_FIELD_MAX]; /* the place that it named */
    uint64_t told_seq;              /* the newest that a publisher was told before it asked */
    unsigned last_count;            /* how many of the last it asks for */
    uint64_t consumed_seq;          /* what its reactor had of the log when it asked */
    bool is_open;                   /* it was told its place */
    uint64_t opened_ns;             /* of a stream: its first block came */
    bool awaits_gap;                /* ... and a gap has to follow */
    bool is_asking;                 /* a poll has not been answered */
    bool is_tagged;                 /* the place stands in If-None-Match */
    bool is_garbled;                /* the place is no cursor of anybody's */
    bool is_json, is_refused;
    bool is_old;   /* HTTP/1.0, or says that it closes */
    bool is_lines; /* a poll's answer is to have lines */
    bool is_posted;
    bool said_too_much;    /* a message longer than may be: it is closed for it */
    unsigned answer_count; /* of polls */
    struct response response;
    struct ws_client ws;
    struct sse_client sse;
    struct buffer decoded;
};

/* --- subscriber.c ----------------------------------------------------------------------------- */

void subscriber_init(struct subscriber *s, const struct transport *transport);
/* One small thing; also says when the next one is due. */
void subscriber_step(struct subscriber *s);
bool subscriber_is_at_rest(const struct subscriber *s);
bool subscriber_is_owed(const struct peer *p); /* of a peer that begins with a subscriber */
void subscriber_fini(struct subscriber *s);

/* --- subscriber_place.c ---------------------------------------------------------------------- */

/* Draws where to go on from. */
void subscriber_choose_place(struct subscriber *s);

/* --- subscriber_judge.c: what it was told ----------------------------------------------------- */

void subscriber_opened(struct subscriber *s, struct bytes cursor);
void subscriber_message(struct subscriber *s, const struct envelope *e);
void subscriber_gap(struct subscriber *s, const struct told_gap *gap);
void subscriber_finished(struct subscriber *s);
/* error: the name in its answer; absent: it has no place for one. */
void subscriber_refused(struct subscriber *s, struct bytes error);
/* Since then nothing has moved that should have, within `ms`: "late". */
void subscriber_check_late(const struct subscriber *s, uint64_t since_ns, uint32_t ms,
                           const char *what);
/* Its place on this connection is behind `seq`. */
void subscriber_begin(struct subscriber *s, uint64_t seq);
/* The later of that, and of a send to it that the kernel refused for a moment: a heartbeat or ping
 * is not said again. */
uint64_t subscriber_moved_ns(const struct subscriber *s, uint64_t since_ns);
/* The sequence of a cursor that has to be of this log. */
uint64_t subscriber_seq(const struct subscriber *s, struct bytes cursor);
/* The next of its own in the log that it has to be given; 0: it has all. */
uint64_t subscriber_next_due(const struct subscriber *s);
/* Has the topic of its only filter, a plain one, come to its end? */
bool subscriber_may_finish(const struct subscriber *s);
/* May it be closed by `close`: is a message that it was not given trimmed? */
bool subscriber_was_too_slow(const struct subscriber *s);
/* The "error" of an answer's body. */
void subscriber_read_refusal(struct subscriber *s);

/* --- subscriber_ask.c ------------------------------------------------------------------------- */

bool subscriber_is_plain(const struct subscriber *s); /* one filter without wildcards */
/* GET /t..., with its topics, its form and its place. query: more of it, with a leading '&', or "".
 * fields: whole lines. */
void subscriber_ask(struct subscriber *s, const char *query, const char *fields);
/* POST /t for an event stream. */
void subscriber_ask_by_post(struct subscriber *s);
