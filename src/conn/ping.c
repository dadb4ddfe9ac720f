/* Pings (RFC 6455, 5.5.2) from constant memory, and the end of who does not answer. */
#include "conn/ping.h"

#include "conn/outbox.h"
#include "conn/reactor.h"
#include "conn/slow.h"
#include "ws/ws.h"

enum { BACKLOG_MS = 100 };

/* No answer for two intervals after a ping, or no room for as long: nobody is there. */
static ON_REACTOR bool is_dead(struct reactor *r, const struct conn *c)
{
    const uint32_t every_ms = r->broker->settings.ping_ms;
    return r->now_ms - c->heard_ms + every_ms / 8 >= every_ms * 3 && !r->backlog;
}

/* A peer that sent something within the interval is not pinged. */
static ON_REACTOR void keep_alive(struct reactor *r, struct conn *c)
{
    static const uint8_t ping[] = {0x80 | WS_PING, 0};
    const struct bytes frame = {ping, sizeof(ping)};
    const uint32_t every_ms = r->broker->settings.ping_ms;
    const uint32_t silent_ms = r->now_ms - c->heard_ms;
    if (silent_ms + every_ms / 8 < every_ms) {
        conn_set_timer(r, c, every_ms - silent_ms);
        return;
    }
    conn_set_timer(r, c, r->backlog ? BACKLOG_MS : every_ms);
    if (!sender_send_constant(r, c, frame) && !conn_has(c, CONN_PINGED))
        (void)!outbox_add(r, c, frame); /* it goes between what stands before it */
    conn_set(c, CONN_PINGED);
}

ON_REACTOR void ping_timeout(struct reactor *r, struct conn *c)
{
    if (is_dead(r, c))
        conn_drop(r, c, true);
    else if (c->blocked_ms != 0)
        slow_watch(r, c);
    else
        keep_alive(r, c);
}
