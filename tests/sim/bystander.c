/* Behaves well, on a topic that is nobody else's, and measures how long it waits for its own
 * messages while the others misbehave. It never cuts its connection. */
#include "base/assert.h"
#include "sim/peers.h"
#include "sim/talker.h"
#include "sim/world.h"

#include <stdlib.h>

enum { EVERY_US = 10 * MS, LOOK_US = 2 * MS, LEN_MIN = 16, LEN_MAX = 40 };

struct bystander {
    struct talker talker;
    uint64_t due_ns; /* its next message */
};

static struct bystander *bystander_of(const struct peer *p)
{
    return (struct bystander *)(uintptr_t)p;
}

static bool may_say(const struct bystander *b)
{
    const struct peer *p = &b->talker.subscriber.peer;
    return p->goal == PEER_LIVE && p->kernel->now_ns >= b->due_ns && talker_can_say(&b->talker) &&
           !talker_waits(&b->talker);
}

/* Then a message that does not come in one piece waits for its share of --body-memory, up to ten
 * seconds: that is what the limit is for. */
static bool bodies_take_all(const struct world *w)
{
    return atomic_load(&w->broker->body_bytes) + LEN_MAX > w->scenario.settings.body_bytes_max;
}

static void act(struct peer *p)
{
    struct bystander *b = bystander_of(p);
    const bool was_connected = peer_is_connected(p);
    talker_begin_turn(&b->talker);
    if (may_say(b)) {
        talker_say(&b->talker, random_between(p->random, LEN_MIN, LEN_MAX));
        b->due_ns = p->kernel->now_ns + EVERY_US * UINT64_C(1000);
    }
    if (bodies_take_all(p->world))
        talker_excuse(&b->talker);
    subscriber_step(&b->talker.subscriber);
    p->cut_at = 0;
    if (!was_connected || !peer_is_connected(p) || p->has_moved || p->goal != PEER_LIVE)
        return;
    if (talker_waits(&b->talker) || !b->talker.subscriber.is_open)
        peer_act_in(p, LOOK_US / 2, LOOK_US);
    else
        peer_act_in(p, LOOK_US, EVERY_US);
}

static bool is_at_rest(const struct peer *p)
{
    const struct talker *t = &bystander_of(p)->talker;
    return talker_is_through(t) && subscriber_is_at_rest(&t->subscriber);
}

static void fini(struct peer *p)
{
    struct bystander *b = bystander_of(p);
    talker_fini(&b->talker);
    free(b);
}

static const struct peer_kind kind = {"bystander", act, is_at_rest, fini, subscriber_is_owed};

struct peer *bystander_new(struct world *w, unsigned number)
{
    struct bystander *b = calloc(1, sizeof(*b));
    ASSERT(b);
    peer_init(&b->talker.subscriber.peer, &kind, w, number);
    talker_init(&b->talker, "bystander");
    return &b->talker.subscriber.peer;
}

uint64_t bystander_worst_ns(const struct peer *p)
{
    return p->kind == &kind ? bystander_of(p)->talker.worst_ns : 0;
}
