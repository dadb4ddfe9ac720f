/* Fan-out jobs: everybody is offered everything once, in slices, whoever joins, leaves or publishes
 * meanwhile. The members here are plain numbers with a position. */
#include "topic/fanout.h"

#include "unit/topic/rig.h"

#include <stdio.h>
#include <stdlib.h>

enum { MEMBERS_MAX = 40000 };

static struct rig r;
static struct fanout fanout;
static uint64_t position[MEMBERS_MAX];
static uint32_t offers[MEMBERS_MAX], offered_in_run[MEMBERS_MAX], run_number, settles;
static uint64_t offer_most = UINT64_MAX; /* messages in one offer */
static uint32_t offer_surcharge;

static uint64_t offer(void *user, struct set *set, enum wire wire, uint32_t conn)
{
    (void)user;
    (void)wire;
    if (position[conn] >= set->last_seq)
        return UINT64_MAX;
    cr_assert(ne(u32, offered_in_run[conn], run_number), "twice between two reaps");
    offered_in_run[conn] = run_number;
    offers[conn]++;
    fanout.surcharge = offer_surcharge;
    const uint64_t behind = set->last_seq - position[conn];
    position[conn] += behind < offer_most ? behind : offer_most;
    return position[conn];
}

static void settle(void *user)
{
    (void)user;
    settles++;
}

static void setup(void)
{
    rig_init(&r, 4096);
    fanout_init(&fanout);
    fanout.offer = offer;
    fanout.settle = settle;
}

static void teardown(void)
{
    subscriptions_fini(&r.s);
}

TestSuite(fanout, .init = setup, .fini = teardown);

static void extend(void *user, struct set *set, uint64_t seq)
{
    fanout_extend(user, set, seq);
}

static void publish(const char *topic)
{
    struct message *m = rig_message(&r.s.history, topic, MESSAGE_TEXT, 1);
    cr_assert(subscriptions_append(&r.s, m, extend, &fanout));
}

static void join(struct set *s, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        uint32_t place;
        cr_assert(eq(int, set_join(s, i % WIRES, i, &place), 0));
    }
}

/* The set of topic "t", with as many members. */
static struct set *set_of(uint32_t members)
{
    struct set *s = rig_set(&r, "t");
    join(s, 0, members);
    return s;
}

static uint32_t offered(uint32_t first, uint32_t count)
{
    uint32_t done = 0;
    for (uint32_t i = first; i < first + count; i++)
        done += offers[i];
    return done;
}

static void run_once(void)
{
    run_number++;
    const uint32_t before = offered(0, MEMBERS_MAX);
    fanout_run(&fanout, &r.s);
    cr_assert(le(u32, offered(0, MEMBERS_MAX) - before, FANOUT_RUN_MAX));
}

static void run_all(void)
{
    for (int i = 0; i < 100 && fanout_has_work(&fanout); i++)
        run_once();
    cr_assert(not(fanout_has_work(&fanout)));
}

/* --- members ---------------------------------------------------------------------------------- */

Test(fanout, offers_a_message_to_every_member_once)
{
    set_of(1000);
    publish("t");
    run_all();
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert(eq(u32, offers[i], 1), "member %u", i);
    cr_assert(ge(u32, settles, 1));
}

Test(fanout, takes_a_large_set_in_slices)
{
    set_of(20000);
    publish("t");
    run_once();
    cr_assert(eq(u32, offered(0, 20000), FANOUT_SLICE));
    run_all();
    for (uint32_t i = 0; i < 20000; i++)
        cr_assert(eq(u32, offers[i], 1), "member %u", i);
}

Test(fanout, is_over_with_the_slice_that_reaches_the_last)
{
    set_of(FANOUT_SLICE);
    publish("t");
    run_once();
    cr_assert(not(fanout_has_work(&fanout)));
}

Test(fanout, a_message_that_comes_during_a_pass_reaches_those_already_visited)
{
    set_of(20000);
    publish("t");
    run_once();
    publish("t");
    run_all();
    for (uint32_t i = 0; i < 20000; i++)
        cr_assert(eq(u64, position[i], 2), "member %u", i);
}

Test(fanout, passes_follow_until_everybody_has_everything)
{
    set_of(100);
    publish("t");
    publish("t");
    publish("t");
    offer_most = 1;
    run_all();
    for (uint32_t i = 0; i < 100; i++)
        cr_assert(eq(u64, position[i], 3), "member %u", i);
    cr_assert(eq(u32, settles, 3), "between any two of them");
}

Test(fanout, nobody_is_skipped_when_others_leave_during_a_pass)
{
    struct set *s = set_of(20000);
    static bool gone[MEMBERS_MAX];
    srand(1);
    publish("t");
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
    for (uint32_t i = 0; i < 20000; i++)
        cr_assert(gone[i] || offers[i] == 1, "member %u", i);
}

Test(fanout, a_set_that_everybody_left_goes_with_its_pass)
{
    struct set *s = set_of(1);
    publish("t");
    set_leave(s, 0, 0);
    run_all();
    cr_assert(eq(sz, r.s.sets.table.count, 0));
    cr_assert(eq(u32, rig_topic(&r, "t")->links.count, 0));
}

Test(fanout, a_set_that_is_freed_at_the_end_of_all_leaves_its_job)
{
    set_of(3);
    publish("t");
    cr_assert(fanout_has_work(&fanout));
    subscriptions_fini(&r.s);
    cr_assert(not(fanout_has_work(&fanout)));
    rig_init(&r, 8);
}

/* --- many jobs -------------------------------------------------------------------------------- */

Test(fanout, those_that_a_run_does_not_reach_come_first_in_the_next)
{
    enum { SETS = 6, EACH = 5000 };
    char name[16];
    for (uint32_t i = 0; i < SETS; i++) {
        snprintf(name, sizeof(name), "t%u", i);
        join(rig_set(&r, name), i * EACH, EACH);
        publish(name);
    }
    run_once();
    for (uint32_t i = 0; i < SETS; i++)
        cr_assert(eq(u32, offered(i * EACH, EACH), i < 4 ? FANOUT_SLICE : 0), "set %u", i);
    run_once();
    for (uint32_t i = 4; i < SETS; i++)
        cr_assert(eq(u32, offered(i * EACH, EACH), FANOUT_SLICE), "set %u", i);
    run_all();
    cr_assert(eq(u32, offered(0, SETS * EACH), SETS * EACH));
}

Test(fanout, a_run_may_end_within_a_slice)
{
    enum { SETS = 5, EACH = 3500 };
    char name[16];
    for (uint32_t i = 0; i < SETS; i++) {
        snprintf(name, sizeof(name), "t%u", i);
        join(rig_set(&r, name), i * EACH, EACH);
        publish(name);
    }
    run_once();
    cr_assert(eq(u32, offered(0, SETS * EACH), FANOUT_RUN_MAX));
    run_once();
    cr_assert(eq(u32, offered(0, SETS * EACH), SETS * EACH));
    cr_assert(not(fanout_has_work(&fanout)));
}

Test(fanout, an_offer_that_cost_more_leaves_fewer_to_its_slice)
{
    set_of(20000);
    publish("t");
    offer_surcharge = 3;
    run_once();
    cr_assert(eq(u32, offered(0, 20000), FANOUT_SLICE / 4));
    offer_surcharge = 2 * FANOUT_SLICE;
    run_once();
    cr_assert(eq(u32, offered(0, 20000), FANOUT_SLICE / 4 + 1));
    offer_surcharge = 0;
    run_all();
    cr_assert(eq(u32, offered(0, 20000), 20000));
}

Test(fanout, a_job_without_members_costs_a_run_something_too)
{
    char name[16];
    for (uint32_t i = 0; i < FANOUT_RUN_MAX + 1; i++) {
        snprintf(name, sizeof(name), "a t%u", i);
        rig_set(&r, name);
    }
    publish("a");
    run_once();
    cr_assert(eq(u32, fanout.job_count, 1));
    run_once();
    cr_assert(not(fanout_has_work(&fanout)));
    cr_assert(eq(sz, r.s.sets.table.count, 0));
}

Test(fanout, counts_the_members_of_all_jobs)
{
    set_of(30);
    join(rig_set(&r, "u"), 30, 10);
    join(rig_set(&r, "quiet"), 40, 10);
    cr_assert(not(fanout_exceeds(&fanout, 0)));
    publish("t");
    publish("u");
    cr_assert(fanout_exceeds(&fanout, 39));
    cr_assert(not(fanout_exceeds(&fanout, 40)));
}

/* --- what must stay --------------------------------------------------------------------------- */

Test(fanout, knows_the_oldest_message_that_is_still_needed)
{
    set_of(20000);
    cr_assert(eq(u64, fanout_needed_seq(&fanout), UINT64_MAX));
    publish("t");
    publish("t");
    cr_assert(eq(u64, fanout_needed_seq(&fanout), 1));
    run_all();
    cr_assert(eq(u64, fanout_needed_seq(&fanout), UINT64_MAX));
}

Test(fanout, lets_trim_what_no_job_has_still_to_offer)
{
    set_of(20000);
    join(rig_set(&r, "u"), 20000, 10);
    cr_assert(fanout_may_trim(&fanout, 100));
    publish("t"); /* 1 */
    publish("u"); /* 2 */
    cr_assert(fanout_may_trim(&fanout, 1));
    cr_assert(not(fanout_may_trim(&fanout, 2)));
    run_once();
    publish("t"); /* 3: those who were offered 1 already get it in another pass */
    cr_assert(not(fanout_may_trim(&fanout, 2)));
    while (fanout_needed_seq(&fanout) == 1)
        run_once();
    cr_assert(fanout_has_work(&fanout));
    cr_assert(fanout_may_trim(&fanout, 2));
    cr_assert(not(fanout_may_trim(&fanout, 4)));
    run_all();
    cr_assert(fanout_may_trim(&fanout, 100));
    publish("u"); /* 4 */
    cr_assert(fanout_may_trim(&fanout, 4));
    cr_assert(not(fanout_may_trim(&fanout, 5)));
}

Test(fanout, does_not_look_at_the_jobs_again_before_some_had_their_turn)
{
    struct set *s = set_of(20000);
    publish("t");
    cr_assert(not(fanout_may_trim(&fanout, 2)));
    run_once();
    cr_assert(not(fanout_may_trim(&fanout, 2)));
    s->pass_seq = 50; /* nobody would see it without looking */
    cr_assert(not(fanout_may_trim(&fanout, 2)));
    run_once();
    cr_assert(fanout_may_trim(&fanout, 2));
}

/* However late it says yes with many jobs, it does once they have had their turns. */
Test(fanout, lets_trim_with_many_jobs_before_they_are_through)
{
    enum { SETS = 3 * FANOUT_RUN_MAX };
    char name[32];
    for (uint32_t i = 0; i < SETS; i++) {
        uint32_t place;
        snprintf(name, sizeof(name), "%s t%u", i < SETS / 2 ? "a" : "b", i);
        cr_assert(eq(int, set_join(rig_set(&r, name), WIRE_WS, i % MEMBERS_MAX, &place), 0));
    }
    publish("a"); /* 1 */
    publish("b"); /* 2 */
    cr_assert(not(fanout_may_trim(&fanout, 2)));
    int runs = 0;
    for (; !fanout_may_trim(&fanout, 2); runs++) {
        for (uint32_t i = 0; i < MEMBERS_MAX; i++)
            position[i] = 0; /* they stand for many others */
        run_once();
    }
    cr_assert(eq(int, runs, 2));
    cr_assert(not(fanout_may_trim(&fanout, 3)));
}
