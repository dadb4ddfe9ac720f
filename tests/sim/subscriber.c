/* A subscriber's life: connects, reads at its pace, is cut, comes back where it was. What it is
 * told is judged in subscriber_judge.c, how it is told is the transports' matter. */
#include "sim/subscriber.h"

#include "base/assert.h"
#include "sim/failure.h"
#include "sim/peers.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LATER_ONE_IN = 3, /* of new connections ask a while after they are made */
    LATER_MAX_US = 20 * MS,
    STALL_ONE_IN = 30,
    SLOW_READ_MAX = 300,
    BACK_MAX_US = 100 * MS,
    AT_ONCE_ONE_IN = 3,
    SETTLED_BACK_MAX_US = 10 * MS,
    LEAVING = 3333, /* its own close code: nobody else's */
    LEAVE_ONE_IN = 200,
    PING_ONE_IN = 40,
    DRIPPING_WINDOW_MAX = 1000,
};

/* --- coming and going ------------------------------------------------------------------------- */

static void reset_wire(struct subscriber *s)
{
    response_reset(&s->response);
    ws_client_reset(&s->ws);
    sse_client_reset(&s->sse);
    s->is_refused = s->is_posted = s->is_asking = s->has_asked = s->is_open = false;
    s->said_too_much = false;
    s->answer_count = 0;
}

static void come_back(struct subscriber *s)
{
    struct peer *p = &s->peer;
    if (s->is_finished || p->goal == PEER_WATCH || p->goal == PEER_LEAVE) {
        p->next_ns = UINT64_MAX;
        return;
    }
    peer_connect(p);
    reset_wire(s);
    s->asks_ns = p->kernel->now_ns;
    if (p->goal == PEER_LIVE && random_one_in(p->random, LATER_ONE_IN))
        s->asks_ns += UINT64_C(1000) * random_between(p->random, 0, LATER_MAX_US);
    peer_act_in(p, 0, MS);
}

/* The later it asks, the more its place is news to the reactor that it was given to. */
static void ask(struct subscriber *s)
{
    s->has_asked = true;
    s->asks_ns = s->peer.kernel->now_ns;
    subscriber_choose_place(s);
    trace("%s: asks from %s", s->peer.name, s->after);
    s->transport->ask(s);
}

static bool can_say_close(const struct subscriber *s)
{
    return s->response.status == 101 && !s->ws.has_close && !s->peer.has_ended;
}

static void leave(struct subscriber *s)
{
    s->is_leaving = true;
    if (can_say_close(s) && random_one_in(s->peer.random, 2))
        ws_client_say_close(&s->ws, &s->peer, LEAVING);
    else
        peer_close(&s->peer);
}

/* --- pace ------------------------------------------------------------------------------------- */

static void draw_pace(struct subscriber *s)
{
    s->pace = (enum pace)random_below(s->peer.random, 3);
    if (s->pace == PACE_SLOW)
        s->peer.read_max = SLOW_READ_MAX;
}

static void wait_for_next(struct subscriber *s)
{
    struct peer *p = &s->peer;
    const bool lives = p->goal == PEER_LIVE;
    if (!peer_is_connected(p) && lives && random_one_in(p->random, AT_ONCE_ONE_IN))
        peer_act_in(p, 0, MS);
    else if (!peer_is_connected(p))
        peer_act_in(p, MS, lives || s->is_refused ? BACK_MAX_US : SETTLED_BACK_MAX_US);
    else if (lives && s->pace == PACE_SLOW)
        peer_act_in(p, 2 * MS, 25 * MS);
    else if (lives && s->pace == PACE_STALLING && random_one_in(p->random, STALL_ONE_IN))
        peer_act_in(p, 100 * MS, 3000 * MS);
    else
        peer_act_eagerly(p);
}

/* --- acting ----------------------------------------------------------------------------------- */

static void chatter(struct subscriber *s)
{
    struct peer *p = &s->peer;
    if (p->goal != PEER_LIVE || !can_say_close(s) || s->ws.said_close)
        return;
    if (random_one_in(p->random, PING_ONE_IN))
        ws_client_say_ping(&s->ws, p);
    if (random_one_in(p->random, LEAVE_ONE_IN))
        ws_client_say_close(&s->ws, p, LEAVING);
}

/* What waits for a peer to read is nobody's silence. */
static bool would_hear(const struct subscriber *s)
{
    const struct peer *p = &s->peer;
    return s->pace == PACE_EAGER && s->is_open && p->socket && !p->has_ended &&
           pipe_len(&p->socket->to_peer) == 0;
}

static void exchange(struct subscriber *s)
{
    struct peer *p = &s->peer;
    peer_exchange(p);
    if (peer_is_connected(p) && s->has_asked)
        s->transport->read(s);
    if (s->transport->lasts && would_hear(s) && !p->world->draining)
        s->transport->lasts(s);
    if (!peer_is_connected(p) || !peer_is_over(p))
        return;
    if (s->has_asked)
        s->transport->ended(s);
    peer_close(p);
}

void subscriber_step(struct subscriber *s)
{
    struct peer *p = &s->peer;
    if (p->goal == PEER_LEAVE && !s->is_leaving)
        leave(s);
    if (!peer_is_connected(p)) {
        come_back(s);
        return;
    }
    if (!s->has_asked && p->kernel->now_ns >= s->asks_ns)
        ask(s);
    chatter(s);
    exchange(s);
    wait_for_next(s);
}

bool subscriber_is_at_rest(const struct subscriber *s)
{
    if (s->is_finished)
        return true;
    if (!s->has_place || s->awaits_gap)
        return false;
    if (subscriber_next_due(s) != 0)
        return false;
    return !s->transport->is_stream ||
           (peer_is_connected(&s->peer) && s->is_open && !s->peer.has_ended && !s->ws.said_close);
}

/* --- what the server owes it ------------------------------------------------------------------ */

static struct subscriber *subscriber_of(const struct peer *p)
{
    return (struct subscriber *)(uintptr_t)p;
}

static bool is_listening(const struct subscriber *s)
{
    const struct response *r = &s->response;
    const bool was_told = r->status == 101 ? s->ws.has_close || s->ws.said_close : r->is_whole;
    return s->is_open && !s->is_refused && !was_told;
}

static bool was_heard(const struct peer *p)
{
    return p->socket->stage == SOCKET_ACCEPTED && buffer_len(&p->out) == 0 &&
           pipe_len(&p->socket->to_server) == 0;
}

/* An answer of hundreds of kilobytes is long on its way, a few bytes at a time. */
static bool is_dripping(const struct subscriber *s)
{
    return s->response.has_head && s->peer.socket->to_peer.window < DRIPPING_WINDOW_MAX;
}

bool subscriber_is_owed(const struct peer *p)
{
    const struct subscriber *s = subscriber_of(p);
    if (!peer_is_connected(p) || p->has_ended || peer_is_over(p) || p->socket->flawed)
        return false;
    return s->transport->is_stream ? is_listening(s)
                                   : s->is_asking && was_heard(p) && !is_dripping(s);
}

/* --- life ------------------------------------------------------------------------------------- */

void subscriber_init(struct subscriber *s, const struct transport *transport)
{
    static const enum audit_policy policies[] = {
        [SLOW_CLOSE] = AUDIT_CLOSE, [SLOW_SKIP] = AUDIT_SKIP, [SLOW_LATEST] = AUDIT_LATEST};
    struct peer *p = &s->peer;
    s->transport = transport;
    s->response.who = s->sse.who = p->name;
    s->audit = (struct audit){.truth = &p->world->truth,
                              .who = p->name,
                              .policy = policies[p->world->scenario.settings.slow],
                              .is_raw_ws = transport == &transport_ws_raw};
}

void subscriber_fini(struct subscriber *s)
{
    peer_fini(&s->peer);
    response_fini(&s->response);
    ws_client_fini(&s->ws);
    sse_client_fini(&s->sse);
    buffer_fini(&s->decoded);
}

/* --- the kind --------------------------------------------------------------------------------- */

static void act(struct peer *p)
{
    subscriber_step(subscriber_of(p));
}

static bool is_at_rest(const struct peer *p)
{
    return subscriber_is_at_rest(subscriber_of(p));
}

static void fini(struct peer *p)
{
    struct subscriber *s = subscriber_of(p);
    subscriber_fini(s);
    free(s);
}

static void print_filters(const struct filters *f, char out[static 64])
{
    size_t len = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < f->count && len < 64; i++)
        len += (size_t)snprintf(out + len, 64 - len, " %s", f->names[i]);
}

struct peer *subscriber_new(struct world *w, unsigned number)
{
    static const struct peer_kind kind = {"subscriber", act, is_at_rest, fini, subscriber_is_owed};
    static const struct transport *const transports[] = {&transport_ws_raw, &transport_ws_json,
                                                         &transport_sse, &transport_poll};
    char filters[64];
    struct subscriber *s = calloc(1, sizeof(*s));
    ASSERT(s);
    peer_init(&s->peer, &kind, w, number);
    const struct transport *transport = transports[random_below(&w->random, 4)];
    snprintf(s->peer.name, sizeof(s->peer.name), "%s %u", transport->name, number);
    subscriber_init(s, transport);
    scenario_draw_filters(&w->scenario, &w->random, &s->audit.filters);
    draw_pace(s);
    print_filters(&s->audit.filters, filters);
    trace("%s: wants%s, pace %d", s->peer.name, filters, (int)s->pace);
    return &s->peer;
}
