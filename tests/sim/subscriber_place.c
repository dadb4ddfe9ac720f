/* Where a subscriber asks to begin: mostly behind what it has seen. */
#include "sim/subscriber.h"

#include "base/assert.h"
#include "sim/world.h"

#include <stdio.h>
#include <string.h>

enum { ANEW_ONE_IN = 8 }; /* of those who come back begin somewhere else */

static enum from draw_from(struct subscriber *s)
{
    struct random *r = s->peer.random;
    static const enum from anew[] = {FROM_NOW,  FROM_NOW,       FROM_EARLIEST, FROM_LAST,
                                     FROM_TOLD, FROM_ELSEWHERE, FROM_TOLD};
    const bool begins_anew = s->peer.goal == PEER_LIVE && random_one_in(r, ANEW_ONE_IN);
    if (s->has_place && !begins_anew)
        return FROM_SEEN;
    const enum from from = anew[random_below(r, sizeof(anew) / sizeof(anew[0]))];
    return from == FROM_TOLD && truth_newest_told(s->audit.truth) == 0 ? FROM_NOW : from;
}

/* Cursors of another log, and of its future. */
static void draw_elsewhere(struct subscriber *s)
{
    const uint64_t epoch = s->peer.world->truth.epoch;
    const uint32_t choice = random_below(s->peer.random, 3);
    if (choice == 0)
        snprintf(s->after, sizeof(s->after), "%016lx-%u", (unsigned long)epoch ^ 1,
                 random_below(s->peer.random, 100));
    else
        snprintf(s->after, sizeof(s->after), "%016lx-%lu", (unsigned long)epoch, 1ul << 62);
}

/* From then on it has seen what a publisher told it: the reactor that it asks may not have. */
static void take_told_place(struct subscriber *s)
{
    s->has_place = true;
    s->from = FROM_SEEN;
    audit_begin(&s->audit, truth_newest_told(s->audit.truth));
}

void subscriber_choose_place(struct subscriber *s)
{
    s->from = draw_from(s);
    if (s->from == FROM_TOLD)
        take_told_place(s);
    s->told_seq = truth_newest_told(s->audit.truth);
    s->is_open = s->awaits_gap = s->is_tagged = s->is_garbled = false;
    switch (s->from) {
    case FROM_SEEN:
        snprintf(s->after, sizeof(s->after), "%016lx-%lu", (unsigned long)s->audit.truth->epoch,
                 (unsigned long)s->audit.seen);
        audit_begin(&s->audit, s->audit.seen);
        return;
    case FROM_NOW:
        strcpy(s->after, "now");
        return;
    case FROM_EARLIEST:
        strcpy(s->after, "earliest");
        return;
    case FROM_LAST:
        s->last_count = random_below(s->peer.random, 10);
        snprintf(s->after, sizeof(s->after), "%u", s->last_count);
        return;
    case FROM_ELSEWHERE:
        draw_elsewhere(s);
        return;
    case FROM_TOLD:
        break;
    }
    UNREACHABLE("from");
}
