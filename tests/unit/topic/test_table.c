/* The hash table that topics, patterns and sets share: probing, growing, removing without cutting a
 * probe sequence. The items here are addresses of nothing. */
#include "topic/table.h"

#include "base/alloc.h"
#include "unit/topic/rig.h"

enum { ITEMS = 2000 };
static char items[ITEMS];

static bool has(const struct table *t, uint64_t hash, const void *item)
{
    const void *at_hand;
    for (uint64_t at = hash; (at_hand = table_next(t, hash, &at)) != NULL;)
        if (at_hand == item)
            return true;
    return false;
}

static void add(struct table *t, uint64_t hash, void *item)
{
    cr_assert(eq(int, table_reserve(t), 0));
    table_add(t, hash, item);
}

/* Many share a hash, and many stand at the end of the slots, whose probes go round. */
static uint64_t hash_of(unsigned i)
{
    return i % 3 ? i * 0x9e3779b97f4a7c15u : UINT64_MAX - i / 60;
}

Test(table, a_zeroed_one_is_empty)
{
    struct table t = {0};
    uint64_t at = 7;
    cr_assert(eq(ptr, table_next(&t, 7, &at), NULL));
    table_fini(&t);
}

Test(table, gives_all_items_of_a_hash_and_no_others)
{
    struct table t = {0};
    for (unsigned i = 0; i < 6; i++)
        add(&t, i % 2 ? 5 : 5 + 64, &items[i]); /* the same home slot */
    unsigned seen = 0;
    const char *item;
    for (uint64_t at = 5; (item = table_next(&t, 5, &at)) != NULL; seen++)
        cr_assert(eq(int, (item - items) % 2, 1));
    cr_assert(eq(uint, seen, 3));
    table_fini(&t);
}

Test(table, all_stay_reachable_while_others_come_and_go)
{
    struct table t = {0};
    for (unsigned i = 0; i < ITEMS; i++)
        add(&t, hash_of(i), &items[i]);
    for (unsigned i = 0; i < ITEMS; i += 4)
        table_remove(&t, hash_of(i), &items[i]);
    for (unsigned i = 0; i < ITEMS; i++)
        cr_assert(eq(int, has(&t, hash_of(i), &items[i]), i % 4 != 0), "item %u", i);
    cr_assert(eq(sz, t.count, ITEMS - ITEMS / 4));
    table_fini(&t);
}

Test(table, is_as_it_was_when_it_cannot_grow)
{
    struct table t = {0};
    unsigned allowed = 1, count = 0;
    alloc_set_gate(rig_gate, &allowed);
    for (; table_reserve(&t) == 0; count++)
        table_add(&t, hash_of(count), &items[count]);
    alloc_set_gate(NULL, NULL);
    cr_assert(eq(uint, count, 48), "three quarters of the first 64");
    for (unsigned i = 0; i < count; i++)
        cr_assert(has(&t, hash_of(i), &items[i]), "item %u", i);
    table_fini(&t);
}
