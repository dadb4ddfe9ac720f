/* Own messages: out on a WebSocket, and back in the order of the log. Which, and when, is its
 * users' matter. */
#include "sim/talker.h"

#include "base/assert.h"
#include "sim/failure.h"
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

static struct truth *truth_of(const struct talker *t)
{
    return &t->subscriber.peer.world->truth;
}

static const struct publish *publish_of(const struct talker *t, unsigned index)
{
    return &truth_of(t)->publishes[t->said[index].number];
}

/* --- back ------------------------------------------------------------------------------------- */

/* What it said on this connection is in the log in the same order. Messages of its own may have
 * been passed over on the way to it (a gap, or `latest`), but not on the way into the log. */
static void check_order(struct talker *t, unsigned index, uint64_t seq)
{
    for (unsigned i = t->next; i < index; i++) {
        const uint64_t before = publish_of(t, i)->seq;
        SIM_CHECK("order", before != 0 && before < seq,
                  "%s: message %u is in the log at %lu, message %u, said before it, at %lu",
                  t->subscriber.peer.name, t->said[index].number, (unsigned long)seq,
                  t->said[i].number, (unsigned long)before);
    }
    SIM_CHECK("order", index >= t->next, "%s: message %u came back twice, or late",
              t->subscriber.peer.name, t->said[index].number);
    t->next = index + 1;
}

static void came_back(struct talker *t, unsigned index)
{
    struct said *said = &t->said[index];
    const uint64_t seq = t->subscriber.audit.seen;
    const uint64_t took_ns = *truth_of(t)->now_ns - said->said_ns;
    if (!said->came_back)
        truth_accepted(truth_of(t), said->number, truth_of(t)->epoch, seq);
    said->came_back = true;
    if (index < t->first)
        return; /* of an earlier connection: it overtakes nobody, but may come any time */
    check_order(t, index, seq);
    if (!said->is_excused && took_ns > t->worst_ns)
        t->worst_ns = took_ns;
}

static void on_message(struct subscriber *s, uint32_t number)
{
    struct talker *t = (struct talker *)s;
    for (unsigned i = t->said_count; i > 0 && t->said[i - 1].number >= number; i--)
        if (t->said[i - 1].number == number)
            came_back(t, i - 1);
}

/* --- out -------------------------------------------------------------------------------------- */

void talker_begin_turn(struct talker *t)
{
    const struct socket *socket = t->subscriber.peer.socket;
    if (socket && socket->number == t->connection)
        return;
    t->first = t->next = t->said_count;
    if (socket)
        t->connection = socket->number;
}

bool talker_can_say(const struct talker *t)
{
    const struct subscriber *s = &t->subscriber;
    return peer_is_connected(&s->peer) && s->is_open && !s->awaits_gap && !s->ws.has_close &&
           !s->ws.said_close && !s->said_too_much && !s->peer.has_ended &&
           s->peer.socket->number == t->connection;
}

static struct said *add_said(struct talker *t)
{
    if (t->said_count == t->said_capacity) {
        t->said_capacity = t->said_capacity * 2 + 64;
        t->said = realloc(t->said, t->said_capacity * sizeof(*t->said));
        ASSERT(t->said);
    }
    return &t->said[t->said_count++];
}

void talker_say(struct talker *t, uint32_t len)
{
    struct subscriber *s = &t->subscriber;
    struct random *r = s->peer.random;
    const bool is_binary = random_one_in(r, 3);
    const uint32_t number =
        truth_new_publish(truth_of(t), s->audit.filters.names[0], len, is_binary);
    uint8_t *payload = malloc(len);
    ASSERT(payload);
    truth_payload(&truth_of(t)->publishes[number], payload);
    ws_client_say_message(&s->ws, &s->peer, is_binary, (struct bytes){payload, len});
    free(payload);
    s->said_too_much = len > s->peer.world->scenario.settings.message_bytes_max;
    *add_said(t) = (struct said){.number = number, .said_ns = *truth_of(t)->now_ns};
    trace("%s: says %u", s->peer.name, number);
}

/* --- rest ------------------------------------------------------------------------------------- */

bool talker_is_through(const struct talker *t)
{
    const struct subscriber *s = &t->subscriber;
    if (!peer_is_connected(&s->peer) || s->is_finished || t->first == t->said_count)
        return true;
    return publish_of(t, t->said_count - 1)->seq != 0;
}

bool talker_waits(const struct talker *t)
{
    return peer_is_connected(&t->subscriber.peer) && t->next < t->said_count;
}

void talker_excuse(struct talker *t)
{
    for (unsigned i = t->next; i < t->said_count; i++)
        t->said[i].is_excused = true;
}

/* --- life ------------------------------------------------------------------------------------- */

void talker_init(struct talker *t, const char *topic)
{
    struct subscriber *s = &t->subscriber;
    subscriber_init(s, &transport_ws_raw);
    s->on_message = on_message;
    s->audit.filters.count = 1;
    strcpy(s->audit.filters.names[0], topic);
    t->connection = UINT64_MAX;
}

void talker_fini(struct talker *t)
{
    subscriber_fini(&t->subscriber);
    free(t->said);
}
