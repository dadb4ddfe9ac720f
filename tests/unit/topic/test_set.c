/* Members of a set: joining, leaving, and what a pass under way makes of it. */
#include "topic/set.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct topic_table topics;

static struct set *new_set(void)
{
    static const struct siphash_key key = {5, 6};
    topic_table_init(&topics, &key);
    return set_get(topic_get(&topics, BYTES_LITERAL("t")));
}

Test(set, members_keep_dense_places_when_one_leaves)
{
    struct set *s = new_set();
    uint32_t place[3];
    for (uint32_t i = 0; i < 3; i++)
        cr_assert(eq(int, set_join(s, WIRE_WS, 100 + i, &place[i]), 0));
    cr_assert(eq(u32, set_leave(s, WIRE_WS, place[0]), 102));
    cr_assert(eq(u32, s->members[WIRE_WS].conns[0], 102));
    cr_assert(eq(u32, set_count(s), 2));
    set_free(s);
    topic_table_fini(&topics);
}

Test(set, the_last_member_leaves_in_its_own_place)
{
    struct set *s = new_set();
    uint32_t place;
    cr_assert(eq(int, set_join(s, WIRE_SSE_PLAIN, 7, &place), 0));
    cr_assert(eq(u32, set_leave(s, WIRE_SSE_PLAIN, place), 7));
    set_free_if_empty(s, &topics);
    cr_assert(eq(sz, topics.count, 0));
    topic_table_fini(&topics);
}

Test(set, an_empty_set_under_a_pass_is_not_freed)
{
    struct list jobs;
    struct set *s = new_set();
    list_init(&jobs);
    list_push_back(&jobs, &s->job);
    set_free_if_empty(s, &topics);
    cr_assert(eq(sz, topics.count, 1));
    set_free(s);
    topic_table_fini(&topics);
}

Test(set, a_pass_does_not_look_behind_the_last_member)
{
    struct set *s = new_set();
    uint32_t place[2];
    for (uint32_t i = 0; i < 2; i++)
        cr_assert(eq(int, set_join(s, WIRE_WS, i, &place[i]), 0));
    s->wire = WIRE_WS;
    s->place = 2;
    set_leave(s, WIRE_WS, place[0]);
    cr_assert(eq(u32, s->place, 1));
    set_free(s);
    topic_table_fini(&topics);
}
