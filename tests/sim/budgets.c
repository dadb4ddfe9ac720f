/* The bounds, as src/conn keeps them: a body is admitted, read on, or an answer made, only while
 * the sum is within its limit. What may lie beyond is what came after the last such look. */
#include "sim/budgets.h"

#include "conn/inbound.h"
#include "conn/outbox.h"
#include "sim/failure.h"
#include "sim/world.h"

enum {
    /* Forty answers without a message, at most, are made without a look at the sum. */
    SMALL_ANSWERS_BYTES = 16 << 10,
    /* Two receives at most are added at once: one that was parked, and the next. A text doubles: if
     * it is so many times as large, then it has done so only once. */
    DOUBLED_ONCE = 8,
};

struct sum {
    uint64_t settled; /* what was there at the last look at the sum */
    uint64_t largest; /* of one connection */
};

static void add(struct sum *sum, uint64_t settled, uint64_t all)
{
    sum->settled += settled;
    sum->largest = all > sum->largest ? all : sum->largest;
}

/* A body of known length pays in advance, and waits before it has a byte. Any other is looked at
 * when it has got a receive, and then not read on. */
static void add_body(const struct world *w, unsigned reactor, uint32_t slot, struct sum *sum)
{
    const struct inbound *in = w->reactors[reactor].conns[slot].inbound;
    if (!in || in->body.capacity == 0)
        return;
    const uint64_t bytes = in->body.capacity;
    const uint64_t window = kernel_window(&w->kernel, reactor, slot);
    const uint64_t receive = window < SCRATCH_BYTES ? window : SCRATCH_BYTES;
    const bool is_known = in->request && !in->request->chunked;
    add(sum, is_known ? bytes : bytes >= DOUBLED_ONCE * receive ? bytes / 2 : 0, bytes);
}

/* One that is large was looked at; what came behind it may have doubled it. */
static void add_answer(const struct conn *c, struct sum *sum)
{
    const uint64_t bytes = c->outbox ? c->outbox->charged : 0;
    if (bytes > SMALL_ANSWERS_BYTES)
        add(sum, bytes / 2, bytes);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Reactors do not wait for each other: each may have looked before the others added theirs. A body
 * longer than the whole budget is taken when it is alone. */
void budgets_check(const struct world *w)
{
    const uint64_t limit = w->broker->settings.body_bytes_max;
    const unsigned count = w->broker->reactor_count;
    struct sum bodies = {0}, answers = {0};
    for (unsigned i = 0; i < count; i++)
        for (uint32_t slot = 0; slot < w->reactors[i].slot_high; slot++) {
            add_body(w, i, slot, &bodies);
            add_answer(&w->reactors[i].conns[slot], &answers);
        }
    SIM_CHECK("limits",
              bodies.settled <= larger(limit, bodies.largest) + (count - 1) * bodies.largest,
              "%lu bytes of bodies were admitted", (unsigned long)bodies.settled);
    SIM_CHECK("limits", answers.settled <= limit / 2 + count * answers.largest / 2,
              "%lu bytes of answers that nobody reads", (unsigned long)answers.settled);
}
