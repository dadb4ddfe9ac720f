/* Members of a set: joining, leaving, and what a pass under way makes of it. Its filters: their
 * names and what they say of a topic. */
#include "topic/set.h"

#include "unit/topic/rig.h"

static struct rig r;

static void setup(void)
{
    rig_init(&r, 16);
}

static void teardown(void)
{
    subscriptions_fini(&r.s);
}

TestSuite(set, .init = setup, .fini = teardown);

Test(set, members_keep_dense_places_when_one_leaves)
{
    struct set *s = rig_set(&r, "t");
    uint32_t place[3];
    for (uint32_t i = 0; i < 3; i++)
        cr_assert(eq(int, set_join(s, WIRE_WS, 100 + i, &place[i]), 0));
    cr_assert(eq(u32, set_leave(s, WIRE_WS, place[0]), 102));
    cr_assert(eq(u32, s->members[WIRE_WS].conns[0], 102));
    cr_assert(eq(u32, set_count(s), 2));
}

Test(set, the_last_member_leaves_in_its_own_place)
{
    struct set *s = rig_set(&r, "t");
    uint32_t place;
    cr_assert(eq(int, set_join(s, WIRE_POLL, 7, &place), 0));
    cr_assert(eq(u32, set_leave(s, WIRE_POLL, place), 7));
    cr_assert(eq(u32, set_count(s), 0));
}

Test(set, a_pass_does_not_look_behind_the_last_member)
{
    struct set *s = rig_set(&r, "t");
    uint32_t place[2];
    for (uint32_t i = 0; i < 2; i++)
        cr_assert(eq(int, set_join(s, WIRE_WS, i, &place[i]), 0));
    s->wire = WIRE_WS;
    s->place = 2;
    set_leave(s, WIRE_WS, place[0]);
    cr_assert(eq(u32, s->place, 1));
}

Test(set, nobody_joins_without_memory)
{
    struct set *s = rig_set(&r, "t");
    uint32_t place;
    unsigned allowed = 0;
    alloc_set_gate(rig_gate, &allowed);
    cr_assert(eq(int, set_join(s, WIRE_WS, 1, &place), -ENOMEM));
    alloc_set_gate(NULL, NULL);
    cr_assert(eq(u32, set_count(s), 0));
}

static void check_name(const struct set *s, unsigned i, const char *name)
{
    cr_assert(bytes_equal(set_filter_name(s, i), bytes_from(name)), "filter %u", i);
}

Test(set, knows_the_names_of_its_filters_in_order)
{
    struct set *s = rig_set(&r, "b.* a.b.c # a a.b");
    cr_assert(eq(u16, s->filter_count, 5));
    check_name(s, 0, "#");
    check_name(s, 1, "a");
    check_name(s, 2, "a.b");
    check_name(s, 3, "a.b.c");
    check_name(s, 4, "b.*");
}

Test(set, has_an_only_topic_when_that_is_all_it_has)
{
    cr_assert(eq(ptr, set_only_topic(rig_set(&r, "a")), rig_topic(&r, "a")));
    cr_assert(eq(ptr, set_only_topic(rig_set(&r, "a b")), NULL));
    cr_assert(eq(ptr, set_only_topic(rig_set(&r, "a.*")), NULL));
}

Test(set, matches_what_one_of_its_filters_does)
{
    struct set *s = rig_set(&r, "x b.* a"), *plain = rig_set(&r, "b.c y");
    rig_publish(&r, "b.c");
    rig_publish(&r, "b");
    cr_assert(set_matches(s, rig_topic(&r, "a")));
    cr_assert(set_matches(s, rig_topic(&r, "x")));
    cr_assert(set_matches(s, rig_topic(&r, "b.c")));
    cr_assert(not(set_matches(s, rig_topic(&r, "b"))));
    cr_assert(not(set_matches(s, rig_topic(&r, "y"))));
    cr_assert(set_matches(plain, rig_topic(&r, "b.c")));
    cr_assert(not(set_matches(plain, rig_topic(&r, "a"))));
    /* Asked in turn: an answer that was remembered for the other set must not be taken. */
    for (int i = 0; i < 3; i++) {
        cr_assert(set_matches(s, rig_topic(&r, "a")));
        cr_assert(not(set_matches(plain, rig_topic(&r, "a"))));
    }
}

Test(set, an_answer_remembered_for_a_set_that_is_gone_is_nobodys)
{
    struct set *first = rig_set(&r, "a.*");
    rig_publish(&r, "a.b");
    cr_assert(set_matches(first, rig_topic(&r, "a.b")));
    subscriptions_release(&r.s, first);
    cr_assert(not(set_matches(rig_set(&r, "b.*"), rig_topic(&r, "a.b"))));
}
