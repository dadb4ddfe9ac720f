/* What all simulated peers have in common: a connection, bytes to be sent, bytes that came, and a
 * time to act. A peer acts when the scheduler says so, does one small thing, and says when it wants
 * to act again. It knows the standards, and nothing of src/ but bytes. */
#pragma once

#include "sim/audit.h"
#include "sim/buffer.h"
#include "sim/kernel.h"
#include "sim/truth.h"

struct world;
struct peer;

enum peer_goal {
    PEER_LIVE,   /* does what it likes: stalls, cuts, vanishes, comes back */
    PEER_SETTLE, /* behaves: reads everything, comes back when it was dropped, begins nothing new */
    PEER_WATCH,  /* the server drains: reads on until the end, and does not come back */
    PEER_LEAVE,  /* closes, and is finished */
};

struct peer_kind {
    const char *name;
    /* One small thing. */
    void (*act)(struct peer *p);
    /* Has it come to rest: everything sent is answered, everything due has come? */
    bool (*is_at_rest)(const struct peer *p);
    void (*fini)(struct peer *p); /* frees p; its socket is closed */
    /* Does the server owe it a word: the end of an open stream, the answer to a question that was
     * read? NULL: never. */
    bool (*is_owed)(const struct peer *p);
};

struct peer {
    const struct peer_kind *kind;
    struct world *world;
    struct kernel *kernel;
    struct random *random;
    char name[32]; /* "sse 3", for failures and events */
    enum peer_goal goal;
    uint64_t next_ns; /* when it acts next; UINT64_MAX: never again */
    bool publishes;   /* a run goes on until those who do are at rest */

    struct socket *socket; /* NULL: not connected */
    struct buffer out;     /* to be sent */
    struct buffer in;      /* come, not yet understood */
    bool in_ended;         /* the server ended the stream, and all of it has been read */
    bool in_reset;
    uint64_t dismissed_ns;      /* it was told that the server goes away; 0: not */
    bool has_ended;             /* it has sent its own end of the stream, and only reads on */
    bool has_moved;             /* the last exchange moved something */
    uint64_t moved_count;       /* bytes of this connection, both ways */
    uint64_t heard_ns, said_ns; /* when the last of them came, and went */
    uint64_t cut_at; /* cuts its connection when that many bytes have moved; 0: does not */
    size_t read_max; /* bytes read at once: small for slow peers; 0: it never reads */
    unsigned vanish_count;
    uint32_t idle_us; /* how long it waits for something to come: longer each time */
};

/* --- for the kinds (peer.c) ------------------------------------------------------------------- */

enum { MS = 1000 }; /* in microseconds, the peers' measure of time */

void peer_init(struct peer *p, const struct peer_kind *kind, struct world *w, unsigned number);
/* Closes, and frees what it has, but not p. */
void peer_fini(struct peer *p);
/* A new connection, to any reactor; forgets what was under way on the last one. */
void peer_connect(struct peer *p);
bool peer_is_connected(const struct peer *p);
void peer_say(struct peer *p, struct bytes b);
void peer_say_format(struct peer *p, const char *format, ...) PRINTF_LIKE(2, 3);
/* Sends some of what it has to say, in pieces as the seed decides, and reads some of what came.
 * Cuts the connection instead when that is due: what came before is understood by then. */
void peer_exchange(struct peer *p);
/* Any way of leaving: close, reset, the plug, or no more than its own end of the stream. */
void peer_cut(struct peer *p);
void peer_close(struct peer *p);
/* What came and is not yet understood. */
struct bytes peer_pending(const struct peer *p);
void peer_understood(struct peer *p, size_t count);
/* The server ended the connection, in whatever way, and there is nothing more to be read. */
bool peer_is_over(const struct peer *p);
/* It ended it although this peer would have gone on listening and talking: in order, or by a reset
 * for which nobody else is to blame (ending.h). */
bool peer_was_left(const struct peer *p);
/* Between low and high microseconds from now. */
void peer_act_in(struct peer *p, uint32_t low_us, uint32_t high_us);
/* Soon when the last exchange moved something, else later and later. */
void peer_act_eagerly(struct peer *p);
