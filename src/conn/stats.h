/* What a reactor counts: written by its thread alone, read by any (relaxed). Nothing is computed.
 */
#pragma once

#include "base/histogram.h"

#include <stdatomic.h>
#include <stdint.h>

enum stat_proto { STAT_HTTP, STAT_SSE, STAT_WS, STAT_PROTOS };
enum stat_source { STAT_FROM_HTTP, STAT_FROM_WS, STAT_SOURCES };

#define REFUSED_REASONS(X) X(full) X(draining) X(origin) X(token) X(memory)
#define REJECTED_REASONS(X)                                                                        \
    X(bad_topic)                                                                                   \
    X(bad_text) X(bad_event) X(too_large) X(media_type) X(log_full) X(memory) X(not_allowed)

#define ENUM_REFUSED(name)  REFUSED_##name,
#define ENUM_REJECTED(name) REJECTED_##name,
enum refused { REFUSED_REASONS(ENUM_REFUSED) REFUSED_COUNT };
enum rejected { REJECTED_REASONS(ENUM_REJECTED) REJECTED_COUNT };

typedef _Atomic uint64_t stat_count;

struct stats {
    _Atomic uint32_t connections[STAT_PROTOS];
    stat_count accepts;
    stat_count refused[REFUSED_COUNT];
    stat_count received_bytes[STAT_PROTOS];
    stat_count sent_bytes[STAT_PROTOS];
    stat_count published[STAT_SOURCES];
    stat_count rejected[REJECTED_COUNT];
    stat_count deliveries[STAT_PROTOS];
    stat_count gaps_slow;
    stat_count slow_closes;
    stat_count wakeups;
    stat_count turns;
    _Atomic uint64_t history_bytes, history_messages, topics, subscriptions;
    struct histogram publish_to_send;
};

static inline void stat_add(stat_count *count, uint64_t n)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline uint64_t stat_read(const stat_count *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}
