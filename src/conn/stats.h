/* What a reactor counts: written by its thread alone, read by any (relaxed). Nothing is computed.
 */
#pragma once

#include "base/histogram.h"
#include "log/envelope.h"

#include <stdatomic.h>
#include <stdint.h>

enum stat_proto { STAT_HTTP, STAT_POLL, STAT_SSE, STAT_WS, STAT_LOCAL, STAT_PROTOS };
enum stat_source { STAT_FROM_HTTP, STAT_FROM_WS, STAT_SOURCES };

#define REFUSED_REASONS(X)                                                                         \
    X(full) X(draining) X(origin) X(token) X(memory) X(denied) X(login) X(no_verdict)
#define REJECTED_REASONS(X)                                                                        \
    X(bad_topic)                                                                                   \
    X(bad_text)                                                                                    \
    X(bad_event)                                                                                   \
    X(too_large) X(media_type) X(log_full) X(memory) X(not_allowed) X(finished) X(denied)

/* The embedder's, as they are called in uproar.h. */
#define CALLBACKS(X) X(on_open) X(on_subscribe) X(on_publish) X(on_close) X(done)

#define ENUM_REFUSED(name)  REFUSED_##name,
#define ENUM_REJECTED(name) REJECTED_##name,
enum refused { REFUSED_REASONS(ENUM_REFUSED) REFUSED_COUNT };
#define ENUM_CALLBACK(name) CALLBACK_##name,
enum callback { CALLBACKS(ENUM_CALLBACK) CALLBACK_COUNT };
enum rejected { REJECTED_REASONS(ENUM_REJECTED) REJECTED_COUNT };

struct stats {
    _Atomic uint32_t connections[STAT_PROTOS];
    _Atomic uint64_t accepts;
    _Atomic uint64_t refused[REFUSED_COUNT];
    _Atomic uint64_t received_bytes[STAT_PROTOS];
    _Atomic uint64_t sent_bytes[STAT_PROTOS];
    _Atomic uint64_t published[STAT_SOURCES];
    _Atomic uint64_t rejected[REJECTED_COUNT];
    _Atomic uint64_t deliveries[STAT_PROTOS];
    _Atomic uint64_t gaps[GAP_REASONS];
    _Atomic uint64_t slow_closes;
    _Atomic uint64_t wakeups;
    _Atomic uint64_t deflate_compressions;
    _Atomic uint64_t history_bytes, history_messages, topics, subscriptions;
    _Atomic uint64_t callbacks_late[CALLBACK_COUNT];
    _Atomic uint64_t callback; /* the one that runs, by stat_callback(); 0: none */
    struct histogram publish_to_send;
    struct histogram turn; /* what a reactor's turn took, its sleep apart */
};

static inline void stat_add(_Atomic uint64_t *count, uint64_t n)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline uint64_t stat_read(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

/* Which callback runs, and since when (monotonic), in one word: read by others while it blocks. */
static inline uint64_t stat_callback(uint64_t since_ns, enum callback which)
{
    static_assert(CALLBACK_COUNT <= 8, "three bits");
    return since_ns << 3 | which;
}

static inline enum callback stat_callback_which(uint64_t running)
{
    return (enum callback)(running & 7);
}

static inline uint64_t stat_callback_since(uint64_t running)
{
    return running >> 3;
}
