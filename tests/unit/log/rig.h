/* A log under a clock and a chance that the test sets, and helpers to play its reactors: shared by
 * the tests of log.h. Asserts by itself; holds no expectations of its own. */
#pragma once

#include "base/clock.h"
#include "log/log.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>

static unsigned wakes[LOG_REACTORS_MAX];
static uint64_t now_ns;
static int64_t now_ms;
static uint64_t next_random;

static inline void count_wake(void *user, unsigned reactor)
{
    cr_assert(eq(ptr, user, wakes));
    wakes[reactor]++;
}

static inline uint64_t fake_ns(void)
{
    return now_ns;
}

static inline int64_t fake_ms(void)
{
    return now_ms;
}

static inline void fake_random(void *out, size_t len)
{
    memcpy(out, &next_random, len);
}

static const struct clock_source fake = {fake_ns, fake_ms, fake_random};

static inline void use_fake_clock(void)
{
    clock_set_source(&fake);
}

/* --- shorthand -------------------------------------------------------------------------------- */

static inline struct log_options options(unsigned reactor_count, uint32_t ring_capacity)
{
    return (struct log_options){
        .reactor_count = reactor_count,
        .history_count = 100,
        .history_bytes = UINT64_MAX,
        .ring_capacity = ring_capacity,
        .wake = count_wake,
        .wake_user = wakes,
    };
}

static inline struct log *new_log(struct log_options o)
{
    struct log *l;
    cr_assert(eq(int, log_new(&l, &o), 0));
    return l;
}

static inline struct message *message_of(size_t payload_len)
{
    static uint8_t payload[1 << 20];
    struct message *m = message_new(&(struct message_options){
        .topic = BYTES_LITERAL("t"),
        .payload = {payload, payload_len},
        .kind = MESSAGE_BINARY,
        .origin = {.reactor = ORIGIN_NONE},
    });
    cr_assert(ne(ptr, m, NULL));
    return m;
}

static inline struct message *chain_of(size_t count, size_t payload_len)
{
    struct message *chain = NULL;
    for (size_t i = 0; i < count; i++) {
        struct message *m = message_of(payload_len);
        m->next_in_entry = chain;
        chain = m;
    }
    return chain;
}

static inline int append(struct log *l, struct message *m)
{
    struct message *chain = m;
    const int err = log_append(l, &chain);
    cr_assert(eq(ptr, chain, err ? m : NULL));
    if (err)
        message_unref(&chain);
    return err;
}

static inline void append_new(struct log *l, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cr_assert(eq(int, append(l, message_of(1)), 0));
}

/* The reactor threads, played by the test. Consumes one message; 0: none. */
static inline ENTERS_REACTOR uint64_t consume(struct log *l, unsigned reactor)
{
    struct message *m = log_consume(l, reactor);
    const uint64_t seq = m ? m->seq : 0;
    if (m)
        message_unref(&m);
    return seq;
}

static inline ENTERS_REACTOR void help(struct log *l, unsigned reactor)
{
    log_help(l, reactor);
}

static inline ENTERS_REACTOR bool has_work(struct log *l, unsigned reactor)
{
    return log_has_work(l, reactor);
}

static inline ENTERS_REACTOR void sleep_begin(struct log *l, unsigned reactor)
{
    log_sleep_begin(l, reactor);
}

static inline ENTERS_REACTOR void sleep_end(struct log *l, unsigned reactor)
{
    log_sleep_end(l, reactor);
}

static inline ENTERS_REACTOR const struct message *peek(struct log *l, unsigned reactor)
{
    return log_peek(l, reactor);
}

/* Consumes first..last, in order, and finds nothing behind them. */
static inline void expect_all(struct log *l, unsigned reactor, uint64_t first, uint64_t last)
{
    for (uint64_t seq = first; seq <= last; seq++)
        cr_assert(eq(u64, consume(l, reactor), seq), "reactor %u", reactor);
    cr_assert(eq(u64, consume(l, reactor), 0), "reactor %u", reactor);
}
