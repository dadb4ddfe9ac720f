/* Doubling from a fifth of a second to ten seconds; half of it by chance. */
#include "cat/backoff.h"

#include "base/clock.h"

#include <stdio.h>
#include <time.h>

enum { FIRST_MS = 200, MAX_MS = 10000, TOLD_MAX_MS = 60000, DOUBLINGS_MAX = 6 };

void backoff_init(struct backoff *b, const struct options *o, uint64_t now_ns)
{
    *b = (struct backoff){.retry_s = o->retry_s, .since_ns = now_ns};
}

void backoff_connected(struct backoff *b)
{
    b->was_connected = true;
}

void backoff_worked(struct backoff *b)
{
    b->failures = 0;
}

void backoff_lost(struct backoff *b, uint64_t now_ns)
{
    b->since_ns = now_ns;
}

static bool is_over(const struct backoff *b, uint64_t now_ns)
{
    if (b->retry_s == OPTION_ABSENT)
        return !b->was_connected;
    return now_ns - b->since_ns >= b->retry_s * 1000000000u;
}

uint64_t backoff_next(struct backoff *b, uint64_t now_ns, uint64_t told_ms, uint32_t random)
{
    if (is_over(b, now_ns))
        return UINT64_MAX;
    uint64_t ms = (uint64_t)FIRST_MS << (b->failures < DOUBLINGS_MAX ? b->failures : DOUBLINGS_MAX);
    b->failures++;
    ms = ms < MAX_MS ? ms : MAX_MS;
    ms = ms / 2 + random % (ms / 2);
    told_ms = told_ms < TOLD_MAX_MS ? told_ms : TOLD_MAX_MS;
    return ms > told_ms ? ms : told_ms;
}

bool backoff_wait(struct backoff *b, const struct options *o, uint64_t told_ms, const char *why)
{
    uint32_t random;
    clock_random_bytes(&random, sizeof(random));
    const uint64_t ms = backoff_next(b, clock_monotonic_ns(), told_ms, random);
    if (ms == UINT64_MAX)
        return false;
    if (!o->quiet)
        fprintf(stderr, "uproar-cat: %s: again in %.1f s\n", why, (double)ms / 1000);
    struct timespec left = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0)
        continue;
    return true;
}
