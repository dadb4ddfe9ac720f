/* What a set's subscriber has lost, and where the newest so many messages begin. */
#include "topic/subscriptions.h"

#include "unit/topic/rig.h"

#include <stdio.h>

static struct rig r;

static void setup(void)
{
    rig_init(&r, 64);
}

static void teardown(void)
{
    subscriptions_fini(&r.s);
}

TestSuite(place, .init = setup, .fini = teardown);

static void publish_all(const char *topics)
{
    for (; *topics; topics++)
        rig_publish(&r, (char[]){*topics, 0});
}

Test(place, a_set_of_topics_has_lost_what_was_trimmed_of_them)
{
    struct set *s = rig_set(&r, "a b");
    publish_all("abxxab");
    rig_trim(&r, 5);
    cr_assert(eq(u64, rig_lost_seq(&r, s), 2));
    rig_trim(&r, 6);
    cr_assert(eq(u64, rig_lost_seq(&r, s), 5));
}

Test(place, a_new_pattern_has_lost_only_what_it_would_have_matched)
{
    rig_publish(&r, "m.a");
    rig_publish(&r, "n.a");
    rig_publish(&r, "x");
    rig_publish(&r, "n.a");
    rig_trim(&r, 4);
    cr_assert(eq(u64, rig_lost_seq(&r, rig_set(&r, "m.*")), 1));
    cr_assert(eq(u64, rig_lost_seq(&r, rig_set(&r, "n.* m.a")), 2));
    cr_assert(eq(u64, rig_lost_seq(&r, rig_set(&r, "y.#")), 0));
    cr_assert(eq(u64, rig_lost_seq(&r, rig_set(&r, "#")), 3));
}

Test(place, a_pattern_may_have_lost_what_was_forgotten)
{
    rig_publish(&r, "m.a");
    r.s.topics.floor_seq = 9;
    cr_assert(eq(u64, rig_lost_seq(&r, rig_set(&r, "m.*")), 9));
    cr_assert(eq(u64, rig_lost_seq(&r, rig_set(&r, "m.a")), 0));
    cr_assert(eq(u64, rig_lost_seq(&r, rig_set(&r, "m.b")), 9));
}

static uint64_t before_last(const char *names, uint32_t count)
{
    struct set *set = rig_set(&r, names);
    return subscriptions_before_last(&r.s, set, count);
}

Test(place, the_newest_messages_begin_after_the_position)
{
    publish_all("abaxbaxx");
    cr_assert(eq(u64, before_last("a", 0), 8));
    cr_assert(eq(u64, before_last("a", 1), 5));
    cr_assert(eq(u64, before_last("a", 2), 2));
    cr_assert(eq(u64, before_last("a", 3), 0));
    cr_assert(eq(u64, before_last("a", 1000), 0));
    cr_assert(eq(u64, before_last("b", 1000), 1));
    cr_assert(eq(u64, before_last("a b", 0), 8));
    cr_assert(eq(u64, before_last("a b", 3), 2));
    cr_assert(eq(u64, before_last("*", 3), 5));
    cr_assert(eq(u64, before_last("nobody", 5), 8));
    cr_assert(eq(u64, before_last("nobody.*", 5), 8));
}

Test(place, an_end_does_not_count_as_a_message)
{
    publish_all("aab");
    rig_finish(&r, "a");
    rig_finish(&r, "c");
    cr_assert(eq(u64, before_last("a", 1), 1));
    cr_assert(eq(u64, before_last("a b", 2), 1));
    cr_assert(eq(u64, before_last("#", 3), 0));
    cr_assert(eq(u64, before_last("c", 1), 5));
}

Test(place, nobody_begins_before_what_is_retained)
{
    publish_all("axaxa");
    rig_trim(&r, 3);
    cr_assert(eq(u64, before_last("a", 100), 2));
    cr_assert(eq(u64, before_last("#", 100), 2));
    rig_trim(&r, 6);
    cr_assert(eq(u64, before_last("a", 100), 5));
    cr_assert(eq(u64, before_last("#", 100), 5));
}

Test(place, the_newest_of_several_topics_are_found_however_far_back_they_lie)
{
    char names[200] = "a b", topic[16];
    subscriptions_fini(&r.s);
    rig_init(&r, 65536);
    for (unsigned i = 0; i < 30; i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), " c%u", i);
    rig_publish(&r, "a");
    rig_publish(&r, "b");
    rig_publish(&r, "a");
    for (unsigned i = 0; i < 60000; i++) {
        snprintf(topic, sizeof(topic), "other%u", i);
        rig_publish(&r, topic);
    }
    cr_assert(eq(u64, before_last(names, 10), 0));
    cr_assert(eq(u64, before_last(names, 2), 1));
    cr_assert(eq(u64, before_last(names, 1), 2));
}
