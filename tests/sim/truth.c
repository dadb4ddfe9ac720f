/* The ledger of publishes, and the order as the log gave it out. */
#include "sim/truth.h"

#include "base/assert.h"
#include "log/log.h"
#include "sim/failure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct truth *present; /* log_order() has no user */

void truth_init(struct truth *t, const uint64_t *now_ns)
{
    *t = (struct truth){.now_ns = now_ns};
    present = t;
}

struct truth *truth_present(void)
{
    ASSERT(present);
    return present;
}

void truth_fini(struct truth *t)
{
    free(t->publishes);
    free(t->entries);
    present = NULL;
}

void truth_set_epoch(struct truth *t, uint64_t epoch)
{
    t->epoch = epoch;
}

void truth_set_history(struct truth *t, uint64_t count, uint64_t bytes)
{
    t->history_count = count;
    t->history_bytes = bytes;
}

void truth_set_inbox(struct truth *t, uint64_t capacity)
{
    t->inbox_capacity = capacity;
}

/* --- publishes -------------------------------------------------------------------------------- */

uint32_t truth_new_publish(struct truth *t, const char *topic, uint32_t len, bool is_binary)
{
    if (t->publish_count == t->publish_capacity) {
        t->publish_capacity = t->publish_capacity * 2 + 64;
        t->publishes = realloc(t->publishes, t->publish_capacity * sizeof(*t->publishes));
        ASSERT(t->publishes);
    }
    struct publish *p = &t->publishes[t->publish_count];
    ASSERT(len >= TRUTH_PAYLOAD_MIN && strlen(topic) < TRUTH_TOPIC_MAX);
    *p = (struct publish){.number = t->publish_count, .len = len, .is_binary = is_binary};
    strcpy(p->topic, topic);
    return t->publish_count++;
}

/* What is hard to quote, to cut, or to tell from a field of an event. Of eight bytes each. */
enum { PIECES = 8, PIECE_LEN = 8 };
static const char pieces[PIECES][PIECE_LEN + 1] = {
    "abc\n\"\\\n\n",        "\x01\t\xe2\x82\xac\r\n}", "data: 1\n",         "\rid: x\r\n",
    "\xf0\x9d\x84\x9e</b>", "\n\r\r\n: \n\r",          "\xc3\xa9\"}\r\\u0", "\\\"\x1f\b\f\n\t\r",
};

/* Whole pieces only, so that text stays UTF-8; which ones depends on number and place: a piece of
 * another publish, or one that moved, is noticed. */
static void fill_text(uint8_t *at, uint32_t len, uint32_t number)
{
    uint32_t mix = number * 2654435761u;
    for (; len >= PIECE_LEN; at += PIECE_LEN, len -= PIECE_LEN) {
        mix = mix * 1664525u + 1013904223u;
        memcpy(at, pieces[mix >> 29], PIECE_LEN);
    }
    memset(at, 'a' + (int)(number % 26), len);
}

void truth_payload(const struct publish *p, uint8_t *out)
{
    char head[16];
    const uint32_t head_len = (uint32_t)snprintf(head, sizeof(head), "%u:", p->number);
    ASSERT(head_len <= p->len);
    memcpy(out, head, head_len);
    if (!p->is_binary)
        fill_text(out + head_len, p->len - head_len, p->number);
    for (uint32_t i = head_len; p->is_binary && i < p->len; i++)
        out[i] = (uint8_t)(0x80 ^ (i * 7 + p->number));
}

/* As the data of an event comes out. Returns the length. */
static uint32_t join_lines(uint8_t *at, uint32_t len)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < len; i++) {
        const bool ends_a_cr = at[i] == '\n' && i > 0 && at[i - 1] == '\r';
        if (!ends_a_cr)
            at[kept++] = at[i];
    }
    for (uint32_t i = 0; i < kept; i++)
        at[i] = at[i] == '\r' ? '\n' : at[i];
    return kept;
}

bool truth_is_payload(const struct truth *t, uint32_t number, struct bytes got, bool by_sse)
{
    const struct publish *p = &t->publishes[number];
    uint8_t *due = malloc(p->len);
    ASSERT(due);
    truth_payload(p, due);
    const uint32_t len = by_sse && !p->is_binary ? join_lines(due, p->len) : p->len;
    const bool is_it = got.len == len && memcmp(due, got.at, len) == 0;
    free(due);
    return is_it;
}

static uint32_t number_of(const struct truth *t, struct bytes payload, const char *who, bool by_sse)
{
    uint64_t number = 0;
    size_t i = 0;
    while (i < payload.len && i < 9 && payload.at[i] >= '0' && payload.at[i] <= '9')
        number = number * 10 + (uint64_t)(payload.at[i++] - '0');
    SIM_CHECK("payload", i > 0 && i < payload.len && number < t->publish_count,
              "%s: %zu bytes that nobody published", who, payload.len);
    SIM_CHECK("payload", truth_is_payload(t, (uint32_t)number, payload, by_sse),
              "%s: publish %u has %u bytes, and came as %zu others", who, (uint32_t)number,
              t->publishes[number].len, payload.len);
    return (uint32_t)number;
}

uint32_t truth_number_of(const struct truth *t, struct bytes payload, const char *who)
{
    return number_of(t, payload, who, false);
}

uint32_t truth_number_by_sse(const struct truth *t, struct bytes payload, const char *who)
{
    return number_of(t, payload, who, true);
}

void truth_accepted(struct truth *t, uint32_t number, uint64_t epoch, uint64_t seq)
{
    struct publish *p = &t->publishes[number];
    SIM_CHECK("accepted", p->state != PUBLISH_REFUSED, "publish %u: accepted, and refused before",
              number);
    SIM_CHECK("accepted", epoch == t->epoch, "publish %u: told another epoch", number);
    SIM_CHECK("accepted", seq != 0 && p->seq == seq, "publish %u: told %lu, is at %lu", number,
              (unsigned long)seq, (unsigned long)p->seq);
    p->state = PUBLISH_ACCEPTED;
    p->told_seq = seq;
}

void truth_taken(struct truth *t, uint32_t number)
{
    struct publish *p = &t->publishes[number];
    SIM_CHECK("accepted", p->state != PUBLISH_REFUSED, "publish %u: taken, and refused before",
              number);
    p->state = PUBLISH_ACCEPTED;
}

void truth_refused(struct truth *t, uint32_t number)
{
    struct publish *p = &t->publishes[number];
    SIM_CHECK("refused", p->state != PUBLISH_ACCEPTED, "publish %u: refused, and accepted before",
              number);
    SIM_CHECK("refused", p->seq == 0, "publish %u was refused, and is in the log at %lu", number,
              (unsigned long)p->seq);
    p->state = PUBLISH_REFUSED;
}

static bool is_finished(const struct truth *t, const char *topic, uint64_t before)
{
    for (uint64_t seq = 1; t->end_count > 0 && seq < before; seq++)
        if (t->entries[seq].is_end && strcmp(t->entries[seq].topic, topic) == 0)
            return true;
    return false;
}

uint64_t truth_newest_told(const struct truth *t)
{
    uint64_t newest = 0;
    for (uint32_t i = 0; i < t->publish_count; i++)
        if (t->publishes[i].told_seq > newest)
            newest = t->publishes[i].told_seq;
    return newest;
}

bool truth_is_complete(const struct truth *t)
{
    for (uint32_t i = 0; i < t->publish_count; i++) {
        const struct publish *p = &t->publishes[i];
        if (p->state == PUBLISH_ACCEPTED && p->seq == 0 && p->void_seq == 0)
            return false;
    }
    return true;
}

/* A thread that publishes to a finished topic is not told so: it is in the log, and void there. */
void truth_judge(const struct truth *t)
{
    for (uint32_t i = 0; i < t->publish_count; i++) {
        const struct publish *p = &t->publishes[i];
        SIM_CHECK("lost", p->state != PUBLISH_ACCEPTED || p->seq != 0 || p->void_seq != 0,
                  "publish %u was accepted, and is not in the log", i);
        SIM_CHECK("refused", p->state != PUBLISH_REFUSED || p->seq == 0,
                  "publish %u was refused, and is in the log at %lu", i, (unsigned long)p->seq);
    }
}

/* --- the order -------------------------------------------------------------------------------- */

/* As much as there is room for, and the newest in any case. Written apart from src/. */
static uint64_t oldest_retained(const struct truth *t)
{
    uint64_t bytes = 0, oldest = t->head;
    for (uint64_t seq = t->head; seq > 0 && t->head - seq < t->history_count; seq--) {
        bytes += t->entries[seq].bytes;
        if (bytes > t->history_bytes)
            break;
        oldest = seq;
    }
    return oldest;
}

uint64_t truth_oldest_since(const struct truth *t, int64_t time_ms)
{
    uint64_t oldest = t->head + 1;
    while (oldest > 1 && t->entries[oldest - 1].time_ms >= time_ms)
        oldest--;
    return oldest;
}

static struct entry *add_entry(struct truth *t, uint64_t seq)
{
    SIM_CHECK("order", seq == t->head + 1, "the log gives out %lu after %lu", (unsigned long)seq,
              (unsigned long)t->head);
    if (seq >= t->entry_capacity) {
        t->entry_capacity = t->entry_capacity * 2 + 64;
        t->entries = realloc(t->entries, t->entry_capacity * sizeof(*t->entries));
        ASSERT(t->entries);
    }
    t->head = seq;
    t->entries[seq] = (struct entry){.ordered_ns = *t->now_ns};
    return &t->entries[seq];
}

static void record_publish(struct truth *t, struct entry *e, const struct message *m)
{
    e->number = truth_number_of(t, message_payload(m), "the log");
    struct publish *p = &t->publishes[e->number];
    SIM_CHECK("limits", p->len <= t->payload_max, "publish %u of %u bytes is in the log", e->number,
              p->len);
    SIM_CHECK("payload", strcmp(p->topic, e->topic) == 0, "publish %u: its topic is %s", e->number,
              e->topic);
    const uint64_t before = p->seq != 0 ? p->seq : p->void_seq;
    SIM_CHECK("twice", before == 0, "publish %u is in the log at %lu and %lu", e->number,
              (unsigned long)before, (unsigned long)t->head);
    SIM_CHECK("refused", p->state != PUBLISH_REFUSED, "publish %u was refused, and is in the log",
              e->number);
    *(e->is_void ? &p->void_seq : &p->seq) = t->head;
}

static void record(struct truth *t, const struct message *m, uint64_t seq, int64_t time_ms)
{
    struct entry *e = add_entry(t, seq);
    const struct bytes topic = message_topic(m);
    ASSERT(topic.len < TRUTH_TOPIC_MAX);
    memcpy(e->topic, topic.at, topic.len);
    e->time_ms = time_ms;
    e->bytes = message_payload(m).len + MESSAGE_OVERHEAD;
    e->oldest = oldest_retained(t);
    e->is_void = is_finished(t, e->topic, seq);
    e->is_end = m->kind == MESSAGE_END && !e->is_void;
    t->end_count += e->is_end;
    if (m->kind != MESSAGE_END)
        record_publish(t, e, m);
}

void __real_log_order(struct log *l, struct message *chain, uint64_t first_seq, int64_t time_ms);
void __wrap_log_order(struct log *l, struct message *chain, uint64_t first_seq, int64_t time_ms);

void __wrap_log_order(struct log *l, struct message *chain, uint64_t first_seq, int64_t time_ms)
{
    ASSERT(present);
    uint64_t seq = first_seq;
    for (const struct message *m = chain; m; m = m->next_in_entry)
        record(present, m, seq++, time_ms);
    present->ordered_count++;
    __real_log_order(l, chain, first_seq, time_ms);
}

/* --- what a subscription may see -------------------------------------------------------------- */

static bool name_matches(const char *filter, const char *topic)
{
    for (;;) {
        const size_t wanted = strcspn(filter, "."), level = strcspn(topic, ".");
        if (wanted == 1 && *filter == '#')
            return true;
        if (!(wanted == 1 && *filter == '*') &&
            !(wanted == level && memcmp(filter, topic, level) == 0))
            return false;
        filter += wanted;
        topic += level;
        if (*filter == '\0' || *topic == '\0')
            return *topic == '\0' && (*filter == '\0' || strcmp(filter, ".#") == 0);
        filter++;
        topic++;
    }
}

bool filters_match(const struct filters *f, const char *topic)
{
    for (unsigned i = 0; i < f->count; i++)
        if (name_matches(f->names[i], topic))
            return true;
    return false;
}

bool filters_are_one_topic(const struct filters *f)
{
    for (unsigned i = 1; i < f->count; i++)
        if (strcmp(f->names[i], f->names[0]) != 0)
            return false;
    return !strpbrk(f->names[0], "*#");
}

static bool is_for(const struct truth *t, const struct filters *f, uint64_t seq)
{
    const struct entry *e = &t->entries[seq];
    if (e->is_void || !filters_match(f, e->topic))
        return false;
    return !e->is_end || filters_are_one_topic(f);
}

uint64_t truth_next(const struct truth *t, const struct filters *f, uint64_t after)
{
    for (uint64_t seq = after + 1; seq <= t->head; seq++)
        if (is_for(t, f, seq))
            return seq;
    return 0;
}

unsigned truth_count(const struct truth *t, const struct filters *f, uint64_t after, uint64_t until)
{
    unsigned count = 0;
    for (uint64_t seq = truth_next(t, f, after); seq != 0 && seq <= until;
         seq = truth_next(t, f, seq))
        count += !t->entries[seq].is_end;
    return count;
}

uint64_t truth_last(const struct truth *t, const struct filters *f, uint64_t until)
{
    for (uint64_t seq = until < t->head ? until : t->head; seq > 0; seq--)
        if (is_for(t, f, seq))
            return seq;
    return 0;
}
