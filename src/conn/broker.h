/* What all reactors of one server share: the settings (immutable once they run), the log, and a few
 * counts. It owns no connection. */
#pragma once

#include "base/logline.h"
#include "base/siphash.h"
#include "conn/stats.h"
#include "http/origin.h"
#include "log/log.h"

#include <stdatomic.h>

struct judge_hooks;
struct reactor;

/* What becomes of a subscriber that has lost its place: its next messages are trimmed. */
enum slow_policy {
    SLOW_CLOSE, /* WebSocket 1013, the event stream ends; it may resume, and is told the gap then */
    SLOW_SKIP,  /* a gap, then from the oldest retained */
    SLOW_LATEST, /* conflation: until it has caught up, only the newest message of each topic */
};

/* What handshakes agree to compress. */
enum deflate_policy {
    DEFLATE_SHARED, /* each message alone: once for all subscribers, and no memory between two */
    DEFLATE_OFF,
    DEFLATE_FULL, /* a publisher's messages may refer to its earlier ones */
};

struct broker_settings {
    uint32_t conn_count_max; /* the whole server */
    uint32_t message_bytes_max;
    uint64_t body_bytes_max;
    uint32_t history_count, history_ms;
    uint64_t history_bytes;
    uint32_t heartbeat_ms, ping_ms, drain_ms;
    uint32_t stream_max_ms; /* how long an event stream lives; 0: for ever */
    enum slow_policy slow;
    enum deflate_policy deflate;
    uint32_t deflate_bytes_min; /* shorter messages are not compressed */
    bool is_target;             /* serves the load-test endpoints: echo.h */
    struct http_origins origins;
    struct bytes publish_token, subscribe_token; /* absent: anybody may */
    struct bytes admin_token;                    /* absent: nobody may */
};

struct broker {
    struct broker_settings settings;
    struct log *log;
    struct logline_sink sink;
    struct siphash_key hash_key;
    struct reactor *reactors;
    unsigned reactor_count;
    uint32_t slot_count; /* of each reactor */
    const char *version, *io_name;
    const struct judge_hooks *hooks; /* the embedder's callbacks; NULL: none about peers */

    /* Peers that count towards conn_count_max, on all reactors. Relaxed: a limit, not a lock. */
    _Alignas(64) _Atomic uint32_t conn_count;
    /* Unfinished bodies and messages, in bytes; bounded by body_bytes_max. Relaxed. */
    _Alignas(64) _Atomic uint64_t body_bytes;
    /* Answers of long-polls that were not read yet, in bytes; bounded by half of that. Relaxed. */
    _Alignas(64) _Atomic uint64_t answer_bytes;
    /* What WebSockets may keep of zlib between messages, in bytes; bounded by half of that.
     * Relaxed. */
    _Alignas(64) _Atomic uint64_t context_bytes;
    /* Monotonic time at which the drain began; 0: not draining. Written once with release, read
     * with acquire: whoever sees it sees what was set before uproar_stop(). */
    _Alignas(64) _Atomic uint64_t drain_ns;
    _Atomic unsigned drained_count; /* reactors that are through with their drain */
    _Atomic bool end_now;

    /* Wire images that messages keep; messages pinned by cut frames, with the images that those
     * need. In bytes. Relaxed. */
    _Alignas(64) _Atomic uint64_t image_bytes;
    _Alignas(64) _Atomic uint64_t pinned_bytes;

    /* Letters to peers that were not opened yet, in bytes. Relaxed. */
    _Alignas(64) _Atomic uint64_t letter_bytes;

    _Alignas(64) _Atomic uint64_t api_published; /* by uproar_publish(), any thread */

    /* One cause each: a flood of one error neither fills a disk nor hides another. */
    struct {
        struct logline_cause accept, full, origin, memory, log_full, slow, callback;
    } causes;
};

static inline bool broker_is_draining(const struct broker *b)
{
    return atomic_load_explicit(&b->drain_ns, memory_order_acquire) != 0;
}
