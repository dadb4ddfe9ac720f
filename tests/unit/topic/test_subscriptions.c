/* Subscriptions: sets are interned and let go of cleanly, a message finds each set that it is for
 * once, what is trimmed is told to those who may have lost it, and no allocation is relied on. */
#include "topic/subscriptions.h"

#include "unit/topic/rig.h"

#include <stdio.h>
#include <stdlib.h>

static struct rig r;

static void setup(void)
{
    rig_init(&r, 64);
}

static void teardown(void)
{
    subscriptions_fini(&r.s);
}

TestSuite(subscriptions, .init = setup, .fini = teardown);

/* --- interning -------------------------------------------------------------------------------- */

Test(subscriptions, equal_names_are_one_set_in_any_order_and_number)
{
    struct set *s = rig_set(&r, "a b.* c");
    cr_assert(eq(ptr, rig_set(&r, "c a b.*"), s));
    cr_assert(eq(ptr, rig_set(&r, "b.* c c a b.* a"), s));
    cr_assert(eq(sz, r.s.sets.table.count, 1));
    cr_assert(eq(u16, s->filter_count, 3));
}

Test(subscriptions, other_names_are_another_set)
{
    struct set *s = rig_set(&r, "ab c");
    cr_assert(ne(ptr, rig_set(&r, "a bc"), s));
    cr_assert(ne(ptr, rig_set(&r, "ab"), s));
    cr_assert(ne(ptr, rig_set(&r, "ab c d"), s));
    cr_assert(ne(ptr, rig_set(&r, "ab cd"), s));
    cr_assert(eq(sz, r.s.sets.table.count, 5));
}

Test(subscriptions, a_set_may_have_as_many_names_as_are_allowed)
{
    char text[SET_FILTERS_MAX * 6];
    size_t len = 0;
    for (int i = 0; i < SET_FILTERS_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%d%s", i ? " " : "", i,
                                i % 2 ? ".*" : "");
    struct set *s = rig_set(&r, text);
    cr_assert(eq(u16, s->filter_count, SET_FILTERS_MAX));
    cr_assert(eq(ptr, rig_set(&r, text), s));
    subscriptions_release(&r.s, s);
    cr_assert(eq(sz, topic_held_count(&r.s.topics), 0));
    cr_assert(eq(ptr, r.s.patterns.root, NULL));
}

Test(subscriptions, a_released_set_lets_go_of_its_topics_and_patterns)
{
    struct set *s = rig_set(&r, "a b.*");
    cr_assert(eq(sz, topic_held_count(&r.s.topics), 1));
    subscriptions_release(&r.s, s);
    cr_assert(eq(sz, topic_held_count(&r.s.topics), 0));
    cr_assert(eq(ptr, r.s.patterns.root, NULL));
    cr_assert(eq(sz, r.s.sets.table.count, 0));
    rig_publish(&r, "b.c");
    cr_assert(eq(uint, r.found_count, 0));
}

Test(subscriptions, a_set_with_a_member_or_a_pass_stays)
{
    struct set *s = rig_set(&r, "a");
    struct list jobs;
    uint32_t place;
    list_init(&jobs);
    cr_assert(eq(int, set_join(s, WIRE_WS, 1, &place), 0));
    subscriptions_release(&r.s, s);
    cr_assert(eq(ptr, rig_set(&r, "a"), s));
    set_leave(s, WIRE_WS, place);
    list_push_back(&jobs, &s->job);
    subscriptions_release(&r.s, s);
    cr_assert(eq(ptr, rig_set(&r, "a"), s));
    list_remove(&s->job);
    subscriptions_release(&r.s, s);
    cr_assert(eq(sz, r.s.sets.table.count, 0));
}

Test(subscriptions, the_end_of_all_frees_sets_with_members_and_passes)
{
    struct rig other;
    struct list jobs;
    uint32_t place;
    rig_init(&other, 8);
    list_init(&jobs);
    struct set *s = rig_set(&other, "a b.*");
    cr_assert(eq(int, set_join(s, WIRE_WS, 1, &place), 0));
    list_push_back(&jobs, &s->job);
    rig_publish(&other, "a");
    subscriptions_fini(&other.s);
    cr_assert(list_is_empty(&jobs));
    struct subscriptions zeroed = {0};
    subscriptions_fini(&zeroed);
}

/* Every filter's place is where its set stands among the links. */
static void check_places(struct set *const *sets, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        for (unsigned f = 0; sets[i] && f < sets[i]->filter_count; f++) {
            const struct filter *filter = &sets[i]->filters[f];
            const struct set_links *links =
                filter->is_pattern ? pattern_links(filter->pattern) : &filter->topic->links;
            cr_assert(lt(u32, filter->place, links->count));
            cr_assert(eq(ptr, links->sets[filter->place], sets[i]));
        }
}

Test(subscriptions, sets_keep_their_places_when_others_leave_the_same_links)
{
    enum { SETS = 40, ROUNDS = 2000 };
    static const char *const names[] = {"a", "b", "c.*", "c.#", "d"};
    struct set *sets[SETS] = {0};
    char text[64];
    srand(5);
    for (int round = 0; round < ROUNDS; round++) {
        const int i = rand() % SETS;
        if (sets[i])
            subscriptions_release(&r.s, sets[i]);
        /* A name of its own keeps it another set than the others. */
        size_t len = (size_t)snprintf(text, sizeof(text), "own%d", i);
        for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
            if (rand() % 2)
                len += (size_t)snprintf(text + len, sizeof(text) - len, " %s", names[n]);
        sets[i] = rand() % 3 ? rig_set(&r, text) : NULL;
        check_places(sets, SETS);
    }
}

/* --- messages --------------------------------------------------------------------------------- */

Test(subscriptions, a_message_is_for_the_sets_that_name_or_match_its_topic)
{
    struct set *plain = rig_set(&r, "a.b"), *several = rig_set(&r, "a.b c"),
               *pattern = rig_set(&r, "a.*"), *other = rig_set(&r, "c.*");
    const uint64_t seq = rig_publish(&r, "a.b");
    cr_assert(eq(uint, r.found_count, 3));
    cr_assert(rig_was_for(&r, plain));
    cr_assert(rig_was_for(&r, several));
    cr_assert(rig_was_for(&r, pattern));
    cr_assert(eq(u64, other->last_seq, 0));
    cr_assert(eq(u64, pattern->last_seq, seq));
}

Test(subscriptions, a_set_is_found_once_however_many_of_its_filters_match)
{
    struct set *s = rig_set(&r, "a.b a.* *.b a.# #");
    rig_publish(&r, "a.b");
    cr_assert(eq(uint, r.found_count, 1));
    rig_publish(&r, "a.b");
    cr_assert(eq(uint, r.found_count, 1));
    cr_assert(rig_was_for(&r, s));
}

Test(subscriptions, the_end_of_a_topic_is_for_its_own_set_alone)
{
    struct set *own = rig_set(&r, "a"), *several = rig_set(&r, "a b"), *all = rig_set(&r, "#");
    rig_publish(&r, "a");
    const uint64_t end = rig_finish(&r, "a");
    cr_assert(eq(uint, r.found_count, 1));
    cr_assert(rig_was_for(&r, own));
    cr_assert(eq(u64, own->last_seq, end));
    cr_assert(eq(u64, several->last_seq, end - 1));
    cr_assert(eq(u64, all->last_seq, end - 1));
    cr_assert(not(rig_append(&r, "a", MESSAGE_TEXT)));
    cr_assert(not(rig_append(&r, "a", MESSAGE_END)));
    cr_assert(eq(uint, r.found_count, 0));
    cr_assert(eq(u64, own->last_seq, end));
    cr_assert(eq(u64, r.s.topics.floor_seq, 0));
}

Test(subscriptions, an_end_that_is_trimmed_is_lost_to_nobody)
{
    struct set *own = rig_set(&r, "a"), *several = rig_set(&r, "a b"), *all = rig_set(&r, "#");
    rig_publish(&r, "a");
    rig_finish(&r, "a");
    rig_trim(&r, 3);
    cr_assert(eq(u64, own->trimmed_seq, 1));
    cr_assert(eq(u64, several->trimmed_seq, 1));
    cr_assert(eq(u64, all->trimmed_seq, 1));
    cr_assert(eq(u64, rig_lost_seq(&r, all), 1));
}

Test(subscriptions, what_is_trimmed_is_lost_to_those_it_was_for)
{
    struct set *plain = rig_set(&r, "a.b"), *several = rig_set(&r, "a.b c"),
               *pattern = rig_set(&r, "a.*"), *other = rig_set(&r, "c");
    rig_publish(&r, "a.b");
    rig_publish(&r, "c");
    rig_trim(&r, 2);
    cr_assert(eq(u64, plain->trimmed_seq, 1));
    cr_assert(eq(u64, several->trimmed_seq, 1));
    cr_assert(eq(u64, pattern->trimmed_seq, 1));
    cr_assert(eq(u64, other->trimmed_seq, 0));
    rig_publish(&r, "x"); /* trims no more */
    rig_trim(&r, 3);
    cr_assert(eq(u64, several->trimmed_seq, 2));
    cr_assert(eq(u64, pattern->trimmed_seq, 1));
}

/* --- a set that comes later ------------------------------------------------------------------- */

Test(subscriptions, a_new_set_knows_what_is_retained_of_its_topics)
{
    rig_publish(&r, "a");
    rig_publish(&r, "b");
    rig_publish(&r, "a");
    rig_publish(&r, "x");
    rig_trim(&r, 3);
    const struct set *a = rig_set(&r, "a"), *both = rig_set(&r, "a b");
    cr_assert(eq(u64, a->last_seq, 3));
    cr_assert(eq(u64, a->trimmed_seq, 1));
    cr_assert(eq(u64, both->last_seq, 3));
    cr_assert(eq(u64, both->trimmed_seq, 2));
    const struct set *pattern = rig_set(&r, "a b.*");
    cr_assert(eq(u64, pattern->last_seq, 4), "it may have a message up to the head");
    cr_assert(eq(u64, pattern->trimmed_seq, 2), "it may have lost one of any topic");
}

Test(subscriptions, an_end_is_not_the_newest_of_a_set_of_several_topics)
{
    rig_publish(&r, "a");
    rig_publish(&r, "b");
    rig_finish(&r, "b");
    cr_assert(eq(u64, rig_set(&r, "b")->last_seq, 3));
    cr_assert(eq(u64, rig_set(&r, "a b")->last_seq, 2));
    rig_finish(&r, "c");
    cr_assert(eq(u64, rig_set(&r, "c d")->last_seq, 0));
}

Test(subscriptions, remembers_where_a_set_was_quiet_while_no_pass_is_under_way)
{
    struct set *s = rig_set(&r, "a");
    struct list jobs;
    list_init(&jobs);
    cr_assert(eq(u64, s->quiet_to, 0));
    rig_publish(&r, "x");
    rig_publish(&r, "a");
    rig_publish(&r, "x");
    rig_publish(&r, "a");
    cr_assert(eq(u64, s->quiet_from, 2));
    cr_assert(eq(u64, s->quiet_to, 4));
    list_push_back(&jobs, &s->job);
    rig_publish(&r, "a");
    cr_assert(eq(u64, s->quiet_from, 2));
    cr_assert(eq(u64, s->quiet_to, 4));
    cr_assert(eq(u64, s->last_seq, 5));
    list_remove(&s->job);
    rig_publish(&r, "a");
    cr_assert(eq(u64, s->quiet_from, 5));
    cr_assert(eq(u64, s->quiet_to, 6));
}

/* --- no memory -------------------------------------------------------------------------------- */

Test(subscriptions, are_none_without_memory_for_the_history)
{
    static const struct siphash_key key = {3, 4};
    struct subscriptions s;
    unsigned allowed = 0;
    alloc_set_gate(rig_gate, &allowed);
    cr_assert(eq(int, subscriptions_init(&s, 64, &key), -ENOMEM));
    alloc_set_gate(NULL, NULL);
    subscriptions_fini(&s);
}

Test(subscriptions, a_set_that_cannot_be_made_leaves_nothing_behind)
{
    struct set *other = rig_set(&r, "a x.*"), *s = NULL;
    for (unsigned k = 0; !s; k++) {
        cr_assert(lt(uint, k, 40));
        unsigned allowed = k;
        alloc_set_gate(rig_gate, &allowed);
        s = rig_try_set(&r, "a b x.* x.*.y z.# c");
        alloc_set_gate(NULL, NULL);
        if (s)
            break;
        check_places(&other, 1);
        cr_assert(eq(sz, r.s.sets.table.count, 1));
        cr_assert(eq(sz, topic_held_count(&r.s.topics), 1));
        cr_assert(eq(sz, r.s.patterns.table.count, 2));
        cr_assert(eq(u32, rig_topic(&r, "a")->links.count, 1));
    }
    check_places((struct set *[]){other, s}, 2);
    rig_publish(&r, "x.q");
    cr_assert(eq(uint, r.found_count, 2));
}

Test(subscriptions, a_message_without_memory_for_its_topic_is_told_as_lost)
{
    struct set *named = rig_set(&r, "a"), *pattern = rig_set(&r, "n.*"), *new = NULL;
    for (unsigned k = 0; k < 3; k++) {
        const uint64_t seq = r.s.history.next_seq;
        struct message *m = rig_message(&r.s.history, "n.m", MESSAGE_TEXT, 1);
        unsigned allowed = k;
        r.found_count = 0;
        alloc_set_gate(rig_gate, &allowed);
        cr_assert(subscriptions_append(&r.s, m, rig_found, &r));
        alloc_set_gate(NULL, NULL);
        const bool made = rig_topic(&r, "n.m") != NULL;
        cr_assert(eq(uint, r.found_count, 1), "its message, or that it is lost");
        cr_assert(eq(u64, pattern->trimmed_seq, made ? seq - 1 : seq));
        cr_assert(eq(u64, rig_lost_seq(&r, pattern), made ? seq - 1 : seq));
        if (made) {
            new = pattern;
            break;
        }
    }
    cr_assert(eq(ptr, new, pattern), "with memory for one topic it came");
    cr_assert(eq(u64, named->trimmed_seq, 0));
}
