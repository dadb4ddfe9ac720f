/* Walking a set's messages: nothing left out, nothing twice, in order, whatever way is taken to
 * them; and it says how far it has come. */
#include "topic/subscriptions.h"

#include "unit/topic/rig.h"

#include <stdio.h>

enum { HISTORY = 32768 };

static struct rig r;

static void setup(void)
{
    rig_init(&r, HISTORY);
}

static void teardown(void)
{
    subscriptions_fini(&r.s);
}

TestSuite(walk, .init = setup, .fini = teardown);

static void publish_all(const char *topics)
{
    for (; *topics; topics++)
        rig_publish(&r, (char[]){*topics, 0});
}

/* All that comes, each sequence as its last two digits. */
static const char *walked(struct set_walk *w, const struct set *set, uint64_t position)
{
    static char text[256];
    size_t len = 0;
    text[0] = 0;
    set_walk_begin(w, &r.s.history, set, position);
    for (uint64_t seq; (seq = set_walk_next(w)) != 0;) {
        cr_assert(eq(u64, w->seen_seq, seq));
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u", len ? " " : "",
                                (unsigned)(seq % 100));
    }
    cr_assert(eq(u64, set_walk_next(w), 0));
    return text;
}

#define CHECK_WALK(set, position, expected)                                                        \
    do {                                                                                           \
        struct set_walk walk_;                                                                     \
        cr_assert(eq(str, (char *)walked(&walk_, set, position), expected));                       \
        cr_assert(ge(u64, walk_.seen_seq, (set)->last_seq));                                       \
    } while (0)

Test(walk, a_topic_goes_along_its_own_messages)
{
    struct set *s = rig_set(&r, "a");
    publish_all("axxaxaax");
    CHECK_WALK(s, 0, "1 4 6 7");
    CHECK_WALK(s, 1, "4 6 7");
    CHECK_WALK(s, 2, "4 6 7");
    CHECK_WALK(s, 6, "7");
    CHECK_WALK(s, 7, "");
    CHECK_WALK(s, 8, "");
}

Test(walk, several_topics_come_in_log_order)
{
    struct set *s = rig_set(&r, "a b c");
    publish_all("cxbxaxxxxxxxxxxabxcxxxxx");
    struct set_walk w;
    set_walk_begin(&w, &r.s.history, s, 0);
    cr_assert(not(w.scans));
    CHECK_WALK(s, 0, "1 3 5 16 17 19");
    CHECK_WALK(s, 1, "3 5 16 17 19");
    CHECK_WALK(s, 4, "5 16 17 19");
    CHECK_WALK(s, 18, "19");
}

Test(walk, a_short_way_is_scanned_to_the_same_end)
{
    struct set *s = rig_set(&r, "a b c d e f");
    publish_all("xaxxbxc");
    struct set_walk w;
    set_walk_begin(&w, &r.s.history, s, 2);
    cr_assert(w.scans);
    CHECK_WALK(s, 1, "2 5 7");
    CHECK_WALK(s, 2, "5 7");
    CHECK_WALK(s, 5, "7");
    CHECK_WALK(s, 7, "");
}

Test(walk, patterns_get_what_they_match)
{
    struct set *s = rig_set(&r, "m.* a");
    rig_publish(&r, "m.x");
    rig_publish(&r, "n.x");
    rig_publish(&r, "a");
    rig_publish(&r, "m");
    rig_publish(&r, "m.y");
    rig_publish(&r, "m.x.y");
    CHECK_WALK(s, 0, "1 3 5");
    CHECK_WALK(s, 3, "5");
}

Test(walk, a_new_pattern_gets_what_came_before_it)
{
    rig_publish(&r, "m.x");
    rig_publish(&r, "n.x");
    CHECK_WALK(rig_set(&r, "m.*"), 0, "1");
    CHECK_WALK(rig_set(&r, "n.#"), 0, "2");
}

Test(walk, begins_at_what_is_retained)
{
    struct set *a = rig_set(&r, "a"), *both = rig_set(&r, "a b"), *all = rig_set(&r, "#");
    publish_all("abababababxx");
    rig_trim(&r, 6);
    CHECK_WALK(a, 0, "7 9");
    CHECK_WALK(both, 0, "6 7 8 9 10");
    CHECK_WALK(all, 0, "6 7 8 9 10 11 12");
    rig_trim(&r, 13);
    CHECK_WALK(a, 0, "");
    CHECK_WALK(both, 0, "");
    CHECK_WALK(all, 0, "");
}

Test(walk, the_end_of_a_topic_comes_to_its_own_set_alone)
{
    struct set *a = rig_set(&r, "a"), *both = rig_set(&r, "a b"), *all = rig_set(&r, "#");
    publish_all("axxxxb");
    rig_finish(&r, "a");
    publish_all("xb");
    CHECK_WALK(a, 0, "1 7");
    CHECK_WALK(both, 0, "1 6 9");
    CHECK_WALK(both, 6, "9");
    CHECK_WALK(all, 0, "1 2 3 4 5 6 8 9");
}

Test(walk, who_was_refused_after_the_end_is_not_there)
{
    struct set *a = rig_set(&r, "a"), *all = rig_set(&r, "#");
    rig_finish(&r, "a");
    cr_assert(not(rig_append(&r, "a", MESSAGE_TEXT)));
    rig_publish(&r, "b");
    CHECK_WALK(a, 0, "1");
    CHECK_WALK(all, 0, "3");
}

/* --- what is alike ---------------------------------------------------------------------------- */

static uint64_t before_seq(const struct set *s, uint64_t position)
{
    struct set_walk w;
    set_walk_begin(&w, &r.s.history, s, position);
    return w.before_seq;
}

Test(walk, of_a_topic_begins_alike_from_its_older_neighbour_on)
{
    struct set *s = rig_set(&r, "a");
    publish_all("xaxaxxaxa");
    cr_assert(eq(u64, before_seq(s, 6), 4));
    cr_assert(eq(u64, before_seq(s, 4), 4));
    cr_assert(eq(u64, before_seq(s, 3), 2));
    s->quiet_from = s->quiet_to = 0;
    cr_assert(eq(u64, before_seq(s, 8), 7));
    rig_trim(&r, 3);
    cr_assert(eq(u64, before_seq(s, 3), 2), "what was trimmed is its neighbour");
    cr_assert(eq(u64, before_seq(s, 1), 1));
}

Test(walk, begins_alike_for_all_who_stand_where_the_set_was_quiet)
{
    struct set *s = rig_set(&r, "a.* b"), *several = rig_set(&r, "b c");
    rig_publish(&r, "b");
    for (int i = 0; i < 300; i++)
        rig_publish(&r, "x");
    rig_publish(&r, "b"); /* 302 */
    for (uint64_t position = 1; position < 302; position += 50) {
        struct set_walk w;
        set_walk_begin(&w, &r.s.history, s, position);
        cr_assert(eq(u64, w.before_seq, 1));
        cr_assert(eq(u64, set_walk_next(&w), 302));
        cr_assert(ge(u32, w.cost_left, WALK_COST_MAX - 10), "the quiet ones are not looked at");
        cr_assert(eq(u64, before_seq(several, position), 1));
        CHECK_WALK(several, position, "2");
    }
    CHECK_WALK(s, 0, "1 2");
    CHECK_WALK(s, 302, "");
    cr_assert(eq(u64, before_seq(s, 0), 0));
}

Test(walk, a_quiet_place_that_was_trimmed_misleads_nobody)
{
    struct set *s = rig_set(&r, "a.*");
    rig_publish(&r, "a.x");
    rig_publish(&r, "x");
    rig_publish(&r, "a.x");
    rig_publish(&r, "x");
    rig_trim(&r, 4);
    CHECK_WALK(s, 1, "");
    CHECK_WALK(s, 2, "");
}

/* --- a long way ------------------------------------------------------------------------------- */

Test(walk, says_how_far_it_has_come_when_the_way_is_long)
{
    struct set *s = rig_set(&r, "a.*");
    rig_publish(&r, "a.x");
    for (int i = 0; i < WALK_COST_MAX + 9; i++)
        rig_publish(&r, "x");
    const uint64_t last = rig_publish(&r, "a.x");
    s->quiet_from = s->quiet_to = 0;
    struct set_walk w;
    set_walk_begin(&w, &r.s.history, s, 0);
    cr_assert(eq(u64, set_walk_next(&w), 1));
    cr_assert(eq(u64, set_walk_next(&w), 0));
    cr_assert(le(u64, w.seen_seq, WALK_COST_MAX));
    cr_assert(ge(u64, w.seen_seq, WALK_COST_MAX - 10));
    cr_assert(lt(u64, w.seen_seq, s->last_seq));
    set_walk_begin(&w, &r.s.history, s, w.seen_seq);
    cr_assert(eq(u64, set_walk_next(&w), last));
    cr_assert(eq(u64, set_walk_next(&w), 0));
    cr_assert(eq(u64, w.seen_seq, last));
}

Test(walk, topics_far_apart_need_no_look_at_what_lies_between)
{
    struct set *s = rig_set(&r, "a b");
    rig_publish(&r, "a");
    for (int i = 0; i < WALK_COST_MAX + 9; i++)
        rig_publish(&r, "x");
    rig_publish(&r, "a");
    rig_publish(&r, "b");
    s->quiet_from = s->quiet_to = 0;
    CHECK_WALK(s, 0, "1 95 96");
    CHECK_WALK(s, 1, "95 96");
}
