/* The times are the contract's, a little shorter: the server counts in milliseconds, and times are
 * spread. What was said before the reset is not looked at here. */
#include "sim/ending.h"

#include "sim/peer.h"
#include "sim/world.h"

enum {
    STALLED_MS = 900,        /* whoever takes nothing for shorter is reset by nobody */
    LINGER_MS = 1900,        /* for the peer to take the last words and close */
    REFUSED_LINGER_MS = 450, /* its place is for the next one */
    UNREAD_MS = 500,         /* the server may not have read yet what came last */
    PINNED_FRAMES_MIN = 8,
    ESCAPED_MAX = 6,   /* bytes of JSON for one of a payload */
    FRAME_MORE = 1000, /* what else a message or its image takes */
};

static uint64_t ms(uint64_t ns)
{
    return ns / 1000000;
}

static bool has_lasted(const struct socket *s, uint64_t since_ns, uint64_t least_ms)
{
    return since_ns > 0 && ms(s->closed_ns - since_ns) >= least_ms;
}

/* When cut frames pin more than twice the history, whoever has one may go at once. Each peer pins
 * one message and one image of it. */
static bool may_be_relieved(const struct world *w)
{
    const struct broker_settings *b = &w->scenario.settings;
    const uint64_t few = (uint64_t)PINNED_FRAMES_MIN * b->message_bytes_max;
    const uint64_t limit = b->history_bytes > few ? b->history_bytes : few;
    const uint64_t frame = (uint64_t)ESCAPED_MAX * w->scenario.payload_max + FRAME_MORE;
    return w->peer_count * 2 * frame > 2 * limit;
}

static bool took_nothing(const struct world *w, const struct socket *s)
{
    return s->blocked_ns > 0 && (may_be_relieved(w) || has_lasted(s, s->blocked_ns, STALLED_MS));
}

static bool had_its_end(const struct world *w, const struct socket *s)
{
    return has_lasted(s, s->shut_ns, world_may_refuse(w) ? REFUSED_LINGER_MS : LINGER_MS);
}

bool ending_is_excused(const struct peer *p)
{
    const struct world *w = p->world;
    const struct socket *s = p->socket;
    return s->flawed || w->scenario.allocation_fails > 0 || took_nothing(w, s) || had_its_end(w, s);
}

/* Three intervals, an eighth of one earlier; and nothing lay there unread. */
bool ending_is_of_the_dead(const struct peer *p)
{
    const struct socket *s = p->socket;
    const uint64_t every_ms = p->world->scenario.settings.ping_ms;
    return has_lasted(s, s->heard_ns, every_ms * 3 - every_ms / 8 - 1) &&
           !has_lasted(s, s->unread_ns, UNREAD_MS);
}
