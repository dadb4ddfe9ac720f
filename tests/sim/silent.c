/* Peers that wait until the server ends them: for the rest of a head or a body, for pongs, for room
 * in a window that is never read. How long that takes is the contract's (DESIGN.md, 2 and 4): the
 * server may end them neither earlier nor never. */
#include "base/assert.h"
#include "sim/ending.h"
#include "sim/failure.h"
#include "sim/peers.h"
#include "sim/response.h"
#include "sim/world.h"

#include <stdlib.h>

enum {
    HEAD_MS = 10000, /* also for the first byte of it */
    BODY_MS = 30000,
    ROOM_MS = 10000,
    TAKES_NOTHING_MS = 7000, /* looked at each second, then five for the cut frame */
    EARLY_MS = 100,          /* deadlines count from the beginning of a turn */
    LATE_MS = 1500,          /* nobody is late because a fiber stalled, or an event came late */
    PING_MAX_MS = 5000,      /* longer ones take too long here */
    BODY_LEN = 700,
    LOOK_US = 200 * MS,
    DRIP_ONE_IN = 8,
};

struct silent;

struct silence {
    const char *name;
    void (*say)(struct silent *s);
    /* Since when its time counts at the earliest, and at the latest; 0: not yet. */
    uint64_t (*since_ns)(const struct silent *s);
    uint32_t (*after_ms)(const struct silent *s);
    bool drips, reads;
    unsigned status;  /* 0: no answer */
    uint32_t room_ms; /* it may wait so long for --body-memory first, and be refused */
};

struct silent {
    struct peer peer;
    const struct silence *silence;
    bool has_begun;
    uint64_t began_ns, accepted_ns, heard_ns, lost_ns;
    uint64_t full_head; /* of the log, when its window was first seen to be full; 0: not yet */
    struct response response;
};

static struct silent *silent_of(const struct peer *p)
{
    return (struct silent *)(uintptr_t)p;
}

/* --- what they say ---------------------------------------------------------------------------- */

static void say_nothing(struct silent *s)
{
    (void)s;
}

static void say_half_a_head(struct silent *s)
{
    peer_say_format(&s->peer, "GET /t/silent HTTP/1.1\r\nHost: sim\r\nX-Drips: ");
}

static void say_half_a_body(struct silent *s)
{
    peer_say_format(&s->peer,
                    "POST /t/silent HTTP/1.1\r\nHost: sim\r\nContent-Length: %d\r\n\r\nhalf",
                    BODY_LEN);
}

/* Nobody publishes there: what comes are pings. */
static void say_upgrade(struct silent *s)
{
    peer_say_format(&s->peer, "GET /t/silent HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
}

static void say_stream(struct silent *s)
{
    peer_say_format(&s->peer, "GET /t/%%23?after=now HTTP/1.1\r\nHost: sim\r\n"
                              "Accept: text/event-stream\r\n\r\n");
}

/* --- since when ------------------------------------------------------------------------------- */

static uint64_t since_accepted(const struct silent *s)
{
    return s->accepted_ns;
}

static uint64_t since_heard(const struct silent *s)
{
    return s->heard_ns;
}

/* What the kernel refused for a moment and then took is a sign of life. */
static uint64_t since_last_heard(const struct silent *s)
{
    const struct socket *socket = s->peer.socket;
    if (s->response.status != 101)
        return 0;
    return socket->refused_ns > socket->heard_ns ? socket->refused_ns : socket->heard_ns;
}

static uint64_t since_lost(const struct silent *s)
{
    return s->lost_ns;
}

static uint32_t head_ms(const struct silent *s)
{
    (void)s;
    return HEAD_MS;
}

static uint32_t body_ms(const struct silent *s)
{
    (void)s;
    return BODY_MS;
}

/* It looks once in an interval. */
static uint32_t dead_ms(const struct silent *s)
{
    return 4 * s->peer.world->scenario.settings.ping_ms;
}

static uint32_t takes_nothing_ms(const struct silent *s)
{
    (void)s;
    return TAKES_NOTHING_MS;
}

static const struct silence silences[] = {
    {"nothing", say_nothing, since_accepted, head_ms, false, true, 0, 0},
    {"half a head", say_half_a_head, since_heard, head_ms, true, true, 408, 0},
    {"half a body", say_half_a_body, since_heard, body_ms, true, true, 408, ROOM_MS},
    {"a stream, and never reads", say_stream, since_lost, takes_nothing_ms, false, false, 0, 0},
    {"no pongs", say_upgrade, since_last_heard, dead_ms, false, true, 101, 0},
};
enum { SILENCES = sizeof(silences) / sizeof(silences[0]) };

static const struct silence *draw_silence(const struct world *w, struct random *r)
{
    const bool is_long = w->scenario.settings.ping_ms > PING_MAX_MS;
    return &silences[random_below(r, SILENCES - is_long)];
}

/* --- looking ---------------------------------------------------------------------------------- */

/* What came into the log behind a full window cannot have gone out: trimmed, it is lost. */
static void look_for_loss(struct silent *s)
{
    static const struct filters all = {{"#"}, 1};
    const struct world *w = s->peer.world;
    const struct socket *socket = s->peer.socket;
    if (s->silence->reads || s->lost_ns > 0 || w->scenario.allocation_fails > 0)
        return;
    if (s->full_head == 0 && pipe_room(&socket->to_peer) == 0)
        s->full_head = w->truth.head;
    const uint64_t next = s->full_head > 0 ? truth_next(&w->truth, &all, s->full_head) : 0;
    if (next != 0 && next < world_first_retained(w, socket))
        s->lost_ns = w->kernel.now_ns;
}

static void look(struct silent *s)
{
    const struct socket *socket = s->peer.socket;
    if (s->accepted_ns == 0 && socket->stage != SOCKET_BACKLOG)
        s->accepted_ns = s->peer.kernel->now_ns;
    if (s->heard_ns == 0)
        s->heard_ns = socket->heard_ns;
    look_for_loss(s);
}

/* --- judging ---------------------------------------------------------------------------------- */

static uint64_t ended_ns(const struct silent *s)
{
    const struct socket *socket = s->peer.socket;
    return s->silence->reads && socket->shut_ns > 0 ? socket->shut_ns : socket->closed_ns;
}

static bool is_excused(const struct silent *s)
{
    const struct world *w = s->peer.world;
    const bool is_refused = s->response.status == 503;
    return s->peer.socket->flawed || w->scenario.allocation_fails > 0 ||
           (world_may_refuse(w) && (is_refused || s->response.status == 0)) ||
           (s->silence->room_ms > 0 && is_refused);
}

static uint64_t passed_ms(uint64_t since_ns, uint64_t until_ns)
{
    return since_ns > 0 && until_ns > since_ns ? (until_ns - since_ns) / 1000000 : 0;
}

static void check_not_early(const struct silent *s, uint64_t at_ns)
{
    const uint64_t had_ms = passed_ms(s->began_ns, at_ns);
    if (!s->silence->reads || s->silence->status == 101)
        SIM_CHECK("protocol", ending_is_excused(&s->peer) || ending_is_of_the_dead(&s->peer),
                  "%s (%s): ended after %lu ms", s->peer.name, s->silence->name,
                  (unsigned long)had_ms);
    else
        SIM_CHECK("protocol", had_ms + EARLY_MS >= s->silence->after_ms(s),
                  "%s (%s): ended after %lu ms", s->peer.name, s->silence->name,
                  (unsigned long)had_ms);
}

static void check_not_late(const struct silent *s, uint64_t at_ns)
{
    const uint64_t had_ms = passed_ms(s->silence->since_ns(s), at_ns);
    SIM_CHECK("late", had_ms <= s->silence->after_ms(s) + s->silence->room_ms + LATE_MS,
              "%s (%s): kept for %lu ms", s->peer.name, s->silence->name, (unsigned long)had_ms);
}

static void judge_end(struct silent *s)
{
    if (is_excused(s))
        return;
    check_not_early(s, ended_ns(s));
    check_not_late(s, ended_ns(s));
    SIM_CHECK("protocol", !s->silence->reads || s->response.status == s->silence->status,
              "%s (%s): answered by %u", s->peer.name, s->silence->name, s->response.status);
}

/* Who reads knows by that; who does not is told by nobody. */
static bool has_ended(const struct silent *s)
{
    return s->silence->reads ? peer_is_over(&s->peer) : s->peer.socket->closed_ns > 0;
}

/* --- acting ----------------------------------------------------------------------------------- */

static void begin(struct silent *s)
{
    struct peer *p = &s->peer;
    s->has_begun = true;
    s->silence = draw_silence(p->world, p->random);
    peer_connect(p);
    p->cut_at = 0;
    s->began_ns = p->kernel->now_ns;
    trace("%s: %s", p->name, s->silence->name);
    s->silence->say(s);
}

static void exchange(struct silent *s)
{
    struct peer *p = &s->peer;
    if (!s->silence->reads)
        p->read_max = 0;
    if (s->silence->drips && random_one_in(p->random, DRIP_ONE_IN))
        peer_say_format(p, "x");
    peer_exchange(p);
    if (!s->response.is_whole)
        peer_understood(p, response_read(&s->response, peer_pending(p)));
}

/* Its time is over once everything settles, when it may wait for something that will not come. */
static bool may_leave(const struct silent *s)
{
    return s->peer.socket->flawed ||
           (s->peer.goal == PEER_SETTLE && !s->silence->reads && s->lost_ns == 0);
}

static void wait_on(struct silent *s)
{
    struct peer *p = &s->peer;
    exchange(s);
    look(s);
    if (has_ended(s)) {
        judge_end(s);
        peer_close(p);
    } else if (may_leave(s)) {
        peer_close(p);
    } else if (!is_excused(s)) {
        check_not_late(s, p->kernel->now_ns);
    }
}

static void act(struct peer *p)
{
    struct silent *s = silent_of(p);
    if (p->goal == PEER_WATCH || p->goal == PEER_LEAVE)
        peer_close(p);
    else if (!s->has_begun && p->goal == PEER_LIVE)
        begin(s);
    else if (peer_is_connected(p))
        wait_on(s);
    if (peer_is_connected(p))
        peer_act_in(p, LOOK_US / 2, LOOK_US);
    else
        p->next_ns = UINT64_MAX;
}

/* --- the kind --------------------------------------------------------------------------------- */

static bool is_at_rest(const struct peer *p)
{
    return !peer_is_connected(p);
}

static void fini(struct peer *p)
{
    struct silent *s = silent_of(p);
    peer_fini(p);
    response_fini(&s->response);
    free(s);
}

struct peer *silent_new(struct world *w, unsigned number)
{
    static const struct peer_kind kind = {"silent", act, is_at_rest, fini, NULL};
    struct silent *s = calloc(1, sizeof(*s));
    ASSERT(s);
    peer_init(&s->peer, &kind, w, number);
    s->response.who = s->peer.name;
    return &s->peer;
}
