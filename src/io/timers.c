/* The sweeping hand of timers.h. Knows nothing of what deadlines are for. */
#include "io/timers.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <errno.h>
#include <string.h>

enum {
    BLOCK = 64,           /* deadlines looked at together, without a branch in between */
    SLOTS_PER_MS = 5000,  /* at most so many are swept per millisecond, on average */
    NEVER_MS = INT32_MAX, /* a distance that no deadline has */
};

int timers_init(struct timers *t, uint32_t count)
{
    *t = (struct timers){.capacity = ((size_t)count + BLOCK - 1) / BLOCK * BLOCK};
    t->deadlines = alloc_reserve(t->capacity * sizeof(*t->deadlines));
    return t->deadlines ? 0 : -ENOMEM;
}

void timers_fini(struct timers *t)
{
    alloc_release(t->deadlines, t->capacity * sizeof(*t->deadlines));
    *t = (struct timers){0};
}

static bool is_before(uint32_t a_ms, uint32_t b_ms)
{
    return (int32_t)(a_ms - b_ms) < 0;
}

static void note_earliest(bool *has, uint32_t *earliest_ms, uint32_t deadline_ms)
{
    if (!*has || is_before(deadline_ms, *earliest_ms))
        *earliest_ms = deadline_ms;
    *has = true;
}

void timers_set(struct timers *t, uint32_t slot, uint32_t deadline_ms)
{
    ASSERT(slot < t->capacity);
    deadline_ms += deadline_ms == 0; /* 0 means none */
    t->deadlines[slot] = deadline_ms;
    if (slot >= t->high)
        t->high = slot + 1;
    note_earliest(&t->has_next, &t->next_ms, deadline_ms);
    if (!t->sweeping)
        return;
    /* The hand may be past it: counted in any case. */
    note_earliest(&t->has_found, &t->found_ms, deadline_ms);
    if (slot >= t->used)
        t->used = slot + 1;
}

void timers_bring_forward(struct timers *t, uint32_t slot, uint32_t deadline_ms)
{
    ASSERT(slot < t->capacity);
    if (!timers_is_set(t, slot) || is_before(deadline_ms, t->deadlines[slot]))
        timers_set(t, slot, deadline_ms);
}

/* next_ms stays: too early a wake-up costs one sweep. */
void timers_clear(struct timers *t, uint32_t slot)
{
    ASSERT(slot < t->capacity);
    t->deadlines[slot] = 0;
}

static uint32_t interval_ms(const struct timers *t)
{
    return 1 + t->high / SLOTS_PER_MS;
}

uint32_t timers_wait_ms(const struct timers *t, uint32_t now_ms)
{
    if (t->sweeping)
        return 0;
    if (!t->has_next)
        return UINT32_MAX;
    uint32_t due_ms = t->next_ms;
    const uint32_t again_ms = t->swept_ms + interval_ms(t);
    /* A sweep in the future is one of a wrapped past: 24 days without any. */
    if (is_before(due_ms, again_ms) && again_ms - now_ms <= interval_ms(t))
        due_ms = again_ms;
    return is_before(now_ms, due_ms) ? due_ms - now_ms : 0;
}

/* --- the sweep -------------------------------------------------------------------------------- */

/* Signed distance from now to the earliest deadline of a block, minus 1: negative when it is due.
 * Four at a time and without a branch, by hand: compilers leave it four times as slow. */
static int32_t nearest_in(const uint32_t *block, uint32_t now_ms)
{
    int32_t best __attribute__((vector_size(16))) = {NEVER_MS, NEVER_MS, NEVER_MS, NEVER_MS};
    for (int i = 0; i < BLOCK; i += 4) {
        uint32_t four __attribute__((vector_size(16)));
        memcpy(&four, block + i, sizeof(four));
        const __typeof__(best) none = four == 0; /* all bits where true */
        const __typeof__(best) distance = (__typeof__(best))(four - (now_ms + 1));
        const __typeof__(best) left = (distance & ~none) | (none & NEVER_MS);
        const __typeof__(best) better = left < best;
        best = (left & better) | (best & ~better);
    }
    int32_t nearest = best[0];
    for (int i = 1; i < 4; i++)
        nearest = best[i] < nearest ? best[i] : nearest;
    return nearest;
}

static void begin(struct timers *t, uint32_t now_ms)
{
    t->sweeping = true;
    t->has_found = false;
    t->at = 0;
    t->used = 0;
    t->swept_ms = now_ms;
}

static void finish(struct timers *t)
{
    t->sweeping = false;
    t->has_next = t->has_found;
    t->next_ms = t->found_ms;
    t->high = t->used;
}

/* Calls for what is due in the block at t->at, up to the budget. True: the block is done. */
static bool run_block(struct timers *t, uint32_t now_ms, unsigned *budget, timers_due_fn *fn,
                      void *user)
{
    const uint32_t first = t->at;
    for (uint32_t slot = first; slot < first + BLOCK; slot++) {
        const uint32_t deadline_ms = t->deadlines[slot];
        if (deadline_ms == 0 || is_before(now_ms, deadline_ms))
            continue;
        if (*budget == 0)
            return false;
        --*budget;
        t->deadlines[slot] = 0;
        fn(user, slot);
    }
    return true;
}

static void pass_block(struct timers *t, uint32_t now_ms)
{
    const int32_t nearest = nearest_in(t->deadlines + t->at, now_ms);
    t->at += BLOCK;
    if (nearest == NEVER_MS)
        return;
    note_earliest(&t->has_found, &t->found_ms, now_ms + 1 + (uint32_t)nearest);
    if (t->at > t->used)
        t->used = t->at;
}

void timers_run(struct timers *t, uint32_t now_ms, timers_due_fn *fn, void *user)
{
    if (timers_wait_ms(t, now_ms) > 0)
        return;
    if (!t->sweeping)
        begin(t, now_ms);
    unsigned budget = TIMERS_BUDGET;
    while (t->at < t->high) {
        if (nearest_in(t->deadlines + t->at, now_ms) < 0 &&
            !run_block(t, now_ms, &budget, fn, user))
            return;
        pass_block(t, now_ms);
    }
    finish(t);
}
