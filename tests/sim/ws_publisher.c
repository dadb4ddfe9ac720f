/* Publishes on a raw WebSocket to one topic, and gets all of that topic back, its own included.
 * What was cut before it came back stays unknown to it. */
#include "base/assert.h"
#include "sim/peers.h"
#include "sim/talker.h"
#include "sim/world.h"

#include <stdlib.h>

enum {
    PAYLOAD_MIN = 8,
    UNSENT_MAX = 8000, /* bytes: then it waits */
    BURST_ONE_IN = 4,
    BURST_MAX = 5,
    TOO_LARGE_ONE_IN = 60,
    TOO_LARGE_MAX = 10000, /* larger ones take too long */
};

static struct talker *talker_of(const struct peer *p)
{
    return (struct talker *)(uintptr_t)p;
}

static bool has_more(const struct talker *t)
{
    return t->said_count < t->subscriber.peer.world->scenario.publishes_each;
}

static uint32_t draw_len(const struct talker *t)
{
    const struct peer *p = &t->subscriber.peer;
    const struct scenario *s = &p->world->scenario;
    if (s->settings.message_bytes_max < TOO_LARGE_MAX && random_one_in(p->random, TOO_LARGE_ONE_IN))
        return s->settings.message_bytes_max + random_between(p->random, 1, 2000);
    const size_t len = random_length(p->random, s->payload_max);
    return len < PAYLOAD_MIN ? PAYLOAD_MIN : (uint32_t)len;
}

static void say_some(struct talker *t)
{
    struct peer *p = &t->subscriber.peer;
    const uint32_t burst = random_between(p->random, 1, BURST_MAX);
    for (uint32_t i = 0; i < burst && has_more(t) && talker_can_say(t); i++)
        if (buffer_len(&p->out) < UNSENT_MAX)
            talker_say(t, draw_len(t));
}

static void act(struct peer *p)
{
    struct talker *t = talker_of(p);
    talker_begin_turn(t);
    if (p->goal == PEER_LIVE && has_more(t) && talker_can_say(t) &&
        random_one_in(p->random, BURST_ONE_IN))
        say_some(t);
    subscriber_step(&t->subscriber);
}

static bool is_at_rest(const struct peer *p)
{
    const struct talker *t = talker_of(p);
    if (t->subscriber.is_finished)
        return true;
    if (p->goal == PEER_LIVE)
        return !has_more(t) && talker_is_through(t);
    return talker_is_through(t) && subscriber_is_at_rest(&t->subscriber);
}

static void fini(struct peer *p)
{
    struct talker *t = talker_of(p);
    talker_fini(t);
    free(t);
}

struct peer *ws_publisher_new(struct world *w, unsigned number)
{
    static const struct peer_kind kind = {"ws publisher", act, is_at_rest, fini,
                                          subscriber_is_owed};
    struct talker *t = calloc(1, sizeof(*t));
    ASSERT(t);
    peer_init(&t->subscriber.peer, &kind, w, number);
    talker_init(t, scenario_draw_topic(&w->scenario, &w->random));
    t->subscriber.peer.publishes = true;
    return &t->subscriber.peer;
}
