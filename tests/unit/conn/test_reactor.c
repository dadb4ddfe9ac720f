/* When pings and heartbeats are due, which needs no turn of the reactor. What its turns do:
 * test_sender.c, test_slow.c and tests/sim. */
#include "conn/reactor.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { EVERY_MS = 24000, CONNECTIONS = 100000, PARTS = 30 };

static uint32_t due_ms(uint32_t slot)
{
    static struct conn conns[CONNECTIONS];
    const struct reactor r = {.conns = conns};
    return reactor_spread(&r, &conns[slot], EVERY_MS);
}

Test(reactor, spreads_what_is_due_over_an_eighth_of_the_interval)
{
    unsigned counts[PARTS] = {0};
    for (uint32_t slot = 0; slot < CONNECTIONS; slot++) {
        const uint32_t earlier_ms = EVERY_MS - due_ms(slot);
        cr_assert(le(u32, earlier_ms, EVERY_MS / 8));
        counts[(uint64_t)earlier_ms * PARTS / (EVERY_MS / 8 + 1)]++;
    }
    for (unsigned i = 0; i < PARTS; i++) {
        cr_assert(gt(uint, counts[i], CONNECTIONS / PARTS * 9 / 10));
        cr_assert(lt(uint, counts[i], CONNECTIONS / PARTS * 11 / 10));
    }
}

Test(reactor, lets_neighbours_be_due_together)
{
    unsigned changes = 0;
    for (uint32_t slot = 1; slot < CONNECTIONS; slot++)
        changes += due_ms(slot) != due_ms(slot - 1);
    cr_assert(lt(uint, changes, CONNECTIONS / 16));
}

Test(reactor, spreads_a_short_interval_too)
{
    static struct conn conns[64];
    const struct reactor r = {.conns = conns};
    for (uint32_t slot = 0; slot < 64; slot++) {
        cr_assert(eq(u32, reactor_spread(&r, &conns[slot], 1), 1));
        cr_assert(eq(u32, reactor_spread(&r, &conns[slot], 0), 0));
    }
}
