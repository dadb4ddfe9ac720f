/* The history: per-topic links, trimming by the entries' stamps and by age, gaps told exactly, and
 * images given back once. */
#include "topic/history.h"

#include "unit/topic/rig.h"

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
static struct topic *append(const char *topic, uint64_t oldest)
{
    return history_append(&history, rig_message(&history, topic, MESSAGE_TEXT, oldest));
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
    cr_assert(eq(u64, history_older(&history, 5), 4));
    cr_assert(eq(u64, history_older(&history, 4), 1));
    cr_assert(eq(u64, history_older(&history, 1), 0));
    cr_assert(eq(ptr, history_topic_at(&history, 3), topic("b")));
}

/* Chatty and quiet topics, so that now the way along the ring is shorter and now the topic's. */
Test(history, finds_the_next_message_after_any_place)
{
    static const char order[] = "aabacbaaadbaacaaaaaaaaebbbbbabababcdaaaaaaaaaaaaae";
    history_fini(&history);
    cr_assert(eq(int, history_init(&history, 64, &topics), 0));
    for (size_t i = 0; i + 1 < sizeof(order); i++)
        append((char[]){order[i], 0}, 1);
    history_trim(&history, 5);
    for (const char *name = "abcde"; *name; name++)
        for (uint64_t seq = 0; seq < history.next_seq + 3; seq++) {
            uint64_t expected = seq < 5 ? 5 : seq + 1;
            while (expected < history.next_seq && order[expected - 1] != *name)
                expected++;
            if (expected >= history.next_seq)
                expected = 0;
            const struct topic *t = topic((char[]){*name, 0});
            cr_assert(eq(u64, history_after(&history, t, seq), expected), "%c after %lu", *name,
                      (unsigned long)seq);
        }
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
    cr_assert(eq(u64, history_older(&history, 3), 0));
    cr_assert(eq(u64, history.bytes, 2 * message_cost(history_at(&history, 3))));
}

Test(history, a_topic_whose_last_message_goes_is_unused_until_the_next)
{
    append("a", 1);
    append("b", 2);
    cr_assert(eq(sz, topics.unused_count, 1));
    cr_assert(eq(u64, topic("a")->trimmed_seq, 1));
    cr_assert(eq(u64, topic("a")->last_seq, 0));
    append("a", 2);
    cr_assert(eq(sz, topics.unused_count, 0));
    cr_assert(eq(u64, topic("a")->first_seq, 3));
}

Test(history, a_quiet_topic_is_not_touched_by_the_trimming_of_others)
{
    append("chatty", 1);
    append("quiet", 1);
    append("chatty", 1);
    history_trim(&history, 2);
    cr_assert(eq(u64, topic("chatty")->trimmed_seq, 1));
    cr_assert(eq(u64, topic("quiet")->trimmed_seq, 0));
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

/* --- what is told of it ----------------------------------------------------------------------- */

static uint64_t trimmed_sum;

static void on_trimmed(void *user, struct topic *trimmed, uint64_t seq)
{
    cr_assert(eq(ptr, user, &history));
    cr_assert(eq(ptr, history_topic_at(&history, seq), trimmed), "it is still there");
    cr_assert(eq(sz, history_at(&history, seq)->payload_len, 7));
    trimmed_sum += seq;
}

Test(history, tells_of_each_message_before_it_goes)
{
    history.trimmed = on_trimmed;
    history.user = &history;
    append("a", 1);
    append("b", 1);
    append("a", 3);
    cr_assert(eq(u64, trimmed_sum, 1 + 2));
    history_trim_age(&history, INT64_MAX, UINT64_MAX);
    cr_assert(eq(u64, trimmed_sum, 1 + 2 + 3));
}

/* --- ends ------------------------------------------------------------------------------------- */

Test(history, the_end_of_a_topic_lets_nothing_in_after_it)
{
    append("a", 1);
    struct topic *a = history_append(&history, rig_message(&history, "a", MESSAGE_END, 1));
    cr_assert(eq(ptr, a, topic("a")));
    cr_assert(a->is_finished);
    cr_assert(eq(u64, a->last_seq, 2));
    cr_assert(eq(ptr, append("a", 1), NULL));
    cr_assert(eq(ptr, history_topic_at(&history, 3), NULL));
    cr_assert(eq(u64, a->last_seq, 2));
    cr_assert(eq(u64, topics.floor_seq, 0), "nobody has lost it");
    append("b", 5);
    cr_assert(a->is_finished);
    cr_assert(eq(u64, a->trimmed_seq, 1), "nobody has lost the end either");
    cr_assert(eq(sz, topics.unused_count, 0));
    cr_assert(eq(ptr, append("a", 5), NULL));
}

Test(history, a_message_without_memory_for_its_topic_goes_into_the_floor)
{
    append("a", 1);
    struct message *m = rig_message(&history, "b", MESSAGE_TEXT, 1);
    unsigned allowed = 0;
    alloc_set_gate(rig_gate, &allowed);
    cr_assert(eq(ptr, history_append(&history, m), NULL));
    alloc_set_gate(NULL, NULL);
    cr_assert(eq(u64, topics.floor_seq, 2));
    cr_assert(eq(u64, history_count(&history), 2));
    append("a", 1);
    cr_assert(eq(u64, history_newer(&history, 1), 3));
}

/* --- images ----------------------------------------------------------------------------------- */

static _Atomic uint64_t image_bytes;

static struct image *build(const struct message *m, void *user)
{
    (void)m;
    (void)user;
    return image_new(10);
}

static void build_image_of(uint64_t seq)
{
    cr_assert(history_shares_images(&history, seq));
    const struct image *image =
        message_image(history_at(&history, seq), IMAGE_SSE, build, NULL, &image_bytes);
    cr_assert(image != NULL);
}

Test(history, gives_the_images_of_older_entries_back)
{
    history_fini(&history);
    cr_assert(eq(int, history_init(&history, 2 * HISTORY_IMAGES_KEPT, &topics), 0));
    append("a", 1);
    build_image_of(1);
    for (int i = 1; i < HISTORY_IMAGES_KEPT; i++)
        append("a", 1);
    cr_assert(history_shares_images(&history, 1));
    cr_assert(ne(u64, image_bytes, 0));
    append("a", 1);
    cr_assert(not(history_shares_images(&history, 1)));
    cr_assert(eq(u64, image_bytes, 0));
}

/* Another reactor's reference keeps the message; the images must go without it. */
Test(history, gives_images_back_once_when_a_message_is_trimmed_sooner)
{
    append("a", 1);
    build_image_of(1);
    struct message *kept = history_at(&history, 1);
    message_ref(kept, 1);
    append("a", 2);
    cr_assert(eq(u64, image_bytes, 0));
    message_unref(&kept);
}
