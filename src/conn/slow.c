/* The three policies. How a gap is told and a goodbye said stands in notice.c and goodbye.c. */
#include "conn/slow.h"

#include "conn/finish.h"
#include "conn/goodbye.h"
#include "conn/notice.h"
#include "conn/peer.h"
#include "conn/place.h"
#include "conn/reactor.h"

enum { SLOW_WATCH_MS = 1000, PINNED_FRAMES_MIN = 8, RELIEF_INTERVAL_MS = 250 };

/* --- the policies ----------------------------------------------------------------------------- */

/* Moves it on to `resumed`, after telling it. False: it subscribes to nothing any more. */
static ON_REACTOR bool jump(struct reactor *r, struct conn *c, uint64_t resumed,
                            enum gap_reason reason)
{
    char text[CURSOR_TEXT_MAX];
    const struct cursor after = place_cursor(r, c->position);
    const struct gap gap = {
        {(const uint8_t *)text, cursor_format(after, text)}, place_cursor(r, resumed), reason};
    c->position = resumed;
    return notice_gap(r, c, &gap);
}

static ON_REACTOR void say(struct reactor *r, const char *what)
{
    logline_limited(&r->broker->sink, &r->broker->causes.slow, LOGLINE_WARNING,
                    "a subscriber fell behind what the history keeps and %s", what);
}

static ON_REACTOR void close_it(struct reactor *r, struct conn *c)
{
    stat_add(&r->stats.slow_closes, 1);
    say(r, "was closed");
    goodbye(r, c, WS_CLOSE_TRY_LATER, "too slow: messages it had not taken were trimmed");
}

/* It has taken whatever it was offered; the log was faster than we were. */
static bool was_never_slow(const struct conn *c)
{
    return !conn_has(c, CONN_WAS_BLOCKED | CONN_CONFLATING);
}

ON_REACTOR void slow_apply(struct reactor *r, struct conn *c)
{
    if (was_never_slow(c)) {
        (void)jump(r, c, place_oldest(r, c->set), GAP_TRIMMED);
        return;
    }
    switch (r->broker->settings.slow) {
    case SLOW_CLOSE:
        close_it(r, c);
        return;
    case SLOW_SKIP:
        say(r, "goes on behind a gap");
        (void)jump(r, c, place_oldest(r, c->set), GAP_SLOW);
        return;
    case SLOW_LATEST:
        if (!conn_has(c, CONN_CONFLATING))
            say(r, "gets the latest of each topic");
        conn_set(c, CONN_CONFLATING);
        return;
    }
    UNREACHABLE("slow_policy");
}

/* --- conflation ------------------------------------------------------------------------------- */

static ON_REACTOR bool is_end(const struct reactor *r, uint64_t seq)
{
    return history_at(&r->subscriptions.history, seq)->kind == MESSAGE_END;
}

ON_REACTOR bool slow_is_superseded(const struct reactor *r, uint64_t seq)
{
    const uint64_t newer = history_newer(&r->subscriptions.history, seq);
    return newer != 0 && !is_end(r, newer);
}

/* Where the next message that is not superseded begins, as far as one walk looks. */
static ON_REACTOR uint64_t before_newest(const struct reactor *r, const struct conn *c,
                                         bool *skipped)
{
    struct set_walk walk;
    uint64_t seq;
    const uint64_t from = slow_lost_its_place(c) ? place_oldest(r, c->set) : c->position;
    set_walk_begin(&walk, &r->subscriptions.history, c->set, from);
    while ((seq = set_walk_next(&walk)) != 0 && slow_is_superseded(r, seq))
        *skipped = true;
    return seq != 0 ? seq - 1 : walk.seen_seq;
}

/* Nothing but the end of its topic is left: that is not for conflating. */
static ON_REACTOR void go_on(const struct reactor *r, struct conn *c)
{
    if (finish_is_over(r, c))
        conn_clear(c, CONN_CONFLATING);
}

/* A raw WebSocket has no place for a notice: there `latest` is silent, by definition. */
ON_REACTOR void slow_conflate(struct reactor *r, struct conn *c)
{
    bool skipped = slow_lost_its_place(c);
    if (!conn_is_behind(c)) {
        conn_clear(c, CONN_CONFLATING);
        return;
    }
    const uint64_t place = before_newest(r, c, &skipped);
    if (skipped && !wire_is_raw_ws(c->wire))
        (void)jump(r, c, place, GAP_SLOW);
    else
        c->position = place > c->position ? place : c->position;
    go_on(r, c);
}

/* --- watching --------------------------------------------------------------------------------- */

ON_REACTOR void slow_blocked(struct reactor *r, struct conn *c)
{
    if (c->blocked_ms != 0)
        return;
    c->blocked_ms = r->now_ms;
    /* What is blocked again and again is not put off each time: its age comes too. */
    if (c->phase == CONN_WS || c->phase == CONN_SSE)
        conn_bring_timer_forward(r, c, SLOW_WATCH_MS);
}

/* Its timer was set for one that takes nothing: heartbeats and pings would be late by that. */
ON_REACTOR void slow_recovered(struct reactor *r, struct conn *c)
{
    if (!conn_has(c, CONN_LOST))
        return;
    conn_clear(c, CONN_LOST);
    if (c->phase == CONN_WS || c->phase == CONN_SSE)
        conn_bring_timer_forward(r, c, SLOW_WATCH_MS);
}

static ON_REACTOR void reset(struct reactor *r, struct conn *c, const char *why)
{
    stat_add(&r->stats.slow_closes, 1);
    say(r, why);
    peer_will_end(r, c, WS_CLOSE_TRY_LATER, "too slow");
    conn_drop(r, c, true);
}

/* The notice waits until there is room for it behind the cut frame: till then the place may move
 * further. */
ON_REACTOR void slow_watch(struct reactor *r, struct conn *c)
{
    if (conn_has(c, CONN_LOST)) {
        reset(r, c, "was reset: it took nothing for seconds");
    } else if (!slow_lost_its_place(c)) {
        conn_set_timer(r, c, SLOW_WATCH_MS);
    } else if (r->broker->settings.slow == SLOW_CLOSE) {
        slow_apply(r, c);
    } else {
        conn_set(c, CONN_LOST);
        conn_set_timer(r, c, SLOW_DRAIN_MS);
    }
}

/* --- memory ----------------------------------------------------------------------------------- */

/* As much as the history may hold, but room for a few frames of the longest messages. */
static ON_REACTOR bool pins_too_much(const struct reactor *r, unsigned eighths)
{
    const struct broker_settings *s = &r->broker->settings;
    const uint64_t pinned = atomic_load_explicit(&r->broker->pinned_bytes, memory_order_relaxed);
    const uint64_t few = (uint64_t)PINNED_FRAMES_MIN * s->message_bytes_max;
    return pinned > (s->history_bytes > few ? s->history_bytes : few) / 8 * eighths;
}

/* 0: it does not stall, or shorter than that. */
static ON_REACTOR uint32_t stall_ms(const struct reactor *r, const struct conn *c, uint32_t min_ms)
{
    if (!c->cut || c->phase == CONN_CLOSED || c->blocked_ms == 0)
        return 0;
    const uint32_t ms = r->now_ms - c->blocked_ms + 1;
    return ms >= min_ms ? ms : 0;
}

static ON_REACTOR uint32_t longest_stall_ms(const struct reactor *r, uint32_t min_ms)
{
    uint32_t longest = 0;
    for (uint32_t slot = 0; slot < r->slot_high; slot++) {
        const uint32_t ms = stall_ms(r, &r->conns[slot], min_ms);
        longest = ms > longest ? ms : longest;
    }
    return longest;
}

/* Scans, down to 7/8, so that it stays rare. */
static ON_REACTOR void reset_longest(struct reactor *r, uint32_t min_ms)
{
    const uint32_t longest = longest_stall_ms(r, min_ms);
    for (uint32_t slot = 0; slot < r->slot_high && longest > 0 && pins_too_much(r, 7); slot++) {
        struct conn *c = &r->conns[slot];
        const uint32_t ms = stall_ms(r, c, min_ms);
        if (ms > 0 && ms >= longest / 2)
            reset(r, c, "was reset: cut frames pinned more than the history may hold");
    }
}

/* A frame that is cut for a moment is no stall, unless twice as much is pinned. A reactor knows its
 * own peers only. */
ON_REACTOR void slow_relieve(struct reactor *r)
{
    if (list_is_empty(&r->cuts) || !pins_too_much(r, 8))
        return;
    if (pins_too_much(r, 16)) {
        reset_longest(r, 1);
    } else if (r->now_ms - r->relieved_ms >= RELIEF_INTERVAL_MS) {
        r->relieved_ms = r->now_ms;
        reset_longest(r, SLOW_WATCH_MS);
    }
}
