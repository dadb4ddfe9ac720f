/* Several producers against one consumer on a tiny ring: each item arrives exactly once and every
 * producer's order is kept, also while one of them stops in the middle of a push. It does not test
 * wake-ups; stress_log does. */
#include "base/mpsc_ring.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

/* Now and then a producer stops here, as if it were preempted: claimed, but not yet published. */
static bool claim_then_pause(_Atomic uint64_t *tail, uint64_t *position, uint64_t next,
                             memory_order order, memory_order order_failed)
{
    static _Thread_local unsigned claims;
    const bool claimed =
        atomic_compare_exchange_weak_explicit(tail, position, next, order, order_failed);
    if (claimed && ++claims % 97 == 0)
        usleep(claims % 200);
    return claimed;
}

#pragma push_macro("atomic_compare_exchange_weak_explicit")
#undef atomic_compare_exchange_weak_explicit
#define atomic_compare_exchange_weak_explicit claim_then_pause
#include "base/mpsc_ring.c"
#pragma pop_macro("atomic_compare_exchange_weak_explicit")

enum { PRODUCERS = 3, ITEMS = 30000, ROUNDS = 3 };

struct producer {
    struct mpsc_ring *ring;
    uintptr_t number; /* 1.. */
};

static void *produce(void *arg)
{
    const struct producer *p = arg;
    for (uintptr_t i = 0; i < ITEMS; i++)
        while (!mpsc_ring_push(p->ring, (void *)(p->number << 32 | i)))
            sched_yield();
    return NULL;
}

/* False: lost, doubled or out of order. */
static bool consume_all(struct mpsc_ring *r)
{
    uintptr_t next[PRODUCERS + 1] = {0};
    for (size_t left = (size_t)PRODUCERS * ITEMS; left > 0;) {
        void *peeked = mpsc_ring_peek(r);
        void *item = mpsc_ring_pop(r);
        if (!item) {
            sched_yield();
            continue;
        }
        const uintptr_t from = (uintptr_t)item >> 32;
        if ((peeked && peeked != item) || mpsc_ring_len(r) > (size_t)r->mask + 1)
            return false;
        if (((uintptr_t)item & 0xffffffff) != next[from]++)
            return false;
        left--;
    }
    return !mpsc_ring_has_item(r) && mpsc_ring_len(r) == 0;
}

static bool run(size_t capacity)
{
    struct mpsc_ring r;
    struct producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    if (mpsc_ring_init(&r, capacity) != 0)
        return false;
    for (uintptr_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){&r, i + 1};
        if (pthread_create(&threads[i], NULL, produce, &producers[i]) != 0)
            return false;
    }
    if (!consume_all(&r))
        return false; /* the producers may be stuck: leave them to the exit */
    for (size_t i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    mpsc_ring_fini(&r);
    return true;
}

int main(void)
{
    static const size_t capacities[ROUNDS] = {2, 8, 1024};
    alarm(60); /* an item that was lost is waited for for ever */
    for (size_t i = 0; i < ROUNDS; i++)
        if (!run(capacities[i])) {
            printf("stress_mpsc_ring: FAILED with capacity %zu\n", capacities[i]);
            fflush(stdout);
            _exit(1);
        }
    printf("stress_mpsc_ring: ok, %d items from %d producers, %d capacities\n", ITEMS, PRODUCERS,
           ROUNDS);
    return 0;
}
