/* The end of a run that broke a promise: prints the seed, the invariant, what was wrong and the
 * last events, and ends the program with status 1. And the events that it prints. */
#pragma once

#include "base/attr.h"

#include <stdint.h>

/* A new run: forgets the events of the last one. allocation: which one fails, as main.c counts
 * them; 0: it is an ordinary run. now_ns: virtual time, for the events. */
void failure_begin(uint64_t seed, uint64_t allocation, const uint64_t *now_ns);
/* Prints more about the run, behind the events. */
typedef void failure_describe_fn(const void *user);
void failure_describe_by(failure_describe_fn *describe, const void *user);
/* Also turns failed assertions and crashes of the code under test into failures. */
void failure_catch_signals(void);

/* invariant: one of the names in tests/README.md, e.g. "order". */
_Noreturn void sim_fail(const char *invariant, const char *format, ...) PRINTF_LIKE(2, 3);

#define SIM_CHECK(invariant, condition, ...)                                                       \
    do {                                                                                           \
        if (!(condition))                                                                          \
            sim_fail(invariant, __VA_ARGS__);                                                      \
    } while (0)

/* One line for the list of last events; cheap: formatted only when it is printed... or now, when
 * `--verbose` shows all of them. At most 100 bytes are kept. */
void trace(const char *format, ...) PRINTF_LIKE(1, 2);
void trace_show_all(_Bool show);
