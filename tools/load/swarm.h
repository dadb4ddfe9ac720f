/* Many subscribers of one URL or some: opened at a bounded pace, each answer judged, then read.
 * What their messages mean is the mode's business. */
#pragma once

#include "load/engine.h"
#include "load/failures.h"
#include "load/handshake.h"
#include "load/latency.h"
#include "load/options.h"
#include "load/source.h"

enum {
    SWARM_OPENING_MAX = 500, /* in progress at once: the listener's backlog decides no figure */
    SWARM_HOPELESS = 1000,   /* failed so many before a single one succeeded: no use to go on */
    SWARM_KIND = 0,          /* of engine.kinds */
    SWARM_TURN_MS = 100,     /* at most: signals and progress want to be looked at */
};

#define SWARM_NO_SLOT UINT32_MAX

/* Where to: a URL's. */
struct swarm_target {
    struct handshake handshake;
    union io_address remote;
};

/* What is to be opened. */
struct swarm_plan {
    struct swarm_target targets[OPTIONS_URLS_MAX]; /* take turns */
    uint32_t target_count;
    struct sources sources;
    uint32_t count;
    uint64_t rate; /* per second; 0: as fast as it goes */
    uint64_t timeout_ns;
};

struct swarm_hooks {
    void *user;
    void (*opened)(void *user, uint32_t slot);                        /* NULL: nothing */
    void (*message)(void *user, uint32_t slot, struct bytes message); /* NULL: counted only */
    void (*dropped)(void *user, uint32_t slot);                       /* NULL: nothing */
};

struct swarm {
    struct engine *engine;
    const struct swarm_plan *plan;
    struct swarm_hooks hooks;
    uint32_t *slots;   /* by number; SWARM_NO_SLOT: not open */
    uint32_t dialed;   /* begun, those that failed at once included */
    uint32_t opening;  /* in progress */
    uint32_t leaving;  /* said goodbye, not gone yet */
    uint32_t opened;   /* succeeded */
    uint32_t open;     /* now */
    uint32_t failed;   /* to open */
    uint32_t dropped;  /* were open, and ended without our doing */
    uint32_t told;     /* were open, and the server took leave of them */
    bool draining;     /* the server is about to */
    uint32_t oldest;   /* nobody before this number is in progress */
    uint64_t messages; /* received, of whatever kind */
    uint64_t pings;    /* answered */
    uint64_t began_ns; /* first dial */
    struct failures failures;
    struct latency handshake; /* from the dial to the answer */
    struct text request;
};

/* The plan stays the caller's and must stay. -ENOMEM. */
int swarm_init(struct swarm *s, struct engine *e, const struct swarm_plan *plan,
               struct swarm_hooks hooks) MUST_CHECK;
void swarm_fini(struct swarm *s);
/* Dials what is due, serves events until then at most, gives up on those that take too long. */
ON_REACTOR void swarm_turn(struct swarm *s, uint64_t until_ns);
/* Is there nobody to wait for any more: everybody has come or failed? */
bool swarm_is_settled(const struct swarm *s);
bool swarm_is_hopeless(const struct swarm *s);
/* Resets everybody who is open, as a network that fails would. */
ON_REACTOR void swarm_cut(struct swarm *s);
/* Ends an open one: a WebSocket is closed as RFC 6455 wants it, an event stream is reset. */
ON_REACTOR void swarm_leave(struct swarm *s, uint32_t slot);
