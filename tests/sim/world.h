/* One run: the server's reactors on their fibers, the peers around them, and the scheduler that
 * lets one of them go on at a time. The promises that can be judged from outside of all peers are
 * judged here, whenever everybody sleeps and at the end. */
#pragma once

#include "conn/reactor.h"
#include "sim/kernel.h"
#include "sim/peer.h"
#include "sim/puller.h"
#include "sim/scenario.h"
#include "sim/thread.h"
#include "sim/truth.h"

enum { PEERS_MAX = 48 };

/* A reactor on its fiber, and how long its turn has taken, the time apart in which others ran. */
struct reactor_run {
    struct world *world;
    unsigned index;
    uint64_t ran_ns, resumed_ns;
};

struct world {
    uint64_t seed;
    struct random random;
    struct scenario scenario;
    struct kernel kernel;
    struct truth truth;
    struct broker *broker;
    struct reactor *reactors;
    struct fiber *fibers[KERNEL_REACTORS_MAX]; /* the reactors' */
    struct reactor_run runs[KERNEL_REACTORS_MAX];
    struct thread threads[THREADS_MAX];
    struct puller pullers[PULLERS_MAX];
    struct peer *peers[PEERS_MAX];
    unsigned peer_count;
    uint64_t step_count;
    bool draining;
    uint64_t settled_ns; /* since then nothing goes wrong, and no stream grows old; 0: not yet */
    bool laggard_lags;
    uint64_t stalled_until_ns[KERNEL_REACTORS_MAX]; /* it has no processor till then */
    uint64_t all_run_ns;                            /* nobody is stalled from then on */
    /* The entry that the reactor was at when it was last refused memory; 0: it never was. */
    uint64_t refused_seq[KERNEL_REACTORS_MAX];
};

/* The whole run; returns when every promise was kept. */
void world_run(uint64_t seed);
/* A short one in which the k-th allocation (from 1) fails, those of the server's start included.
 * False: it has fewer. */
bool world_run_failing(uint64_t seed, uint64_t k);

/* --- for the peers ---------------------------------------------------------------------------- */

/* The newest sequence that the reactor of that socket has. */
uint64_t world_consumed(const struct world *w, const struct socket *s);
/* The oldest that it still has for certain. */
uint64_t world_first_retained(const struct world *w, const struct socket *s);
/* Up to there it may have lost what came, for want of memory, and says that it was trimmed; 0: it
 * has lost nothing. */
uint64_t world_refused_seq(const struct world *w, const struct socket *s);
/* A peer was refused for want of memory, descriptors or places: is that possible in this run? */
bool world_may_refuse(const struct world *w);
