/* Connections, bytes both ways, and time, for all kinds of peers. What the bytes say is the kinds'
 * matter. */
#include "sim/peer.h"

#include "base/assert.h"
#include "sim/ending.h"
#include "sim/failure.h"
#include "sim/world.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    FORMATTED_MAX = 1024,
    READ_MAX = 16384,
    FIRST_ACT_US = 5000,
    CUT_MAX = 6000, /* bytes that have moved by then */
    VANISH_MAX = 2, /* of each peer: each holds a place of the server's for long */
    IDLE_MIN_US = 500,
    IDLE_MAX_US = 60000,
    BUSY_MAX_US = 300,
};

/* --- life ------------------------------------------------------------------------------------- */

void peer_init(struct peer *p, const struct peer_kind *kind, struct world *w, unsigned number)
{
    *p = (struct peer){.kind = kind,
                       .world = w,
                       .kernel = &w->kernel,
                       .random = &w->random,
                       .read_max = READ_MAX,
                       .idle_us = IDLE_MIN_US};
    snprintf(p->name, sizeof(p->name), "%s %u", kind->name, number);
    peer_act_in(p, 0, FIRST_ACT_US);
}

void peer_fini(struct peer *p)
{
    peer_close(p);
    buffer_fini(&p->out);
    buffer_fini(&p->in);
}

/* --- connections ------------------------------------------------------------------------------ */

static size_t draw_window(struct random *random)
{
    static const size_t windows[] = {200, 1500, 9000, 65536, 65536};
    return windows[random_below(random, sizeof(windows) / sizeof(windows[0]))];
}

void peer_connect(struct peer *p)
{
    ASSERT(!p->socket);
    buffer_clear(&p->out);
    buffer_clear(&p->in);
    p->in_ended = p->in_reset = p->has_ended = false;
    p->moved_count = p->dismissed_ns = 0;
    p->heard_ns = p->said_ns = p->kernel->now_ns;
    p->idle_us = IDLE_MIN_US;
    const bool cuts = p->goal == PEER_LIVE && random_one_in(p->random, 2);
    p->cut_at = cuts ? random_length(p->random, CUT_MAX) : 0;
    const size_t to_server = draw_window(p->random);
    p->socket = socket_connect(p->kernel, -1, to_server, draw_window(p->random));
    trace("%s: connection %lu, to reactor %u", p->name, (unsigned long)p->socket->number,
          p->socket->reactor);
}

bool peer_is_connected(const struct peer *p)
{
    return p->socket != NULL;
}

void peer_close(struct peer *p)
{
    if (p->socket)
        socket_close(p->kernel, &p->socket);
}

static void half_close(struct peer *p)
{
    if (!p->has_ended)
        socket_end(p->kernel, p->socket);
    p->has_ended = true;
    p->cut_at = 0;
}

void peer_cut(struct peer *p)
{
    static const char *const ways[] = {"closes", "resets", "ends", "vanishes"};
    const uint32_t ways_count = p->vanish_count < VANISH_MAX ? 4 : 3;
    const uint32_t way = random_below(p->random, ways_count);
    trace("%s: %s after %lu bytes", p->name, ways[way], (unsigned long)p->moved_count);
    if (way == 0)
        socket_close(p->kernel, &p->socket);
    else if (way == 1)
        socket_reset(p->kernel, &p->socket);
    else if (way == 2)
        half_close(p);
    else
        socket_vanish(p->kernel, &p->socket);
    p->vanish_count += way == 3;
}

bool peer_is_over(const struct peer *p)
{
    return p->in_ended || p->in_reset;
}

bool peer_was_left(const struct peer *p)
{
    return peer_is_over(p) && !p->has_ended && !(p->in_reset && ending_is_excused(p));
}

/* --- bytes ------------------------------------------------------------------------------------ */

void peer_say(struct peer *p, struct bytes b)
{
    buffer_add(&p->out, b);
}

void peer_say_format(struct peer *p, const char *format, ...)
{
    char text[FORMATTED_MAX];
    va_list args;
    va_start(args, format);
    const int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ASSERT(len >= 0);
    ASSERT((size_t)len < sizeof(text));
    peer_say(p, (struct bytes){(const uint8_t *)text, (size_t)len});
}

struct bytes peer_pending(const struct peer *p)
{
    return buffer_bytes(&p->in);
}

void peer_understood(struct peer *p, size_t count)
{
    buffer_take(&p->in, count);
}

static bool cut_is_due(const struct peer *p)
{
    return p->goal == PEER_LIVE && p->cut_at > 0 && p->moved_count >= p->cut_at;
}

/* How many may move before the connection is cut. */
static size_t up_to_cut(const struct peer *p, size_t count)
{
    if (p->goal != PEER_LIVE || p->cut_at == 0)
        return count;
    const uint64_t left = p->cut_at > p->moved_count ? p->cut_at - p->moved_count : 0;
    return left < count ? (size_t)left : count;
}

static void moved(struct peer *p, size_t count)
{
    p->moved_count += count;
    p->has_moved = p->has_moved || count > 0;
}

static void send_some(struct peer *p)
{
    if (p->has_ended)
        buffer_clear(&p->out);
    struct bytes piece = buffer_bytes(&p->out);
    if (piece.len > 0 && random_one_in(p->random, 2))
        piece.len = random_length(p->random, piece.len);
    piece.len = up_to_cut(p, piece.len);
    if (piece.len == 0)
        return;
    const int64_t sent = socket_write(p->kernel, p->socket, piece);
    if (sent < 0) {
        buffer_clear(&p->out); /* whatever came before is still read */
        p->has_moved = true;
        return;
    }
    if (sent > 0)
        p->said_ns = p->kernel->now_ns;
    buffer_take(&p->out, (size_t)sent);
    moved(p, (size_t)sent);
}

static void read_some(struct peer *p)
{
    size_t max = p->read_max;
    if (max > 0 && random_one_in(p->random, 2))
        max = random_length(p->random, max);
    max = up_to_cut(p, max);
    if (max == 0)
        return;
    struct span into = {buffer_extend(&p->in, max), max};
    const int64_t count = socket_read(p->kernel, p->socket, into);
    buffer_shorten(&p->in, count > 0 ? max - (size_t)count : max);
    if (count > 0)
        p->heard_ns = p->kernel->now_ns;
    p->in_ended = count == SOCKET_END;
    p->in_reset = count == SOCKET_RESET;
    moved(p, count > 0 ? (size_t)count : 0);
}

void peer_exchange(struct peer *p)
{
    p->has_moved = false;
    if (!p->socket)
        return;
    if (cut_is_due(p)) {
        peer_cut(p);
        return;
    }
    send_some(p);
    read_some(p);
}

/* --- time ------------------------------------------------------------------------------------- */

void peer_act_in(struct peer *p, uint32_t low_us, uint32_t high_us)
{
    p->next_ns =
        p->kernel->now_ns + 1 + UINT64_C(1000) * random_between(p->random, low_us, high_us);
}

void peer_act_eagerly(struct peer *p)
{
    if (p->has_moved) {
        p->idle_us = IDLE_MIN_US;
        peer_act_in(p, 1, BUSY_MAX_US);
        return;
    }
    peer_act_in(p, p->idle_us / 2, p->idle_us);
    p->idle_us = p->idle_us * 2 > IDLE_MAX_US ? IDLE_MAX_US : p->idle_us * 2;
}
