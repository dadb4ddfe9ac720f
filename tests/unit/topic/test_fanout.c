/* Fan-out jobs: everybody is offered everything once, in slices, whoever joins, leaves or publishes
 * meanwhile. The members here are plain numbers with a position. */
#include "topic/fanout.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

enum { MEMBERS_MAX = 20000 };

static struct topic_table topics;
static struct history history;
static struct fanout fanout;
static uint64_t position[MEMBERS_MAX];
static uint32_t offers[MEMBERS_MAX], offered_in_run[MEMBERS_MAX], run_number, settles;

static uint64_t offer(void *user, struct set *set, enum wire wire, uint32_t conn)
{
    (void)user;
    (void)wire;
    if (position[conn] >= set->topic->last_seq)
        return UINT64_MAX;
    cr_assert(ne(u32, offered_in_run[conn], run_number), "twice between two reaps");
    offered_in_run[conn] = run_number;
    offers[conn]++;
    position[conn] = set->topic->last_seq;
    return position[conn];
}

static void settle(void *user)
{
    (void)user;
    settles++;
}

static struct set *setup(uint32_t members)
{
    static const struct siphash_key key = {7, 8};
    topic_table_init(&topics, &key);
    cr_assert(eq(int, history_init(&history, 1024, &topics), 0));
    fanout_init(&fanout);
    fanout.offer = offer;
    fanout.settle = settle;
    struct set *s = set_get(topic_get(&topics, BYTES_LITERAL("t")));
    for (uint32_t i = 0; i < members; i++) {
        uint32_t place;
        cr_assert(eq(int, set_join(s, i % WIRES, i, &place), 0));
    }
    return s;
}

static void publish(struct set *s)
{
    const struct message_options o = {
        .topic = BYTES_LITERAL("t"), .payload = BYTES_LITERAL("x"), .kind = MESSAGE_TEXT};
    struct message *m = message_new(&o);
    m->seq = history.next_seq;
    m->oldest = 1;
    history_append(&history, m);
    fanout_extend(&fanout, s, m->seq);
}

static void run_once(void)
{
    run_number++;
    fanout_run(&fanout, &topics);
}

static void run_all(void)
{
    for (int i = 0; i < 100 && fanout_has_work(&fanout); i++)
        run_once();
    cr_assert(not(fanout_has_work(&fanout)));
}

static void teardown(struct set *s)
{
    set_free(s);
    history_fini(&history);
    topic_table_fini(&topics);
}

Test(fanout, offers_a_message_to_every_member_once)
{
    struct set *s = setup(1000);
    publish(s);
    run_all();
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert(eq(u32, offers[i], 1), "member %u", i);
    cr_assert(gt(u32, settles, 0));
    teardown(s);
}

Test(fanout, takes_a_large_set_in_slices)
{
    struct set *s = setup(MEMBERS_MAX);
    publish(s);
    run_once();
    uint32_t done = 0;
    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        done += offers[i];
    cr_assert(eq(u32, done, FANOUT_SLICE));
    run_all();
    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        cr_assert(eq(u32, offers[i], 1), "member %u", i);
    teardown(s);
}

Test(fanout, a_message_that_comes_during_a_pass_reaches_those_already_visited)
{
    struct set *s = setup(MEMBERS_MAX);
    publish(s);
    run_once();
    publish(s);
    run_all();
    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        cr_assert(eq(u64, position[i], 2), "member %u", i);
    teardown(s);
}

Test(fanout, nobody_is_skipped_when_others_leave_during_a_pass)
{
    struct set *s = setup(MEMBERS_MAX);
    static bool gone[MEMBERS_MAX];
    srand(1);
    publish(s);
    while (fanout_has_work(&fanout)) {
        run_once();
        for (int i = 0; i < 300; i++) {
            struct member_list *l = &s->members[rand() % WIRES];
            if (l->count == 0)
                continue;
            const uint32_t place = (uint32_t)rand() % l->count;
            gone[l->conns[place]] = true;
            set_leave(s, (enum wire)(l - s->members), place);
        }
    }
    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        cr_assert(gone[i] || offers[i] == 1, "member %u", i);
    teardown(s);
}

Test(fanout, knows_the_oldest_message_that_is_still_needed)
{
    struct set *s = setup(MEMBERS_MAX);
    cr_assert(eq(u64, fanout_needed_seq(&fanout), UINT64_MAX));
    publish(s);
    publish(s);
    cr_assert(eq(u64, fanout_needed_seq(&fanout), 1));
    run_all();
    cr_assert(eq(u64, fanout_needed_seq(&fanout), UINT64_MAX));
    teardown(s);
}

Test(fanout, counts_the_members_of_all_jobs)
{
    struct set *s = setup(40);
    cr_assert(not(fanout_exceeds(&fanout, 0)));
    publish(s);
    cr_assert(fanout_exceeds(&fanout, 39));
    cr_assert(not(fanout_exceeds(&fanout, 40)));
    run_all();
    teardown(s);
}

Test(fanout, a_set_that_everybody_left_goes_with_its_pass)
{
    struct set *s = setup(1);
    publish(s);
    set_leave(s, 0, 0);
    run_all();
    cr_assert(eq(ptr, topic_find(&topics, BYTES_LITERAL("t"))->set, NULL));
    history_fini(&history);
    topic_table_fini(&topics);
}
