/* The topic table: finding, remembering what nothing holds, forgetting the oldest of it, and the
 * floor. */
#include "topic/topic.h"

#include "base/alloc.h"
#include "support/guarded.h"
#include "unit/topic/rig.h"

#include <stdio.h>

static const struct siphash_key key = {1, 2};
static struct topic_table t;

static void setup(void)
{
    topic_table_init(&t, &key);
}

static void teardown(void)
{
    topic_table_fini(&t);
    guarded_release();
}

TestSuite(topic, .init = setup, .fini = teardown);

static struct bytes name_of(int i, char out[static 16])
{
    return (struct bytes){(const uint8_t *)out, (size_t)snprintf(out, 16, "t%d", i)};
}

static struct topic *get(const char *name)
{
    struct topic *topic = topic_get(&t, bytes_from(name));
    cr_assert(ne(ptr, topic, NULL));
    return topic;
}

Test(topic, is_found_again_by_its_name)
{
    struct topic *a = get("a");
    cr_assert(eq(ptr, get("a"), a));
    cr_assert(eq(ptr, topic_find(&t, BYTES_LITERAL("b")), NULL));
    cr_assert(eq(sz, topic_held_count(&t), 1));
}

Test(topic, names_may_be_255_bytes_and_hold_any_byte)
{
    uint8_t bytes[255];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    const struct bytes name = span_bytes(guarded_copy((struct bytes){bytes, sizeof(bytes)}));
    struct topic *a = topic_get(&t, name);
    cr_assert(eq(u8, a->name_len, 255));
    cr_assert(bytes_equal(topic_name(a), name));
    cr_assert(eq(ptr, topic_find(&t, name), a));
    cr_assert(eq(ptr, topic_find(&t, (struct bytes){name.at, 254}), NULL));
}

Test(topic, is_remembered_when_nothing_holds_it_and_revived_by_its_name)
{
    struct topic *a = get("a");
    a->trimmed_seq = 7;
    topic_release(&t, a);
    cr_assert(eq(sz, topic_held_count(&t), 0));
    cr_assert(eq(ptr, topic_find(&t, BYTES_LITERAL("a")), a));
    cr_assert(eq(sz, t.unused_count, 1), "finding it holds nothing");
    cr_assert(eq(ptr, get("a"), a));
    cr_assert(eq(sz, topic_held_count(&t), 1));
    cr_assert(eq(u64, a->trimmed_seq, 7));
}

Test(topic, counts_once_however_often_it_is_released)
{
    struct topic *a = get("a");
    topic_release(&t, a);
    topic_release(&t, a);
    cr_assert(eq(sz, t.unused_count, 1));
    get("a");
    cr_assert(eq(sz, t.unused_count, 0));
}

Test(topic, the_longest_unused_is_forgotten_first_and_leaves_its_trimmed_seq_in_the_floor)
{
    char buf[16];
    for (int i = 0; i < TOPICS_UNUSED_MAX; i++) {
        struct topic *topic = topic_get(&t, name_of(i, buf));
        topic->trimmed_seq = i == 1 ? 9 : 5;
        topic_release(&t, topic);
    }
    get("t0");
    topic_release(&t, get("t0")); /* used again: it goes to the end */
    cr_assert(eq(u64, t.floor_seq, 0));
    cr_assert(eq(sz, t.unused_count, TOPICS_UNUSED_MAX));

    topic_release(&t, get("new"));
    cr_assert(eq(sz, t.unused_count, TOPICS_UNUSED_MAX));
    cr_assert(eq(ptr, topic_find(&t, BYTES_LITERAL("t1")), NULL));
    cr_assert(ne(ptr, topic_find(&t, BYTES_LITERAL("t0")), NULL));
    cr_assert(eq(u64, t.floor_seq, 9));
    cr_assert(eq(u64, get("t1")->trimmed_seq, 9), "a new topic starts from the floor");

    topic_release(&t, get("newer")); /* t2, which was trimmed less far */
    cr_assert(eq(u64, t.floor_seq, 9));
    for (int i = 3; i < TOPICS_UNUSED_MAX; i++)
        cr_assert(ne(ptr, topic_find(&t, name_of(i, buf)), NULL), "topic %d", i);
}

Test(topic, with_a_retained_message_or_a_link_stays_held)
{
    struct topic *a = get("a"), *b = get("b");
    uint32_t place;
    a->last_seq = a->first_seq = 3;
    cr_assert(eq(int, set_links_add(&b->links, (struct set *)(void *)&place, &place), 0));
    topic_release(&t, a);
    topic_release(&t, b);
    cr_assert(eq(sz, topic_held_count(&t), 2));
    cr_assert(eq(ptr, set_links_remove(&b->links, place), NULL), "nobody was moved");
    topic_release(&t, b);
    cr_assert(eq(sz, topic_held_count(&t), 1));
}

Test(topic, a_finished_one_is_never_among_the_unused)
{
    struct topic *a = get("a");
    a->is_finished = true;
    topic_release(&t, a);
    cr_assert(eq(sz, t.unused_count, 0));
}

Test(topic, without_memory_there_is_none_and_nothing_has_changed)
{
    for (unsigned k = 0; k < 2; k++) {
        unsigned allowed = k;
        alloc_set_gate(rig_gate, &allowed);
        cr_assert(eq(ptr, topic_get(&t, BYTES_LITERAL("a")), NULL));
        alloc_set_gate(NULL, NULL);
        cr_assert(eq(ptr, topic_find(&t, BYTES_LITERAL("a")), NULL));
        cr_assert(eq(sz, topic_held_count(&t), 0));
    }
    get("a");
}
