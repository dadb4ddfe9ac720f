/* Large fan-outs in slices: one job per set that has something to offer, each given a few thousand
 * members per turn, one after the other, so that a message to a million subscribers does not stall
 * small topics, pings or accepts. What offering means is the caller's. */
#pragma once

#include "topic/history.h"
#include "topic/set.h"

struct fanout {
    struct list jobs; /* struct set.job */
    /* Called between two passes over one set: a member must not be offered twice before what it was
     * offered first is known to be out or cut. */
    void (*settle)(void *user);
    /* Offers conn what it has not been offered yet; may make it leave its place. Returns the newest
     * seq it was offered (UINT64_MAX: not the pass's concern), so that the pass knows whether
     * another must follow. */
    uint64_t (*offer)(void *user, struct set *set, enum wire wire, uint32_t conn);
    void *user;
};

enum { FANOUT_SLICE = 4096 };

void fanout_init(struct fanout *f);
/* Frees the sets whose passes were under way when everybody left. */
void fanout_fini(struct fanout *f);
/* A new message for this set was appended to the history. */
void fanout_extend(struct fanout *f, struct set *set, uint64_t seq);
/* One slice for every job under way. */
void fanout_run(struct fanout *f, struct topic_table *table);
bool fanout_has_work(const struct fanout *f);
/* Have the sets with a job more than `count` members in all? */
bool fanout_exceeds(const struct fanout *f, uint32_t count);
/* The oldest message that a job has still to offer (UINT64_MAX: none): the history must not trim
 * it, or those who keep up would lose it. */
uint64_t fanout_needed_seq(const struct fanout *f);
