/* The ring as one thread sees it. What several threads do to it is stress_mpsc_ring's question. */
#include "base/mpsc_ring.h"

#include "base/alloc.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>

static int items[64];

static struct mpsc_ring *ring_of(size_t capacity)
{
    static struct mpsc_ring r;
    cr_assert(eq(int, mpsc_ring_init(&r, capacity), 0));
    return &r;
}

Test(mpsc_ring, gives_back_what_was_pushed_in_order)
{
    struct mpsc_ring *r = ring_of(4);
    for (size_t i = 0; i < 4; i++)
        cr_assert(mpsc_ring_push(r, &items[i]));
    for (size_t i = 0; i < 4; i++)
        cr_assert(eq(ptr, mpsc_ring_pop(r), &items[i]));
    cr_assert(eq(ptr, mpsc_ring_pop(r), NULL));
    mpsc_ring_fini(r);
}

Test(mpsc_ring, refuses_one_more_than_its_capacity_and_takes_nothing)
{
    for (size_t capacity = 2; capacity <= 32; capacity *= 2) {
        struct mpsc_ring *r = ring_of(capacity);
        for (size_t i = 0; i < capacity; i++)
            cr_assert(mpsc_ring_push(r, &items[i]));
        cr_assert(not(mpsc_ring_push(r, &items[capacity])));
        cr_assert(eq(sz, mpsc_ring_len(r), capacity));
        cr_assert(eq(sz, mpsc_ring_room(r), 0));
        cr_assert(eq(ptr, mpsc_ring_pop(r), &items[0]));
        cr_assert(eq(sz, mpsc_ring_room(r), 1));
        cr_assert(mpsc_ring_push(r, &items[capacity]));
        mpsc_ring_fini(r);
    }
}

Test(mpsc_ring, keeps_order_through_many_laps_at_every_fill)
{
    for (size_t fill = 1; fill <= 4; fill++) {
        struct mpsc_ring *r = ring_of(4);
        size_t in = 0, out = 0;
        for (; in < fill; in++)
            cr_assert(mpsc_ring_push(r, &items[in % 64]));
        for (; out < 1000; out++, in++) {
            cr_assert(eq(ptr, mpsc_ring_pop(r), &items[out % 64]), "fill %zu", fill);
            cr_assert(mpsc_ring_push(r, &items[in % 64]));
        }
        cr_assert(eq(sz, mpsc_ring_len(r), fill));
        mpsc_ring_fini(r);
    }
}

Test(mpsc_ring, peeks_without_taking)
{
    struct mpsc_ring *r = ring_of(2);
    cr_assert(eq(ptr, mpsc_ring_peek(r), NULL));
    cr_assert(not(mpsc_ring_has_item(r)));
    cr_assert(mpsc_ring_push(r, &items[7]));
    cr_assert(mpsc_ring_has_item(r));
    cr_assert(eq(ptr, mpsc_ring_peek(r), &items[7]));
    cr_assert(eq(ptr, mpsc_ring_peek(r), &items[7]));
    cr_assert(eq(ptr, mpsc_ring_pop(r), &items[7]));
    cr_assert(eq(ptr, mpsc_ring_peek(r), NULL));
    cr_assert(not(mpsc_ring_has_item(r)));
    mpsc_ring_fini(r);
}

Test(mpsc_ring, looks_empty_from_a_claimed_slot_on_until_that_one_is_published)
{
    struct mpsc_ring *r = ring_of(4);
    /* A producer that was preempted between claim and publish. */
    const uint64_t claimed = atomic_fetch_add(&r->tail, 1);
    cr_assert(mpsc_ring_push(r, &items[1]));

    cr_assert(eq(sz, mpsc_ring_len(r), 2));
    cr_assert(not(mpsc_ring_has_item(r)));
    cr_assert(eq(ptr, mpsc_ring_pop(r), NULL));

    r->slots[claimed].item = &items[0];
    atomic_store(&r->slots[claimed].turn, 1);
    cr_assert(eq(ptr, mpsc_ring_pop(r), &items[0]));
    cr_assert(eq(ptr, mpsc_ring_pop(r), &items[1]));
    mpsc_ring_fini(r);
}

static _Bool refuse(void *user, size_t size)
{
    (void)user;
    (void)size;
    return 0;
}

Test(mpsc_ring, reports_that_there_is_no_memory)
{
    struct mpsc_ring r;
    alloc_set_gate(refuse, NULL);
    cr_assert(eq(int, mpsc_ring_init(&r, 2), -ENOMEM));
    mpsc_ring_fini(&r);
}
