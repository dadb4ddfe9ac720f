/* A subscriber's books are the number that is due and which of the 64 before it have come. What is
 * older than that and comes at all counts as out of order, and stays lost if it was. */
#include "load/checker.h"

static void move_on(struct checker_place *place, uint32_t seq)
{
    const uint32_t steps = seq + 1 - place->next;
    place->seen = steps < CHECKER_WINDOW ? place->seen << steps | 1 : 1;
    place->next = seq + 1;
}

/* A message that was due earlier. True: it has not come before. */
static bool take_late(struct checker *c, struct checker_place *place, uint32_t seq)
{
    const uint32_t back = place->next - 1 - seq;
    const uint64_t bit = back < CHECKER_WINDOW ? UINT64_C(1) << back : 0;
    if (bit & place->seen) {
        c->duplicated++;
        return false;
    }
    c->disordered++;
    place->seen |= bit;
    return bit != 0;
}

bool checker_take(struct checker *c, struct checker_place *place, struct bytes message,
                  struct payload *out)
{
    switch (payload_check(message, c->run, c->payload_len, out)) {
    case PAYLOAD_CORRUPT:
        c->corrupt++;
        return false;
    case PAYLOAD_FOREIGN:
        c->foreign++;
        return false;
    case PAYLOAD_WHOLE:
        break;
    }
    if (out->seq >= place->next)
        move_on(place, out->seq);
    else if (!take_late(c, place, out->seq))
        return false;
    c->delivered++;
    return true;
}

uint64_t checker_lost(const struct checker *c, uint64_t expected)
{
    return expected > c->delivered ? expected - c->delivered : 0;
}

bool checker_is_clean(const struct checker *c, uint64_t expected)
{
    return checker_lost(c, expected) == 0 && c->duplicated == 0 && c->disordered == 0 &&
           c->corrupt == 0;
}
