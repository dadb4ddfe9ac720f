/* The log's doors: append from any thread, consume and help from the reactors. The order itself is
 * the engine's. */
#include "log/log.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "log/log_internal.h"

#include <errno.h>

/* --- life ------------------------------------------------------------------------------------- */

static uint64_t new_epoch(void)
{
    uint64_t epoch;
    clock_random_bytes(&epoch, sizeof(epoch));
    return epoch ? epoch : 1; /* 0 means "no cursor" elsewhere */
}

static int retention_init(struct retention *kept, const struct log_options *o)
{
    kept->count_max = o->history_count ? o->history_count : 1;
    kept->bytes_max = o->history_bytes;
    kept->costs = alloc_reserve((size_t)kept->count_max * sizeof(*kept->costs));
    return kept->costs ? 0 : -ENOMEM;
}

static void retention_fini(struct retention *kept)
{
    alloc_release(kept->costs, (size_t)kept->count_max * sizeof(*kept->costs));
}

static int rings_init(struct log *l, const struct log_options *o)
{
    const size_t capacity = o->ring_capacity ? o->ring_capacity : LOG_REACTOR_RING_MAX;
    const uint64_t bytes_max = o->ring_bytes ? o->ring_bytes : LOG_RING_BYTES_MAX;
    for (; l->reactor_count < o->reactor_count; l->reactor_count++) {
        const int err = log_ring_init(&l->reactors[l->reactor_count].ring, capacity, bytes_max);
        if (err)
            return err;
    }
    return 0;
}

static void rings_fini(struct log *l)
{
    for (unsigned i = 0; i < l->reactor_count; i++)
        log_ring_fini(&l->reactors[i].ring);
}

/* Zero-filled and aligned to a page, which the cache lines of struct log need. */
static struct log *log_reserve(const struct log_options *o)
{
    const size_t size = sizeof(struct log) + o->reactor_count * sizeof(struct log_reactor);
    struct log *l = alloc_reserve(size);
    if (!l)
        return NULL;
    l->size = size;
    l->epoch = new_epoch();
    l->engine = o->engine ? o->engine : &log_engine_memory;
    l->wake = o->wake;
    l->wake_user = o->wake_user;
    return l;
}

int log_new(struct log **out, const struct log_options *o)
{
    ASSERT(o->reactor_count > 0);
    ASSERT(o->reactor_count <= LOG_REACTORS_MAX);
    ASSERT(o->wake);
    *out = NULL;
    struct log *l = log_reserve(o);
    if (!l)
        return -ENOMEM;
    int err = retention_init(&l->kept, o);
    if (err)
        goto fail_log;
    err = rings_init(l, o);
    if (err)
        goto fail_rings;
    err = l->engine->open(l, o);
    if (err)
        goto fail_rings;
    *out = l;
    return 0;

fail_rings:
    rings_fini(l);
    retention_fini(&l->kept);
fail_log:
    alloc_release(l, l->size);
    return err;
}

void log_unref_chain(struct message *chain, unsigned first_refs, unsigned other_refs)
{
    unsigned refs = first_refs;
    while (chain) {
        struct message *next = chain->next_in_entry;
        for (; refs > 0; refs--) {
            struct message *m = chain;
            message_unref(&m);
        }
        refs = other_refs;
        chain = next;
    }
}

/* Now, not with its last reference: somebody outside may still hold one. */
static void tell_chain(struct message *chain)
{
    for (struct message *m = chain; m; m = m->next_in_entry)
        message_ordered(m, -ESHUTDOWN);
}

/* What the rings that have not got it would hold. Images are counted in what ends with us, messages
 * may be kept outside: those reactors will not ask for any. */
static void let_go_of_pending(struct log *l)
{
    const unsigned missing = l->reactor_count - l->next_reactor;
    tell_chain(l->pending);
    for (unsigned i = 0; l->pending && i < missing; i++)
        message_retire_images(l->pending);
    log_unref_chain(l->pending, missing, l->reactor_count);
}

void log_free(struct log **l_ptr)
{
    struct log *l = *l_ptr;
    *l_ptr = NULL;
    if (!l)
        return;
    l->engine->close(l);
    let_go_of_pending(l);
    for (unsigned i = 0; i < l->reactor_count; i++)
        for (struct message *m; (m = log_ring_pop(&l->reactors[i].ring));) {
            message_ordered(m, -ESHUTDOWN);
            message_retire_images(m);
            message_unref(&m);
        }
    rings_fini(l);
    retention_fini(&l->kept);
    alloc_release(l, l->size);
}

/* --- any thread ------------------------------------------------------------------------------- */

static void stamp_appended(struct message *chain)
{
    const uint64_t now_ns = clock_monotonic_ns();
    for (struct message *m = chain; m; m = m->next_in_entry)
        if (m->appended_ns == 0) /* tried again after -EAGAIN: the wait counts */
            m->appended_ns = now_ns;
}

int log_append(struct log *l, struct message **chain)
{
    ASSERT(*chain);
    stamp_appended(*chain);
    return l->engine->append(l, chain);
}

uint64_t log_epoch(const struct log *l)
{
    return l->epoch;
}

uint64_t log_head(const struct log *l)
{
    return atomic_load_explicit(&l->head, memory_order_acquire); /* pairs with log_order() */
}

size_t log_inbox_len(const struct log *l)
{
    return l->engine->backlog(l);
}

size_t log_reactor_ring_len(const struct log *l, unsigned reactor)
{
    ASSERT(reactor < l->reactor_count);
    return log_ring_len(&l->reactors[reactor].ring);
}

/* --- reactors --------------------------------------------------------------------------------- */

struct message *log_consume(struct log *l, unsigned reactor)
{
    ASSERT(reactor < l->reactor_count);
    return log_ring_pop(&l->reactors[reactor].ring);
}

const struct message *log_peek(struct log *l, unsigned reactor)
{
    ASSERT(reactor < l->reactor_count);
    return log_ring_peek(&l->reactors[reactor].ring);
}

/* Is the order waiting for this reactor to get it going? When another reactor's ring is full only
 * that one can. seq_cst: see offer() and log_wake_sleepers(). */
static bool order_needs(const struct log *l, unsigned reactor)
{
    const unsigned blocked = atomic_load_explicit(&l->blocked, memory_order_seq_cst);
    return blocked != 0 ? blocked == reactor + 1 : l->engine->is_waiting(l);
}

void log_help(struct log *l, unsigned reactor)
{
    ASSERT(reactor < l->reactor_count);
    if (!order_needs(l, reactor))
        return;
    /* Taken down before we go on: should our ring be full still, offer() puts it up again. */
    if (atomic_load_explicit(&l->blocked, memory_order_relaxed) == reactor + 1)
        atomic_exchange_explicit(&l->blocked, 0, memory_order_seq_cst);
    l->engine->advance(l);
}

bool log_has_work(struct log *l, unsigned reactor)
{
    ASSERT(reactor < l->reactor_count);
    return log_ring_has_message(&l->reactors[reactor].ring) || order_needs(l, reactor);
}

void log_sleep_begin(struct log *l, unsigned reactor)
{
    ASSERT(reactor < l->reactor_count);
    atomic_store_explicit(&l->reactors[reactor].sleeping, true, memory_order_seq_cst);
}

void log_sleep_end(struct log *l, unsigned reactor)
{
    ASSERT(reactor < l->reactor_count);
    /* Relaxed: seen late it costs one needless wake-up. */
    atomic_store_explicit(&l->reactors[reactor].sleeping, false, memory_order_relaxed);
}
