/* Time and randomness, the only place besides src/io that asks the kernel for them. A simulated
 * kernel puts its own in here. Any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct clock_source {
    uint64_t (*monotonic_ns)(void);
    int64_t (*realtime_ms)(void);
    void (*random_bytes)(void *out, size_t len);
};

/* NULL: the real ones again. Before any thread starts. */
void clock_set_source(const struct clock_source *source);

uint64_t clock_monotonic_ns(void);
int64_t clock_realtime_ms(void); /* since 1970-01-01 UTC */
/* Unpredictable to peers (epochs, jitter, hash keys). Never fails: without entropy it asserts. */
void clock_random_bytes(void *out, size_t len);
