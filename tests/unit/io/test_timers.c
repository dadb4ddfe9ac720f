/* The sweeping hand: what fires, when, in which portions, and what a sweep costs. No real time. */
#include "io/timers.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>

enum { SLOTS = 200000 };

static struct timers timers;
static unsigned calls;
static uint32_t last_slot;
static uint32_t again_ms; /* on_due() sets the slot's deadline anew; 0: it does not */

static void on_due(void *user, uint32_t slot)
{
    struct timers *t = user;
    calls++;
    last_slot = slot;
    cr_assert(not(timers_is_set(t, slot)), "cleared before the call");
    if (again_ms != 0)
        timers_set(t, slot, again_ms);
}

static unsigned run_at(uint32_t now_ms)
{
    calls = 0;
    timers_run(&timers, now_ms, on_due, &timers);
    return calls;
}

static void open_timers(void)
{
    cr_assert(eq(int, timers_init(&timers, SLOTS), 0));
}

static void close_timers(void)
{
    timers_fini(&timers);
}

TestSuite(timers, .init = open_timers, .fini = close_timers);

Test(timers, without_a_deadline_one_may_sleep_for_ever)
{
    cr_assert(eq(u32, timers_wait_ms(&timers, 1), UINT32_MAX));
    cr_assert(eq(uint, run_at(1000000), 0));
}

Test(timers, a_deadline_fires_once_and_never_early)
{
    timers_set(&timers, 7, 100);
    cr_assert(eq(u32, timers_wait_ms(&timers, 40), 60));
    cr_assert(eq(uint, run_at(99), 0));
    cr_assert(eq(uint, run_at(100), 1));
    cr_assert(eq(u32, last_slot, 7));
    cr_assert(eq(uint, run_at(200), 0));
    cr_assert(eq(u32, timers_wait_ms(&timers, 200), UINT32_MAX));
}

Test(timers, a_new_deadline_replaces_the_old_one)
{
    timers_set(&timers, 7, 100);
    timers_set(&timers, 7, 300);
    cr_assert(eq(uint, run_at(150), 0));
    cr_assert(eq(u32, timers_wait_ms(&timers, 150), 150), "the sweep has found the later one");
    cr_assert(eq(uint, run_at(300), 1));
}

Test(timers, a_deadline_is_brought_forward_but_not_put_off)
{
    timers_bring_forward(&timers, 7, 200);
    timers_bring_forward(&timers, 7, 100);
    timers_bring_forward(&timers, 7, 150);
    cr_assert(eq(uint, run_at(99), 0));
    cr_assert(eq(uint, run_at(100), 1));
    cr_assert(eq(uint, run_at(300), 0));
}

Test(timers, a_cleared_deadline_does_not_fire)
{
    timers_set(&timers, 7, 100);
    timers_set(&timers, 8, 100);
    timers_clear(&timers, 7);
    cr_assert(eq(uint, run_at(100), 1));
    cr_assert(eq(u32, last_slot, 8));
}

Test(timers, a_call_may_set_its_slot_again)
{
    timers_set(&timers, 63, 100);
    again_ms = 250;
    cr_assert(eq(uint, run_at(100), 1));
    cr_assert(eq(u32, timers_wait_ms(&timers, 100), 150));
    again_ms = 0;
    cr_assert(eq(uint, run_at(249), 0));
    cr_assert(eq(uint, run_at(250), 1));
}

static void set_another(void *user, uint32_t slot)
{
    calls++;
    if (slot == 500)
        timers_set(user, 3, 130); /* behind the hand */
    else if (slot == 3)
        timers_set(user, 100000, 131); /* beyond every slot used so far */
}

Test(timers, a_call_may_set_other_slots_before_and_behind_the_hand)
{
    timers_set(&timers, 500, 100);
    timers_run(&timers, 100, set_another, &timers);
    cr_assert(eq(u32, timers_wait_ms(&timers, 101), 29));
    timers_run(&timers, 130, set_another, &timers);
    cr_assert(timers_is_set(&timers, 100000));
    timers_run(&timers, 160, set_another, &timers);
    cr_assert(eq(uint, calls, 3));
}

Test(timers, no_more_than_the_budget_fires_at_once_and_the_rest_follows)
{
    for (uint32_t slot = 0; slot < 10000; slot++)
        timers_set(&timers, slot, 100);
    timers_set(&timers, 20000, 500);
    cr_assert(eq(uint, run_at(100), TIMERS_BUDGET));
    cr_assert(eq(u32, timers_wait_ms(&timers, 100), 0), "there is more");
    timers_set(&timers, 0, 300); /* behind the hand that stopped */
    cr_assert(eq(uint, run_at(100), TIMERS_BUDGET));
    cr_assert(eq(uint, run_at(100), 10000 - 2 * TIMERS_BUDGET));
    cr_assert(eq(u32, timers_wait_ms(&timers, 200), 100));
    cr_assert(eq(uint, run_at(300), 1));
    cr_assert(eq(uint, run_at(500), 1));
}

Test(timers, time_may_wrap)
{
    const uint32_t before = UINT32_MAX - 50;
    cr_assert(eq(uint, run_at(before), 0));
    timers_set(&timers, 1, before + 40);
    timers_set(&timers, 2, before + 51); /* wraps to 0, which means none elsewhere */
    timers_set(&timers, 3, before + 200);
    cr_assert(eq(u32, timers_wait_ms(&timers, before), 40));
    cr_assert(eq(uint, run_at(before + 39), 0));
    cr_assert(eq(uint, run_at(before + 45), 1));
    cr_assert(eq(uint, run_at(before + 60), 1));
    cr_assert(eq(u32, last_slot, 2));
    cr_assert(eq(u32, timers_wait_ms(&timers, before + 60), 140));
    cr_assert(eq(uint, run_at(before + 200), 1));
}

Test(timers, many_slots_are_swept_less_often_but_none_is_late_by_more_than_the_interval)
{
    const uint32_t interval_ms = 1 + SLOTS / 5000;
    timers_set(&timers, SLOTS - 1, 1000000);
    timers_set(&timers, 0, 100);
    timers_set(&timers, 1, 101);
    cr_assert(eq(uint, run_at(100), 1));
    const uint32_t wait_ms = timers_wait_ms(&timers, 101);
    cr_assert(ge(u32, wait_ms, 2));
    cr_assert(le(u32, wait_ms, interval_ms));
    cr_assert(eq(uint, run_at(102), 0), "too soon after the last sweep");
    cr_assert(eq(uint, run_at(101 + wait_ms), 1));
}

Test(timers, slots_no_longer_used_are_not_swept)
{
    timers_set(&timers, SLOTS - 1, 100);
    cr_assert(eq(uint, run_at(100), 1));
    timers_set(&timers, 5, 200);
    cr_assert(eq(uint, run_at(200), 1));
    cr_assert(le(u32, timers.high, 64));
}

/* Against a model that looks at every slot each time. */
Test(timers, fires_what_a_plain_list_would_fire)
{
    static uint32_t model[3000];
    uint32_t seed = 1, fired = 0, set = 0;
    for (uint32_t now = 1; now < 3000; now++) {
        for (int i = 0; i < 4; i++) {
            seed = seed * 1664525 + 1013904223;
            const uint32_t slot = (seed >> 8) % 3000;
            set += model[slot] == 0;
            model[slot] = now + 1 + (seed >> 20) % 300;
            timers_set(&timers, slot, model[slot]);
        }
        fired += run_at(now);
        for (uint32_t slot = 0; slot < 3000; slot++) {
            if (model[slot] != 0 && model[slot] <= now) {
                cr_assert(not(timers_is_set(&timers, slot)), "slot %u at %u", slot, now);
                model[slot] = 0;
            }
            cr_assert(eq(int, timers_is_set(&timers, slot), model[slot] != 0));
        }
    }
    fired += run_at(10000);
    cr_assert(eq(u32, fired, set));
}

Test(timers, a_sweep_over_a_million_slots_is_a_small_part_of_its_interval)
{
    enum { MILLION = 1000000, SWEEPS = 20 };
    timers_fini(&timers);
    cr_assert(eq(int, timers_init(&timers, MILLION), 0));
    for (uint32_t slot = 0; slot < MILLION; slot++)
        timers_set(&timers, slot, 1000000 + slot);
    uint64_t best_ns = UINT64_MAX;
    for (uint32_t i = 1; i <= SWEEPS; i++) {
        timers_set(&timers, 5, 250 * i); /* makes this one sweep */
        const uint64_t start_ns = clock_monotonic_ns();
        cr_assert(eq(uint, run_at(250 * i), 1));
        const uint64_t took_ns = clock_monotonic_ns() - start_ns;
        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    cr_log_info("%llu us per sweep", (unsigned long long)best_ns / 1000);
    cr_assert(lt(u64, best_ns, 10000000), "%llu ns", (unsigned long long)best_ns);
}

static _Bool refuse(void *user, size_t size)
{
    (void)user;
    (void)size;
    return 0;
}

Test(timers, without_memory_init_says_so)
{
    struct timers none;
    alloc_set_gate(refuse, NULL);
    cr_assert(eq(int, timers_init(&none, 10), -ENOMEM));
    alloc_set_gate(NULL, NULL);
}
