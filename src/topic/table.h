/* Pointers by their hash: the open addressing that topics, patterns and sets share. It knows
 * neither keys nor what is equal: the caller hashes (with a secret key, where peers choose the
 * names) and compares. */
#pragma once

#include "base/attr.h"

#include <stddef.h>
#include <stdint.h>

/* The hash stands beside the pointer: a probe for what is not there touches no item. */
struct table_slot {
    uint64_t hash;
    void *item; /* NULL: free */
};

/* Linear probing, at most 3/4 full. A zeroed one is empty. */
struct table {
    struct table_slot *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

/* Frees the slots; the items are the caller's. */
void table_fini(struct table *t);
/* Makes room for one more. -ENOMEM, and nothing has changed. */
int table_reserve(struct table *t) MUST_CHECK;
/* After table_reserve(), which must come before each. */
void table_add(struct table *t, uint64_t hash, void *item);
/* The item must be there. */
void table_remove(struct table *t, uint64_t hash, const void *item);

/* The items of that hash, one after the other; NULL: no more. *at is the hash before the first. */
static inline void *table_next(const struct table *t, uint64_t hash, uint64_t *at)
{
    if (t->capacity == 0)
        return NULL;
    for (;;) {
        const struct table_slot *slot = &t->slots[(*at)++ & (t->capacity - 1)];
        if (!slot->item || slot->hash == hash)
            return slot->item;
    }
}
