/* What a subscription asks for: which topics and patterns, from where on, in which format. Read
 * from a request's target and fields, or from the body of POST /t. It subscribes nobody. */
#pragma once

#include "base/bytes.h"
#include "http/request.h"
#include "log/cursor.h"
#include "topic/set.h"

enum {
    ASKING_LAST_MAX = 1000,
    ASKING_BODY_MAX = 256 << 10, /* room for the longest list, its letters beyond ASCII escaped */
};

enum start_kind {
    START_NOW,
    START_EARLIEST,
    START_LAST,       /* the newest `last` messages */
    START_CURSOR,     /* after `cursor` */
    START_UNREADABLE, /* a Last-Event-ID that is no cursor: a gap, never an error */
};

struct start {
    enum start_kind kind;
    uint32_t last;
    struct cursor cursor;
    struct bytes given; /* the cursor's text as the peer gave it */
};

struct asking {
    struct start start;
    bool is_given; /* a place was named at all, be it `now` */
    bool json;
    unsigned name_count;
    struct bytes names[SET_FILTERS_MAX]; /* into `store`, as `given` may be */
    uint8_t *store;
    size_t stored, capacity;
};

/* What is wrong with it, for the peer. code == NULL: nothing. */
struct asking_problem {
    const char *code, *message;
};

/* topic: the one that the path names, decoded; absent: those of the query's `topic` fields. */
struct asking_problem asking_from_request(struct asking *a, const struct http_request *q,
                                          struct bytes topic) MUST_CHECK;
/* The body of POST /t; q's Last-Event-ID goes first. */
struct asking_problem asking_from_body(struct asking *a, const struct http_request *q,
                                       struct bytes body) MUST_CHECK;
void asking_fini(struct asking *a);

/* For those two: room for what is copied, `capacity` bytes in all. -ENOMEM. */
int asking_init(struct asking *a, size_t capacity) MUST_CHECK;
/* Adds a topic or pattern; `name` is copied. */
struct asking_problem asking_add_name(struct asking *a, struct bytes name) MUST_CHECK;
/* A cursor, "earliest" or "now". `given` must outlive a. False: unreadable. */
bool asking_set_after(struct asking *a, struct bytes given) MUST_CHECK;
/* Last-Event-ID, which goes before every other place, and is never an error. */
void asking_take_last_event_id(struct asking *a, const struct http_request *q);
bool asking_set_last(struct asking *a, uint64_t count) MUST_CHECK;
/* After the last name. format absent: one plain topic is raw and more is json. */
struct asking_problem asking_finish(struct asking *a, struct bytes format) MUST_CHECK;
extern const struct asking_problem asking_bad_cursor, asking_bad_last, asking_no_memory;
