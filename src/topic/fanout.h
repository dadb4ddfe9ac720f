/* Large fan-outs in slices: one job per set that has something to offer, each given a few thousand
 * members per turn, one after the other, so that a message to a million subscribers does not stall
 * small topics, pings or accepts. What offering means is the caller's. */
#pragma once

#include "base/sizes.h"
#include "topic/subscriptions.h"

struct fanout {
    struct list jobs; /* struct set.job */
    uint32_t job_count;
    uint32_t visited; /* jobs, since needed_seq was exact */
    /* No job needs a message before this one: exact only when asked (fanout_may_trim()). */
    uint64_t needed_seq;
    /* Called between two passes over one set: a member must not be offered twice before what it was
     * offered first is known to be out or cut. */
    void (*settle)(void *user);
    /* Offers conn what it has not been offered yet; may make it leave its place. Returns the newest
     * seq it was offered (UINT64_MAX: not the pass's concern), so that the pass knows whether
     * another must follow. */
    uint64_t (*offer)(void *user, struct set *set, enum wire wire, uint32_t conn);
    void *user;
    /* Raised by offer when it cost more than a small send: so many visits more are taken from the
     * slice. */
    uint32_t surcharge;
};

/* Offers: to one job, and to all of them, in one run. With more jobs than that the others' turn
 * comes first in the next run. */
enum { FANOUT_SLICE = SIZED(4096, 3), FANOUT_RUN_MAX = SIZED(16384, 5) };

void fanout_init(struct fanout *f);
/* A new message for this set was appended to the history. */
void fanout_extend(struct fanout *f, struct set *set, uint64_t seq);
/* A slice for every job under way, as far as FANOUT_RUN_MAX goes. */
void fanout_run(struct fanout *f, struct subscriptions *subscriptions);
bool fanout_has_work(const struct fanout *f);
/* Have the sets with a job more than `count` members in all? */
bool fanout_exceeds(const struct fanout *f, uint32_t count);
/* May everything before `oldest` be trimmed, as far as jobs are concerned? What they have still to
 * offer must stay, or those who keep up would lose it. With very many jobs it may say no for some
 * runs although it could say yes: it looks at them no oftener than a few times for each visit. */
bool fanout_may_trim(struct fanout *f, uint64_t oldest);
/* The oldest message that a job has still to offer (UINT64_MAX: none). Looks at every job. */
uint64_t fanout_needed_seq(struct fanout *f);
