/* Every message, gap and opening, held against the truth. */
#include "sim/audit.h"

#include "sim/failure.h"

#include <string.h>

enum { EPOCH_DIGITS = 16, SEQ_DIGITS_MAX = 20 };

/* --- cursors ---------------------------------------------------------------------------------- */

static int digit_of(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One spelling per place: no leading zeros, nothing beyond 64 bits. */
static bool parse_seq(struct bytes digits, uint64_t *seq)
{
    if (digits.len > 1 && digits.at[0] == '0')
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        const uint8_t c = digits.at[i];
        if (c < '0' || c > '9' || *seq > (UINT64_MAX - (uint64_t)(c - '0')) / 10)
            return false;
        *seq = *seq * 10 + (uint64_t)(c - '0');
    }
    return true;
}

bool audit_cursor_parse(struct bytes text, uint64_t *epoch, uint64_t *seq)
{
    *epoch = *seq = 0;
    if (!text.at || text.len < EPOCH_DIGITS + 2 || text.len > EPOCH_DIGITS + 1 + SEQ_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < EPOCH_DIGITS; i++) {
        if (digit_of(text.at[i]) < 0)
            return false;
        *epoch = *epoch << 4 | (uint64_t)digit_of(text.at[i]);
    }
    return text.at[EPOCH_DIGITS] == '-' && parse_seq(bytes_skip(text, EPOCH_DIGITS + 1), seq);
}

static uint64_t seq_of(const struct audit *a, struct bytes cursor, const char *invariant)
{
    uint64_t epoch, seq;
    SIM_CHECK(invariant, audit_cursor_parse(cursor, &epoch, &seq) && epoch == a->truth->epoch,
              "%s: %.*s is no cursor of this log", a->who, (int)cursor.len,
              cursor.at ? (const char *)cursor.at : "");
    SIM_CHECK(invariant, seq <= a->truth->head, "%s: the cursor %lu is ahead of the log", a->who,
              (unsigned long)seq);
    return seq;
}

static uint64_t next_due(const struct audit *a)
{
    return truth_next(a->truth, &a->filters, a->seen);
}

/* A cursor that stands for its place: no message of its own lies between, at most the end. */
static bool is_same_place(const struct audit *a, uint64_t seq)
{
    const uint64_t due = next_due(a);
    return seq >= a->seen && (due == 0 || seq < due || a->truth->entries[due].is_end);
}

/* --- openings --------------------------------------------------------------------------------- */

void audit_begin(struct audit *a, uint64_t after)
{
    a->seen = after;
}

void audit_opened(struct audit *a, struct bytes cursor)
{
    const uint64_t seq = seq_of(a, cursor, "order");
    SIM_CHECK("order", is_same_place(a, seq), "%s: opened at %lu, has seen %lu, next is %lu",
              a->who, (unsigned long)seq, (unsigned long)a->seen, (unsigned long)next_due(a));
    a->seen = seq;
}

/* --- messages --------------------------------------------------------------------------------- */

/* A newer message of its topic exists. */
static bool is_superseded(const struct audit *a, uint64_t seq)
{
    const struct truth *t = a->truth;
    for (uint64_t newer = seq + 1; newer <= t->head; newer++)
        if (!t->entries[newer].is_end && !t->entries[newer].is_void &&
            strcmp(t->entries[newer].topic, t->entries[seq].topic) == 0)
            return true;
    return false;
}

/* All of its own in (seen, until] were superseded, or trimmed. */
static bool may_skip(const struct audit *a, uint64_t until)
{
    for (uint64_t seq = a->seen; (seq = truth_next(a->truth, &a->filters, seq)) != 0;) {
        if (seq > until)
            return true;
        if (seq >= a->first_retained && !(a->policy == AUDIT_LATEST && is_superseded(a, seq)))
            return false;
    }
    return true;
}

void audit_message(struct audit *a, struct bytes id, struct bytes topic, struct bytes payload)
{
    const uint32_t number = a->by_sse ? truth_number_by_sse(a->truth, payload, a->who)
                                      : truth_number_of(a->truth, payload, a->who);
    const struct publish *p = &a->truth->publishes[number];
    const bool silently = a->policy == AUDIT_LATEST && a->is_raw_ws && p->seq > a->seen &&
                          filters_match(&a->filters, p->topic) && may_skip(a, p->seq - 1);
    SIM_CHECK("order", p->seq != 0 && (p->seq == next_due(a) || silently),
              "%s: was given publish %u, which is at %lu; %lu was due, behind %lu", a->who, number,
              (unsigned long)p->seq, (unsigned long)next_due(a), (unsigned long)a->seen);
    SIM_CHECK("order", !id.at || seq_of(a, id, "order") == p->seq, "%s: the id of %lu is %.*s",
              a->who, (unsigned long)p->seq, (int)id.len, (const char *)id.at);
    SIM_CHECK("payload", !topic.at || bytes_equal(topic, bytes_from(p->topic)),
              "%s: the topic of %lu is %.*s", a->who, (unsigned long)p->seq, (int)topic.len,
              (const char *)topic.at);
    a->seen = p->seq;
}

/* --- gaps ------------------------------------------------------------------------------------- */

/* Whoever is slow under `close` is closed, and told when it comes back that it is trimmed. A raw
 * WebSocket has no place for a reason. */
static bool may_be_reason(const struct audit *a, struct bytes reason)
{
    return !reason.at || bytes_equal(reason, BYTES_LITERAL("trimmed")) ||
           (a->policy != AUDIT_CLOSE && bytes_equal(reason, BYTES_LITERAL("slow")));
}

/* What is lost for want of memory is nobody's in particular: any pattern may have matched it. */
static bool may_lack_memory(const struct audit *a, uint64_t after)
{
    return after < a->refused_seq;
}

void audit_gap(struct audit *a, struct bytes from, struct bytes to, struct bytes reason)
{
    const uint64_t after = seq_of(a, from, "gap"), resumed = seq_of(a, to, "gap");
    const uint64_t due = next_due(a);
    SIM_CHECK("gap", is_same_place(a, after), "%s: a gap behind %lu, it has seen %lu, next is %lu",
              a->who, (unsigned long)after, (unsigned long)a->seen, (unsigned long)due);
    SIM_CHECK("gap", may_lack_memory(a, after) || (due != 0 && due <= resumed),
              "%s: a gap to %lu in which nothing was missed", a->who, (unsigned long)resumed);
    SIM_CHECK("gap", may_skip(a, resumed), "%s: a gap to %lu, but %lu and on is retained", a->who,
              (unsigned long)resumed, (unsigned long)a->first_retained);
    SIM_CHECK("gap", may_be_reason(a, reason), "%s: the reason is %.*s", a->who, (int)reason.len,
              (const char *)reason.at);
    a->seen = resumed;
}
