/* The topic table: finding, growing, forgetting without cutting a probe sequence, and the floor. */
#include "topic/topic.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

static const struct siphash_key key = {1, 2};

static struct bytes name_of(int i, char out[static 16])
{
    return (struct bytes){(const uint8_t *)out, (size_t)snprintf(out, 16, "t%d", i)};
}

Test(topic, is_found_again_by_its_name)
{
    struct topic_table t;
    topic_table_init(&t, &key);
    struct topic *a = topic_get(&t, BYTES_LITERAL("a"));
    cr_assert(ne(ptr, a, NULL));
    cr_assert(eq(ptr, topic_get(&t, BYTES_LITERAL("a")), a));
    cr_assert(eq(ptr, topic_find(&t, BYTES_LITERAL("b")), NULL));
    cr_assert(eq(sz, t.count, 1));
    topic_table_fini(&t);
}

Test(topic, names_may_be_255_bytes_and_hold_any_byte)
{
    struct topic_table t;
    uint8_t name[255];
    for (size_t i = 0; i < sizeof(name); i++)
        name[i] = (uint8_t)i;
    topic_table_init(&t, &key);
    struct topic *a = topic_get(&t, (struct bytes){name, sizeof(name)});
    cr_assert(eq(u8, a->name_len, 255));
    cr_assert(eq(ptr, topic_find(&t, (struct bytes){name, sizeof(name)}), a));
    cr_assert(eq(ptr, topic_find(&t, (struct bytes){name, 254}), NULL));
    topic_table_fini(&t);
}

Test(topic, all_stay_reachable_while_others_come_and_go)
{
    enum { COUNT = 2000 };
    struct topic_table t;
    char buf[16];
    topic_table_init(&t, &key);
    for (int i = 0; i < COUNT; i++)
        cr_assert(ne(ptr, topic_get(&t, name_of(i, buf)), NULL));
    for (int i = 0; i < COUNT; i += 3)
        topic_forget_if_unused(&t, topic_find(&t, name_of(i, buf)));
    for (int i = 0; i < COUNT; i++) {
        const bool there = topic_find(&t, name_of(i, buf)) != NULL;
        cr_assert(eq(int, there, i % 3 != 0), "topic %d", i);
    }
    topic_table_fini(&t);
}

Test(topic, a_forgotten_topic_leaves_its_trimmed_seq_in_the_floor)
{
    struct topic_table t;
    topic_table_init(&t, &key);
    struct topic *a = topic_get(&t, BYTES_LITERAL("a"));
    a->trimmed_seq = 7;
    topic_forget_if_unused(&t, a);
    cr_assert(eq(u64, topic_trimmed_seq(&t, NULL), 7));
    cr_assert(eq(u64, topic_get(&t, BYTES_LITERAL("b"))->trimmed_seq, 7));
    topic_table_fini(&t);
}

Test(topic, with_a_retained_message_is_not_forgotten)
{
    struct topic_table t;
    topic_table_init(&t, &key);
    struct topic *a = topic_get(&t, BYTES_LITERAL("a"));
    a->last_seq = a->first_seq = 3;
    topic_forget_if_unused(&t, a);
    cr_assert(eq(ptr, topic_find(&t, BYTES_LITERAL("a")), a));
    topic_table_fini(&t);
}
