/* What one reactor knows about who gets what: its topics, patterns, sets and history, and the one
 * place where a message finds the sets that it is for. It sends nothing. */
#pragma once

#include "base/sizes.h"
#include "topic/history.h"
#include "topic/pattern.h"
#include "topic/set.h"

/* Sets by their names. */
struct set_table {
    struct table table;
    uint64_t last_number;
};

struct subscriptions {
    struct topic_table topics;
    struct pattern_table patterns;
    struct set_table sets;
    struct history history;
};

/* -ENOMEM. Its address must not change afterwards. */
int subscriptions_init(struct subscriptions *s, uint32_t history_count,
                       const struct siphash_key *key) MUST_CHECK;
/* Frees everything, sets with members included. Fine on a zeroed one. */
void subscriptions_fini(struct subscriptions *s);

/* The set of exactly these names (1..SET_FILTERS_MAX, well formed; the array is sorted in place and
 * may hold doubles), made if need be. NULL: no memory. The caller joins it, or calls
 * subscriptions_release(). */
struct set *subscriptions_get(struct subscriptions *s, struct bytes *names, unsigned count)
    MUST_CHECK;
/* Frees the set if it has no member and no pass is walking it. */
void subscriptions_release(struct subscriptions *s, struct set *set);

/* The next message of the log, whose reference is taken (history_append()). `found` is called once
 * for each set that it is for, after the set's last_seq has been raised. A message of kind
 * MESSAGE_END is only for the set of exactly its topic. False: its topic was finished before, and
 * nobody gets it. */
typedef void subscriptions_found_fn(void *user, struct set *set, uint64_t seq);
bool subscriptions_append(struct subscriptions *s, struct message *m, subscriptions_found_fn *found,
                          void *user);

/* What one question about the past may cost, by set_match_cost(): a few ms. Beyond, the answer is
 * on the safe side. */
enum { PAST_COST_MAX = 1 << 19 };
/* May a message of the set's own behind `after` be no longer retained? If not, `after` resumes
 * exactly. Exact, but for patterns when PAST_COST_MAX does not reach over all topics. */
bool subscriptions_may_have_lost(const struct subscriptions *s, const struct set *set,
                                 uint64_t after);
/* The position from which a newcomer gets the newest `count` messages of the set (as far as they
 * are retained): everything after it. With patterns it looks back as far as PAST_COST_MAX goes, and
 * finds fewer when they lie further back. */
uint64_t subscriptions_before_last(const struct subscriptions *s, const struct set *set,
                                   uint32_t count);

/* --- walking a set's messages in log order ---------------------------------------------------- */

/* How much of the ring one walk may look at, by set_match_cost(), before it says how far it has
 * come: the rest is for another turn. */
enum { WALK_COST_MAX = SIZED(16384, 40) };

/* Valid until the history or the set changes. */
struct set_walk {
    const struct history *history;
    const struct set *set;
    uint64_t seen_seq;   /* every message of the set up to here has been returned */
    uint64_t before_seq; /* from any position in [before_seq, first returned) it begins alike */
    bool scans;          /* looks at slot after slot, rather than merging its topics */
    uint32_t cost_left;  /* scanning: */
    uint32_t head_count; /* merging: */
    uint64_t heads[SET_FILTERS_MAX]; /* the next message of each, as a heap */
};

/* Before the set's first message after `position`, which must not lie before set->trimmed_seq
 * unless nothing of it was lost, and is raised to history.first_seq - 1 when it is lower. */
void set_walk_begin(struct set_walk *w, const struct history *h, const struct set *set,
                    uint64_t position);
/* The next message; 0: none before or at set->last_seq, or it has looked at WALK_COST_MAX worth of
 * the ring (then seen_seq < set->last_seq: go on from there in another turn). Entries of kind
 * MESSAGE_END are returned only for the set of exactly that topic. */
uint64_t set_walk_next(struct set_walk *w);
