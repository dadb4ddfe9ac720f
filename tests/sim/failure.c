/* The report of a broken promise, and the ring of the last events. */
#include "sim/failure.h"

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EVENTS_KEPT = 64, EVENT_MAX = 112, SIGNAL_STACK_BYTES = 64 << 10 };

static struct {
    uint64_t seed, allocation;
    const uint64_t *now_ns;
    failure_describe_fn *describe;
    const void *describe_user;
    bool shows_all;
    uint64_t event_count;
    char events[EVENTS_KEPT][EVENT_MAX];
} run;

void failure_begin(uint64_t seed, uint64_t allocation, const uint64_t *now_ns)
{
    run.seed = seed;
    run.allocation = allocation;
    run.now_ns = now_ns;
    run.event_count = 0;
    run.describe = NULL;
}

void failure_describe_by(failure_describe_fn *describe, const void *user)
{
    run.describe = describe;
    run.describe_user = user;
}

void trace_show_all(_Bool show)
{
    run.shows_all = show;
}

void trace(const char *format, ...)
{
    char *event = run.events[run.event_count++ % EVENTS_KEPT];
    const double now_ms = run.now_ns ? (double)*run.now_ns / 1e6 : 0;
    const int len = snprintf(event, EVENT_MAX, "%12.3f ms  ", now_ms);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(event + len, (size_t)(EVENT_MAX - len), format, arguments);
    va_end(arguments);
    if (run.shows_all)
        puts(event);
}

static void print_last_events(void)
{
    const uint64_t first = run.event_count > EVENTS_KEPT ? run.event_count - EVENTS_KEPT : 0;
    for (uint64_t i = first; i < run.event_count && !run.shows_all; i++)
        printf("  %s\n", run.events[i % EVENTS_KEPT]);
}

static void print_rest(void)
{
    print_last_events();
    if (run.describe)
        run.describe(run.describe_user);
    printf("replay: sim --seed %llu", (unsigned long long)run.seed);
    if (run.allocation > 0)
        printf(" --allocation %llu", (unsigned long long)run.allocation);
    printf("\n");
    fflush(NULL);
}

static _Noreturn void end(void)
{
    print_rest();
    _exit(1);
}

void sim_fail(const char *invariant, const char *format, ...)
{
    va_list arguments;
    printf("seed %llu: %s: ", (unsigned long long)run.seed, invariant);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    end();
}

/* Not what a handler may call by the book, but the run is over, and the report is what counts. */
static void on_signal(int number)
{
    printf("seed %llu: crash: signal %d\n", (unsigned long long)run.seed, number);
    end();
}

/* A sanitizer has said what is wrong, and ends the program itself: without the seed nobody could
 * see it again. Absent where none is linked. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void on_sanitizer_report(void)
{
    printf("seed %llu: crash: see the sanitizer's report\n", (unsigned long long)run.seed);
    print_rest();
}

/* On a stack of its own: a fiber's may be what overflowed. The sanitizers have their own handlers
 * for what is not an assertion. */
void failure_catch_signals(void)
{
    static uint8_t stack[SIGNAL_STACK_BYTES];
    static const int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    const stack_t own = {.ss_sp = stack, .ss_size = sizeof(stack)};
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    sigaltstack(&own, NULL);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(on_sanitizer_report);
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction before;
        sigaction(numbers[i], NULL, &before);
        if (before.sa_handler == SIG_DFL)
            sigaction(numbers[i], &action, NULL);
    }
}
