/* The real clocks and the kernel's random numbers. */
#include "base/clock.h"

#include "base/assert.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

static uint64_t real_monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int64_t real_realtime_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void real_random_bytes(void *out, size_t len)
{
    uint8_t *at = out;
    while (len > 0) {
        const ssize_t n = getrandom(at, len, 0);
        if (n < 0) {
            ASSERT(errno == EINTR);
            continue;
        }
        at += n;
        len -= (size_t)n;
    }
}

static const struct clock_source clock_real = {
    .monotonic_ns = real_monotonic_ns,
    .realtime_ms = real_realtime_ms,
    .random_bytes = real_random_bytes,
};
static const struct clock_source *clock_now = &clock_real;

void clock_set_source(const struct clock_source *source)
{
    clock_now = source ? source : &clock_real;
}

uint64_t clock_monotonic_ns(void)
{
    return clock_now->monotonic_ns();
}

int64_t clock_realtime_ms(void)
{
    return clock_now->realtime_ms();
}

void clock_random_bytes(void *out, size_t len)
{
    clock_now->random_bytes(out, len);
}
