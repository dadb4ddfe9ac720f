/* The whole layer against a naive model: a list of all messages, and pattern_matches(). Random
 * publishes, ends, trims and sets that come and go; what walks and lost places say must be what the
 * list says. */
#include "topic/subscriptions.h"

#include "unit/topic/rig.h"

#include <stdlib.h>

enum { SETS = 24, NAMES_MAX = 12, MESSAGES_MAX = 2000, TOPICS = 15, RETAINED_MAX = 200 };

static const char *const topics[TOPICS] = {"a",     "b",     "c",     "a.b",   "a.c",
                                           "b.a",   "b.b",   "c.c",   "a.b.c", "a.b.a",
                                           "c.c.c", "b.b.b", "a.a.a", "d",     "e"};
static const char *const patterns[] = {"#",   "*",   "a.*", "*.b",   "a.#",   "*.*",   "b.*.b",
                                       "*.#", "d.#", "e.*", "c.c.#", "a.*.#", "*.b.*", "*.*.c"};
enum { PATTERNS = sizeof(patterns) / sizeof(patterns[0]) };

struct model_set {
    struct set *set; /* NULL: none at this place */
    unsigned name_count;
    const char *names[NAMES_MAX];
};

static struct rig r;
static struct list passes; /* of sets that a fan-out is under way for */
static struct model_set sets[SETS];
/* By sequence: which topic; and whether it was its end, or came after it. */
static struct {
    unsigned topic;
    bool is_end, is_refused;
} log_[MESSAGES_MAX];
static bool is_finished[TOPICS];

static unsigned below(unsigned count)
{
    return (unsigned)rand() % count;
}

/* --- the model -------------------------------------------------------------------------------- */

static bool has_pattern(const struct model_set *m)
{
    for (unsigned i = 0; i < m->name_count; i++)
        if (pattern_is(bytes_from(m->names[i])))
            return true;
    return false;
}

static bool is_only(const struct model_set *m)
{
    for (unsigned i = 1; i < m->name_count; i++)
        if (strcmp(m->names[i], m->names[0]) != 0)
            return false;
    return !has_pattern(m);
}

static bool is_own(const struct model_set *m, uint64_t seq)
{
    if (log_[seq].is_refused || (log_[seq].is_end && !is_only(m)))
        return false;
    const struct bytes topic = bytes_from(topics[log_[seq].topic]);
    for (unsigned i = 0; i < m->name_count; i++)
        if (pattern_matches(bytes_from(m->names[i]), topic))
            return true;
    return false;
}

/* Its newest at or before seq, without ends; 0: none. */
static uint64_t newest_until(const struct model_set *m, uint64_t seq)
{
    while (seq > 0 && (log_[seq].is_end || !is_own(m, seq)))
        seq--;
    return seq;
}

/* --- what happens ----------------------------------------------------------------------------- */

static uint64_t head(void)
{
    return r.s.history.next_seq - 1;
}

static void publish(void)
{
    /* Some topics are chatty, some quiet; few ever end. */
    const unsigned topic = below(3) ? below(4) : below(TOPICS);
    const bool is_end = topic > 4 && below(40) == 0;
    const uint64_t seq = r.s.history.next_seq;
    log_[seq].topic = topic;
    log_[seq].is_end = is_end;
    log_[seq].is_refused = is_finished[topic];
    r.oldest = seq > RETAINED_MAX ? seq - RETAINED_MAX + 1 : 1;
    const bool taken = rig_append(&r, topics[topic], is_end ? MESSAGE_END : MESSAGE_TEXT);
    cr_assert(eq(int, taken, !is_finished[topic]));
    is_finished[topic] = is_finished[topic] || is_end;
    for (unsigned i = 0; i < SETS; i++)
        if (sets[i].set)
            cr_assert(eq(int, rig_was_for(&r, sets[i].set), is_own(&sets[i], seq)), "%lu",
                      (unsigned long)seq);
}

static void make_set(struct model_set *m)
{
    struct bytes names[NAMES_MAX];
    const unsigned kind = below(4); /* one topic, several, one pattern, anything */
    m->name_count = kind == 0 || kind == 2 ? 1 : 1 + below(NAMES_MAX);
    for (unsigned i = 0; i < m->name_count; i++) {
        const bool pattern = kind == 2 || (kind == 3 && below(2));
        m->names[i] = pattern ? patterns[below(PATTERNS)] : topics[below(TOPICS)];
        names[i] = bytes_from(m->names[i]);
    }
    m->set = subscriptions_get(&r.s, names, m->name_count);
}

static bool is_alone(const struct model_set *m)
{
    for (unsigned i = 0; i < SETS; i++)
        if (&sets[i] != m && sets[i].set == m->set)
            return false;
    return true;
}

static void change_set(void)
{
    struct model_set *m = &sets[below(SETS)];
    if (m->set && is_alone(m)) {
        list_remove(&m->set->job);
        subscriptions_release(&r.s, m->set);
    }
    m->set = NULL;
    if (below(4))
        make_set(m);
}

static void change_pass(void)
{
    struct set *set = sets[below(SETS)].set;
    if (!set)
        return;
    if (list_is_empty(&set->job))
        list_push_back(&passes, &set->job);
    else
        list_remove(&set->job);
}

/* --- what must hold --------------------------------------------------------------------------- */

static void check_walk(const struct model_set *m, uint64_t position)
{
    struct set_walk w;
    const uint64_t oldest = r.s.history.first_seq;
    uint64_t expected = position < oldest ? oldest : position + 1;
    set_walk_begin(&w, &r.s.history, m->set, position);
    const uint64_t before = w.before_seq;
    cr_assert(le(u64, before, position));
    uint64_t first = 0;
    for (uint64_t seq;; expected = seq + 1) {
        seq = set_walk_next(&w);
        while (expected <= head() && !is_own(m, expected))
            expected++;
        cr_assert(eq(u64, seq, expected <= head() ? expected : 0), "from %lu of %u names",
                  (unsigned long)position, m->name_count);
        if (seq == 0)
            break;
        first = first ? first : seq;
    }
    cr_assert(ge(u64, w.seen_seq, m->set->last_seq));
    for (uint64_t seq = before + 1; seq < first; seq++)
        cr_assert(seq < oldest || !is_own(m, seq), "between %lu and %lu", (unsigned long)before,
                  (unsigned long)first);
}

static void check_places(const struct model_set *m)
{
    const struct history *h = &r.s.history;
    const uint64_t lost = newest_until(m, h->first_seq - 1);
    cr_assert(eq(u64, rig_lost_seq(&r, m->set), is_only(m) ? m->set->trimmed_seq : lost));
    /* A set's own view: exact for what came since, careful for what was before. */
    cr_assert(ge(u64, m->set->trimmed_seq, lost));
    cr_assert(lt(u64, m->set->trimmed_seq, h->first_seq));
    cr_assert(has_pattern(m) || is_only(m) || m->set->trimmed_seq == lost);
    cr_assert(ge(u64, m->set->last_seq, m->set->trimmed_seq));
    for (uint64_t seq = m->set->last_seq + 1; seq <= head(); seq++)
        cr_assert(seq < h->first_seq || !is_own(m, seq));

    const uint32_t count = 1 + below(9);
    uint64_t before = subscriptions_before_last(&r.s, m->set, count);
    uint32_t counted = 0;
    for (uint64_t seq = before + 1; seq <= head(); seq++)
        counted += is_own(m, seq) && !log_[seq].is_end;
    const uint64_t further = newest_until(m, before);
    cr_assert(le(u32, counted, count));
    cr_assert(counted == count || further < h->first_seq);
    cr_assert(ge(u64, before, h->first_seq - 1));
}

static void check_all(void)
{
    for (unsigned i = 0; i < SETS; i++) {
        if (!sets[i].set)
            continue;
        check_walk(&sets[i], head() - below((unsigned)head() + 1) % (RETAINED_MAX + 20));
        if (below(8) == 0)
            check_places(&sets[i]);
    }
}

static void run(unsigned seed)
{
    srand(seed);
    rig_init(&r, 256);
    list_init(&passes);
    while (r.s.history.next_seq < MESSAGES_MAX) {
        publish();
        if (below(6) == 0)
            change_set();
        if (below(4) == 0)
            change_pass();
        if (below(60) == 0)
            history_trim(&r.s.history, r.s.history.first_seq + below(RETAINED_MAX + 20));
        if (below(3) == 0)
            check_all();
    }
    subscriptions_fini(&r.s);
}

Test(model, agrees_with_the_layer_on_seed_1)
{
    run(1);
}

Test(model, agrees_with_the_layer_on_seed_2)
{
    run(2);
}

Test(model, agrees_with_the_layer_on_seed_3)
{
    run(3);
}
