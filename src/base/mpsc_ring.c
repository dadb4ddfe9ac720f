/* The ring's slots hand themselves from producer to consumer and back by their turn. Who wakes the
 * consumer is the caller's business. */
#include "base/mpsc_ring.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <errno.h>

int mpsc_ring_init(struct mpsc_ring *r, size_t capacity)
{
    ASSERT(capacity >=
           2); /* with one slot "published" and "free for the next lap" would be equal */
    ASSERT((capacity & (capacity - 1)) == 0);
    atomic_init(&r->tail, 0);
    atomic_init(&r->head, 0);
    r->mask = capacity - 1;
    r->slots = alloc_reserve(capacity * sizeof(*r->slots));
    return r->slots ? 0 : -ENOMEM;
}

void mpsc_ring_fini(struct mpsc_ring *r)
{
    alloc_release(r->slots, (r->mask + 1) * sizeof(*r->slots));
    r->slots = NULL;
}

static uint64_t lap_of(const struct mpsc_ring *r, uint64_t position)
{
    return position & ~r->mask;
}

bool mpsc_ring_push(struct mpsc_ring *r, void *item)
{
    ASSERT(item);
    struct mpsc_slot *slot;
    uint64_t position = atomic_load_explicit(&r->tail, memory_order_relaxed);
    for (;;) {
        slot = &r->slots[position & r->mask];
        /* Acquire: pairs with the release in pop; the old item has been read. */
        const uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire);
        const uint64_t lap = lap_of(r, position);
        if (turn == lap) {
            if (atomic_compare_exchange_weak_explicit(&r->tail, &position, position + 1,
                                                      memory_order_relaxed, memory_order_relaxed))
                break;
        } else if (turn < lap) {
            return false; /* still of the last lap: nobody can have claimed past it, so it is full
                           */
        } else {
            position = atomic_load_explicit(&r->tail, memory_order_relaxed); /* others went on */
        }
    }
    slot->item = item;
    /* Release for pop; seq_cst for has_item: see the header. */
    atomic_store_explicit(&slot->turn, lap_of(r, position) + 1, memory_order_seq_cst);
    return true;
}

/* The slot at the head if it is published, else NULL. */
static struct mpsc_slot *published(const struct mpsc_ring *r, uint64_t position)
{
    struct mpsc_slot *slot = &r->slots[position & r->mask];
    const uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_seq_cst);
    return turn == lap_of(r, position) + 1 ? slot : NULL;
}

void *mpsc_ring_pop(struct mpsc_ring *r)
{
    const uint64_t position = atomic_load_explicit(&r->head, memory_order_relaxed);
    struct mpsc_slot *slot = published(r, position);
    if (!slot)
        return NULL;
    void *item = slot->item;
    atomic_store_explicit(&slot->turn, lap_of(r, position) + r->mask + 1, memory_order_release);
    /* After the turn, so that who sees room here can push. seq_cst: pairs with mpsc_ring_room(). */
    atomic_store_explicit(&r->head, position + 1, memory_order_seq_cst);
    return item;
}

void *mpsc_ring_peek(const struct mpsc_ring *r)
{
    const struct mpsc_slot *slot =
        published(r, atomic_load_explicit(&r->head, memory_order_relaxed));
    return slot ? slot->item : NULL;
}

bool mpsc_ring_has_item(const struct mpsc_ring *r)
{
    return published(r, atomic_load_explicit(&r->head, memory_order_seq_cst)) != NULL;
}

size_t mpsc_ring_len(const struct mpsc_ring *r)
{
    /* Head first: read the other way round, len could be negative. */
    const uint64_t head = atomic_load_explicit(&r->head, memory_order_seq_cst);
    const uint64_t len = atomic_load_explicit(&r->tail, memory_order_seq_cst) - head;
    return len <= r->mask ? (size_t)len : (size_t)r->mask + 1;
}

size_t mpsc_ring_room(const struct mpsc_ring *r)
{
    return (size_t)r->mask + 1 - mpsc_ring_len(r);
}
