/* Linear probing with backward-shift deletion. It never shrinks. */
#include "topic/table.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <errno.h>

enum { TABLE_CAPACITY_MIN = 64 };

void table_fini(struct table *t)
{
    alloc_free(t->slots);
    *t = (struct table){0};
}

static void put(struct table_slot *slots, size_t mask, struct table_slot entry)
{
    size_t i = entry.hash & mask;
    while (slots[i].item)
        i = (i + 1) & mask;
    slots[i] = entry;
}

int table_reserve(struct table *t)
{
    if ((t->count + 1) * 4 <= t->capacity * 3)
        return 0;
    const size_t capacity = t->capacity ? t->capacity * 2 : TABLE_CAPACITY_MIN;
    struct table_slot *slots = alloc_zeroed(capacity * sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < t->capacity; i++)
        if (t->slots[i].item)
            put(slots, capacity - 1, t->slots[i]);
    alloc_free(t->slots);
    t->slots = slots;
    t->capacity = capacity;
    return 0;
}

void table_add(struct table *t, uint64_t hash, void *item)
{
    ASSERT((t->count + 1) * 4 <= t->capacity * 3);
    put(t->slots, t->capacity - 1, (struct table_slot){hash, item});
    t->count++;
}

/* Closes the hole so that no probe sequence is cut: whatever may stand there moves in. */
static void close_hole(struct table *t, size_t hole)
{
    const size_t mask = t->capacity - 1;
    for (size_t i = (hole + 1) & mask; t->slots[i].item; i = (i + 1) & mask) {
        const size_t home = t->slots[i].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue; /* its home lies behind the hole: it must stay reachable */
        t->slots[hole] = t->slots[i];
        t->slots[i].item = NULL;
        hole = i;
    }
}

void table_remove(struct table *t, uint64_t hash, const void *item)
{
    const size_t mask = t->capacity - 1;
    size_t i = hash & mask;
    while (t->slots[i].item != item) {
        ASSERT(t->slots[i].item);
        i = (i + 1) & mask;
    }
    t->slots[i].item = NULL;
    t->count--;
    close_hole(t, i);
}
