/* What a subscriber makes of what it was told, whatever the transport was. The order is audit.c's
 * to judge; here is judged whether it may be told such a thing at all. */
#include "sim/subscriber.h"

#include "sim/failure.h"
#include "sim/world.h"

#include <string.h>

uint64_t subscriber_seq(const struct subscriber *s, struct bytes cursor)
{
    uint64_t epoch = 0, seq = 0;
    const bool is_cursor = audit_cursor_parse(cursor, &epoch, &seq);
    SIM_CHECK("protocol", is_cursor && epoch == s->peer.world->truth.epoch,
              "%s: %.*s is no cursor of this log", s->peer.name, (int)cursor.len,
              (const char *)cursor.at);
    SIM_CHECK("order", seq <= s->peer.world->truth.head, "%s: the cursor %lu is ahead of the log",
              s->peer.name, (unsigned long)seq);
    return seq;
}

/* What was retained when the server looked may have been trimmed since, and more may have come:
 * what is retained still, and what its reactor had when it asked, it must have seen. */
static void check_earliest(const struct subscriber *s, uint64_t seq)
{
    const struct audit *a = &s->audit;
    const uint64_t retained = world_first_retained(s->peer.world, s->peer.socket);
    const unsigned missed = truth_count(a->truth, &a->filters, retained - 1, seq);
    SIM_CHECK("place", missed == 0, "%s: `earliest` is behind %lu, and %u before it are retained",
              s->peer.name, (unsigned long)seq, missed);
}

static void check_last(const struct subscriber *s, uint64_t seq)
{
    const struct audit *a = &s->audit;
    const uint64_t retained = world_first_retained(s->peer.world, s->peer.socket);
    const unsigned behind = truth_count(a->truth, &a->filters, seq, a->truth->head);
    const unsigned known = truth_count(a->truth, &a->filters, seq, s->consumed_seq);
    const unsigned kept = truth_count(a->truth, &a->filters, retained - 1, s->consumed_seq);
    const unsigned wanted = kept < s->last_count ? kept : s->last_count;
    SIM_CHECK("place", behind >= wanted, "%s: `last=%u` begins with %u, and %u were retained",
              s->peer.name, s->last_count, behind, kept);
    SIM_CHECK("place", known <= s->last_count, "%s: `last=%u` begins with %u", s->peer.name,
              s->last_count, known);
}

static void check_now(const struct subscriber *s, uint64_t seq)
{
    SIM_CHECK("place", seq >= s->told_seq, "%s: `now` is %lu, but %lu was told to be in the log",
              s->peer.name, (unsigned long)seq, (unsigned long)s->told_seq);
}

static void check_start(const struct subscriber *s, uint64_t seq)
{
    switch (s->from) {
    case FROM_NOW:
        check_now(s, seq);
        return;
    case FROM_LAST:
        check_last(s, seq);
        return;
    case FROM_EARLIEST:
    case FROM_ELSEWHERE: /* as much as there is: nobody knows what it had */
        check_earliest(s, seq);
        return;
    case FROM_SEEN:
    case FROM_TOLD:
        return;
    }
    UNREACHABLE("from");
}

void subscriber_begin(struct subscriber *s, uint64_t seq)
{
    trace("%s: begins behind %lu", s->peer.name, (unsigned long)seq);
    check_start(s, seq);
    s->has_place = true;
    s->is_open = true;
    audit_begin(&s->audit, seq);
}

void subscriber_opened(struct subscriber *s, struct bytes cursor)
{
    SIM_CHECK("protocol", !s->is_open, "%s: opened twice", s->peer.name);
    s->is_open = true;
    switch (s->from) {
    case FROM_SEEN:
        audit_opened(&s->audit, cursor);
        return;
    case FROM_NOW:
    case FROM_EARLIEST:
    case FROM_LAST:
        subscriber_begin(s, subscriber_seq(s, cursor));
        return;
    case FROM_ELSEWHERE:
        s->awaits_gap = true;
        SIM_CHECK("gap", !cursor.at || bytes_equal(cursor, bytes_from(s->after)),
                  "%s: opened at %.*s before the gap behind %s", s->peer.name, (int)cursor.len,
                  (const char *)cursor.at, s->after);
        return;
    case FROM_TOLD:
        break;
    }
    UNREACHABLE("from");
}

/* Without memory a reactor loses what came to it, and says so as if it were trimmed. */
static void note_retained(struct subscriber *s)
{
    const struct world *w = s->peer.world;
    s->audit.first_retained = world_first_retained(w, s->peer.socket);
    s->audit.refused_seq = world_refused_seq(w, s->peer.socket);
}

void subscriber_message(struct subscriber *s, const struct envelope *e)
{
    const struct truth *t = &s->peer.world->truth;
    SIM_CHECK("gap", s->is_open && !s->awaits_gap, "%s: a message before %s", s->peer.name,
              s->is_open ? "the gap that is due" : "the opening");
    const uint32_t number = s->audit.by_sse ? truth_number_by_sse(t, e->payload, s->peer.name)
                                            : truth_number_of(t, e->payload, s->peer.name);
    SIM_CHECK("payload", t->publishes[number].is_binary == e->is_binary,
              "%s: message %u is text here and binary there", s->peer.name, number);
    note_retained(s);
    audit_message(&s->audit, e->id, e->topic, e->payload);
    const int64_t time_ms = t->entries[t->publishes[number].seq].time_ms;
    SIM_CHECK("payload", e->time_ms == 0 || e->time_ms == time_ms,
              "%s: message %u is of %ld, not %ld", s->peer.name, number, (long)time_ms,
              (long)e->time_ms);
    trace("%s: message %lu (%u)", s->peer.name, (unsigned long)s->audit.seen, number);
    if (s->on_message)
        s->on_message(s, number);
}

/* It named a place that never was: the gap says so, and where it is now. */
static void told_elsewhere(struct subscriber *s, const struct told_gap *gap)
{
    SIM_CHECK("gap", bytes_equal(gap->after, bytes_from(s->after)),
              "%s: a gap behind %.*s, which is not %s", s->peer.name, (int)gap->after.len,
              (const char *)gap->after.at, s->after);
    SIM_CHECK("gap", !gap->reason.at || bytes_equal(gap->reason, BYTES_LITERAL("epoch")),
              "%s: a foreign cursor is `%.*s`", s->peer.name, (int)gap->reason.len,
              (const char *)gap->reason.at);
    s->awaits_gap = false;
    subscriber_begin(s, subscriber_seq(s, gap->resumed));
}

void subscriber_gap(struct subscriber *s, const struct told_gap *gap)
{
    trace("%s: gap %.*s %.*s", s->peer.name, (int)gap->after.len, (const char *)gap->after.at,
          (int)gap->resumed.len, (const char *)gap->resumed.at);
    SIM_CHECK("gap", s->is_open || s->transport == &transport_poll, "%s: a gap before the opening",
              s->peer.name);
    note_retained(s);
    if (s->awaits_gap) {
        told_elsewhere(s, gap);
        return;
    }
    /* A poll that waits is told by its answer where it began. */
    if (!s->is_open && s->from != FROM_SEEN)
        subscriber_begin(s, subscriber_seq(s, gap->after));
    audit_gap(&s->audit, gap->after, gap->resumed, gap->reason);
}

/* A raw WebSocket under `latest` is not told what was trimmed before it could be sent. */
uint64_t subscriber_next_due(const struct subscriber *s)
{
    const struct audit *a = &s->audit;
    uint64_t seen = a->seen;
    if (a->policy == AUDIT_LATEST && a->is_raw_ws && peer_is_connected(&s->peer)) {
        const uint64_t trimmed = world_first_retained(s->peer.world, s->peer.socket) - 1;
        seen = trimmed > seen ? trimmed : seen;
    }
    return truth_next(a->truth, &a->filters, seen);
}

/* Virtual time: nobody is late because the machine was slow, but the run may have stalled fibers,
 * and events that the kernel told late. */
enum { LATE_MS = 1500 };

uint64_t subscriber_moved_ns(const struct subscriber *s, uint64_t since_ns)
{
    const uint64_t refused_ns = s->peer.socket->refused_ns;
    return refused_ns > since_ns ? refused_ns : since_ns;
}

void subscriber_check_late(const struct subscriber *s, uint64_t since_ns, uint32_t ms,
                           const char *what)
{
    const uint64_t now_ns = s->peer.kernel->now_ns;
    const uint64_t passed_ms = now_ns > since_ns ? (now_ns - since_ns) / 1000000 : 0;
    SIM_CHECK("late", passed_ms <= (uint64_t)ms + LATE_MS, "%s: %s for %lu ms", s->peer.name, what,
              (unsigned long)passed_ms);
}

/* --- ends ------------------------------------------------------------------------------------- */

bool subscriber_may_finish(const struct subscriber *s)
{
    const struct truth *t = &s->peer.world->truth;
    if (!filters_are_one_topic(&s->audit.filters))
        return false;
    for (uint64_t seq = 1; seq <= t->head; seq++)
        if (t->entries[seq].is_end && strcmp(t->entries[seq].topic, s->audit.filters.names[0]) == 0)
            return true;
    return false;
}

bool subscriber_was_too_slow(const struct subscriber *s)
{
    const uint64_t due = subscriber_next_due(s);
    return s->audit.policy == AUDIT_CLOSE && due != 0 &&
           due < world_first_retained(s->peer.world, s->peer.socket);
}

void subscriber_finished(struct subscriber *s)
{
    const struct truth *t = &s->peer.world->truth;
    trace("%s: finished behind %lu", s->peer.name, (unsigned long)s->audit.seen);
    SIM_CHECK("protocol", subscriber_may_finish(s), "%s: finished, but its topic is not",
              s->peer.name);
    SIM_CHECK("gap", !s->awaits_gap, "%s: finished before the gap that is due", s->peer.name);
    s->is_finished = true;
    /* Without a word about its place: then nothing was left to be given from where it asked. */
    if (!s->is_open && s->from != FROM_SEEN) {
        check_start(s, t->head);
        return;
    }
    const uint64_t next = subscriber_next_due(s);
    SIM_CHECK("lost", next == 0 || t->entries[next].is_end, "%s: finished before it had %lu",
              s->peer.name, (unsigned long)next);
}

void subscriber_refused(struct subscriber *s, struct bytes error)
{
    /* Of bodies and answers that nobody takes: any run may use all of --body-memory. */
    const bool is_memory = (s->is_posted || s->transport == &transport_poll) &&
                           (bytes_equal(error, BYTES_LITERAL("memory")) ||
                            bytes_equal(error, BYTES_LITERAL("no_memory")));
    trace("%s: refused, %.*s", s->peer.name, (int)error.len, (const char *)error.at);
    SIM_CHECK("protocol", is_memory || world_may_refuse(s->peer.world),
              "%s: refused without need (%.*s)", s->peer.name, (int)error.len,
              (const char *)error.at);
    s->is_refused = true;
}

void subscriber_read_refusal(struct subscriber *s)
{
    const struct response *r = &s->response;
    SIM_CHECK("protocol", r->status == 503, "%s: answered by %u: %.*s", s->peer.name, r->status,
              (int)buffer_len(&r->body), (const char *)buffer_bytes(&r->body).at);
    json_t *body = json_client_parse(buffer_bytes(&r->body), s->peer.name);
    subscriber_refused(s, json_client_string(json_object_get(body, "error"), s->peer.name));
    json_decref(body);
}
