/* What echo, connect and publish share: so many rounds to warm up, so many to measure, and what
 * they took. Does not know what a round is. */
#pragma once

#include "base/histogram.h"
#include "client.h"

struct rounds {
    const struct client_options *options;
    uint64_t done, target; /* target: warm-up and measured */
    uint64_t begun;
    bool wrong;
    struct histogram *latency;
    struct measure measure;
};

int rounds_init(struct rounds *r, const struct client_options *o) MUST_CHECK;
void rounds_fini(struct rounds *r);
void round_done(struct rounds *r, uint64_t began_ns, uint64_t now_ns);

static inline bool rounds_are_done(const struct rounds *r)
{
    return r->done >= r->target;
}

struct swarm;
/* The JSON object; err: why it ended early, s: the connections, NULL when publishers had them. */
void rounds_print(const struct rounds *r, const struct swarm *s, const char *mode, int err);
