/* Ten thousand connections that resume at once: what was published before, who asks for what of it,
 * and what the server says of itself meanwhile. Not here: HTTP, frames and sockets (lib/). */
#pragma once

#include "client.h"
#include "lib/held.h"

#include "base/text.h"

#include <pthread.h>
#include <stdatomic.h>

/* --- the past: resume_past.c ------------------------------------------------------------------ */

enum {
    FEED_GROUPS = 5,
    FEEDS = 50, /* from very busy to nearly silent */
    RARE_GROUPS = 40,
    RARES = 4000, /* one message each */
    TOPICS = FEEDS + RARES,
    TOPIC_WORDS = (TOPICS + 63) / 64,
    TOPIC_NAME_LEN = 32,
    PAYLOAD_LEN = 64,
    NUMBER_LEN = 8, /* decimal digits that a payload begins with */
    CURSOR_TEXT_LEN = 48,
};

/* A set of topics. */
struct topics {
    uint64_t words[TOPIC_WORDS];
};

static inline void topics_add(struct topics *t, unsigned topic)
{
    t->words[topic / 64] |= UINT64_C(1) << topic % 64;
}

static inline bool topics_have(const struct topics *t, unsigned topic)
{
    return t->words[topic / 64] >> topic % 64 & 1;
}

/* Messages have numbers, in the order of their publishing: n has sequence base_seq + 1 + n. */
struct past {
    uint32_t count;
    uint16_t *topic_of;         /* by number */
    uint32_t *numbers;          /* by topic, ascending within it */
    uint32_t first[TOPICS + 1]; /* where a topic's begin in there */
    char names[TOPICS][TOPIC_NAME_LEN];
    char epoch[32];
    uint64_t base_seq;
};

/* A small generator of our own (splitmix64): the same seed is the same run. */
uint64_t chance(uint64_t *state);

int past_init(struct past *p, uint32_t count, uint64_t *seed) MUST_CHECK;
void past_fini(struct past *p);
/* Publishes all of it, and makes sure that nobody else published meanwhile. */
int past_publish(struct past *p, const struct client_options *o, struct loop *l) MUST_CHECK;
/* How many messages of these topics have that number or a later one. */
uint32_t past_count(const struct past *p, const struct topics *t, uint32_t from);
/* The topics that a pattern matches, by a matcher of our own. */
void past_match(const struct past *p, const char *pattern, struct topics *out);
void past_payload(uint32_t number, char out[static PAYLOAD_LEN + 1]);
/* Is that the message's payload, byte for byte? */
bool past_is_payload(struct bytes payload, uint32_t number);
/* The cursor of one who has had all numbers below. */
void past_cursor(const struct past *p, uint32_t number, char out[static CURSOR_TEXT_LEN]);

/* --- those who resume: resume_peer.c, resume_stream.c ----------------------------------------- */

enum resume_kind { RESUME_RAW, RESUME_SSE, RESUME_JSON, RESUME_KINDS };
enum resume_state { RESUME_CLOSED, RESUME_CONNECTING, RESUME_CONNECTED, RESUME_ASKED, RESUME_OPEN };

struct resumes;
struct resume_peer {
    struct watch watch; /* first: the loop knows it by it */
    struct resumes *all;
    struct topics *topics;
    struct held *rest; /* the beginning of a frame or line */
    size_t request_at, request_len;
    uint32_t next; /* the smallest number that may come */
    uint32_t received, expected;
    uint32_t from; /* asked for it and all later ones */
    int fd;
    bool awaits_id; /* SSE: data has come, and its id has not */
    enum resume_kind kind;
    enum resume_state state;
};

struct resumes {
    const struct client_options *options;
    struct loop *loop;
    const struct past *past;
    struct resume_peer *peers;
    struct topics *topics; /* one set for each peer */
    struct text requests;
    uint8_t *scratch;
    uint64_t expected, received, received_of[RESUME_KINDS], bytes;
    uint64_t opened_ns, last_ns; /* the last answer's head, the last message */
    uint32_t begun, connecting, connected, opened, complete;
    bool failed;
};

/* Decides what each of options->conns asks for. */
int resumes_init(struct resumes *r, uint64_t *seed) MUST_CHECK;
void resumes_fini(struct resumes *r);
/* Connects all of them, and asks for nothing. */
int resumes_connect(struct resumes *r) MUST_CHECK;
/* Sends all requests, one after the other, before anything is read. */
int resumes_ask(struct resumes *r) MUST_CHECK;
/* Reads until each has what it must have, and for a moment longer: more would be a fault. */
int resumes_read(struct resumes *r) MUST_CHECK;
/* Says what is wrong with it; the run is over. */
void resume_fail(struct resume_peer *p, const char *why);

/* Takes whole messages off; returns the bytes used, SIZE_MAX when something is not as it must be
 * (which it has said). */
size_t resume_stream_take(struct resume_peer *p, struct bytes in);

/* --- the bystander: resume_bystander.c -------------------------------------------------------- */

enum { BYSTANDER_MESSAGES_MAX = 1 << 16 };
enum bystander_phase { BYSTANDER_BEFORE, BYSTANDER_MEANWHILE, BYSTANDER_ENDED };

/* A WebSocket on a topic of its own, with a thread of its own: every 10 ms it publishes a message
 * to itself. */
struct bystander {
    pthread_t thread;
    uint16_t port;
    _Atomic int phase;    /* enum bystander_phase: the measuring thread writes it */
    _Atomic bool is_open; /* the bystander writes it; with `failed` it is read until either is */
    _Atomic bool failed;
    bool real_time; /* its thread goes before all others on its core */
    int fd;
    struct held *rest;
    uint32_t sent, returned;
    uint64_t *sent_ns, *taken_ns; /* by message */
    uint8_t *phases;
};

struct bystander_result {
    uint32_t count;
    double median_ms, p99_ms, max_ms;
};

/* Starts it and waits until it is open. */
int bystander_begin(struct bystander *b, uint16_t port) MUST_CHECK;
void bystander_enter(struct bystander *b, enum bystander_phase phase);
/* Ends the thread; -EIO when a message did not come back. */
int bystander_end(struct bystander *b) MUST_CHECK;
void bystander_result(const struct bystander *b, enum bystander_phase phase,
                      struct bystander_result *out);
void bystander_fini(struct bystander *b);

/* --- what the server says of itself: resume_server.c ------------------------------------------ */

enum { TURN_BUCKETS_MAX = 32 };

struct server_view {
    double bound_s[TURN_BUCKETS_MAX];       /* the last is +Inf */
    uint64_t turns_below[TURN_BUCKETS_MAX]; /* cumulative */
    unsigned buckets;
    double turn_seconds;
    /* All its threads: how often they were made to let go of their core, and how long they stood
     * in line for one. A turn during which that happens looks long. */
    uint64_t involuntary, waited_ns;
};

/* One request on a connection of its own; the answer, head included, is added to out. */
int server_ask(uint16_t port, const char *method_and_path, struct text *out) MUST_CHECK;
int server_look(struct server_view *v, const struct client_options *o) MUST_CHECK;
/* Leaves in *now what has happened since *before. */
void server_since(const struct server_view *before, struct server_view *now);
uint64_t server_turns(const struct server_view *v);
/* Turns that took longer than that bound of a bucket. */
uint64_t server_turns_above(const struct server_view *v, double bound_s);
/* The bound of the longest turn's bucket. */
double server_longest_turn_s(const struct server_view *v);
