/* The history: per-topic links, trimming by the entries' stamps and by age, gaps told exactly. */
#include "topic/history.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct topic_table topics;
static struct history history;

static void setup(void)
{
    static const struct siphash_key key = {3, 4};
    topic_table_init(&topics, &key);
    cr_assert(eq(int, history_init(&history, 8, &topics), 0));
}

static void teardown(void)
{
    history_fini(&history);
    topic_table_fini(&topics);
}

TestSuite(history, .init = setup, .fini = teardown);

/* Appends the next message; `oldest` is what it still retains. */
static void append(const char *topic, uint64_t oldest)
{
    const struct message_options o = {.topic = bytes_from(topic),
                                      .payload = BYTES_LITERAL("payload"),
                                      .kind = MESSAGE_TEXT,
                                      .origin = {.reactor = ORIGIN_NONE}};
    struct message *m = message_new(&o);
    m->seq = history.next_seq;
    m->oldest = oldest;
    m->time_ms = (int64_t)m->seq * 1000;
    history_append(&history, m);
}

static struct topic *topic(const char *name)
{
    return topic_find(&topics, bytes_from(name));
}

Test(history, links_the_messages_of_a_topic_across_those_of_others)
{
    append("a", 1);
    append("b", 1);
    append("b", 1);
    append("a", 1);
    append("a", 1);
    cr_assert(eq(u64, history_after(&history, topic("a"), 0), 1));
    cr_assert(eq(u64, history_newer(&history, 1), 4));
    cr_assert(eq(u64, history_newer(&history, 4), 5));
    cr_assert(eq(u64, history_newer(&history, 5), 0));
    cr_assert(eq(u32, history_older_delta(&history, 4), 3));
}

Test(history, finds_the_next_message_after_any_place)
{
    append("a", 1);
    append("b", 1);
    append("b", 1);
    append("a", 1);
    append("b", 1);
    cr_assert(eq(u64, history_after(&history, topic("a"), 1), 4));
    cr_assert(eq(u64, history_after(&history, topic("a"), 2), 4));
    cr_assert(eq(u64, history_after(&history, topic("a"), 3), 4));
    cr_assert(eq(u64, history_after(&history, topic("a"), 4), 0));
    cr_assert(eq(u64, history_after(&history, topic("a"), 99), 0));
    cr_assert(eq(u64, history_after(&history, topic("b"), 4), 5));
}

Test(history, trims_what_the_newest_entry_no_longer_retains)
{
    append("a", 1);
    append("a", 1);
    append("a", 3);
    append("b", 3);
    cr_assert(eq(u64, history_count(&history), 2));
    cr_assert(eq(u64, topic("a")->trimmed_seq, 2));
    cr_assert(eq(u64, topic("a")->first_seq, 3));
    cr_assert(eq(u32, history_older_delta(&history, 3), 0));
    cr_assert(eq(u64, history.bytes, 2 * message_cost(history_at(&history, 3))));
}

Test(history, a_topic_without_messages_is_forgotten_and_remembered_by_the_floor)
{
    append("a", 1);
    append("b", 2);
    cr_assert(eq(ptr, topic("a"), NULL));
    cr_assert(eq(u64, topic_trimmed_seq(&topics, topic("a")), 1));
}

Test(history, a_quiet_topic_is_not_touched_by_the_trimming_of_others)
{
    append("quiet", 1);
    append("chatty", 1);
    history_trim(&history, 1);
    append("chatty", 1);
    cr_assert(eq(u64, topic("quiet")->trimmed_seq, 0));
    history_trim(&history, 3);
    cr_assert(eq(u64, topic("chatty")->trimmed_seq, 2));
}

Test(history, goes_round_the_ring_many_times)
{
    for (uint64_t seq = 1; seq <= 100; seq++)
        append(seq % 3 ? "a" : "b", seq > 8 ? seq - 7 : 1);
    cr_assert(eq(u64, history_count(&history), 8));
    uint64_t seen = 0;
    for (uint64_t at = history_after(&history, topic("a"), 0); at; at = history_newer(&history, at))
        seen++;
    cr_assert(eq(u64, seen, 5)); /* 94 95 97 98 100 of 93..100 */
}

Test(history, lets_go_of_old_ages_but_not_of_what_is_still_needed)
{
    append("a", 1);
    append("a", 1);
    append("a", 1);
    history_trim_age(&history, 3000, 2);
    cr_assert(eq(u64, history.first_seq, 2));
    history_trim_age(&history, 3000, UINT64_MAX);
    cr_assert(eq(u64, history.first_seq, 3));
    history_trim_age(&history, 999999, UINT64_MAX);
    cr_assert(eq(u64, history_count(&history), 0));
}
