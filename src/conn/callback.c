/* Two readings of the clock for each callback: one that blocks is named, with its reactor. */
#include "conn/callback.h"

#include "base/clock.h"

static const char *const names[] = {
#define NAME(name) #name,
    CALLBACKS(NAME)
#undef NAME
};

ON_REACTOR void callback_begin(struct reactor *r, enum callback which, uint32_t slot)
{
    r->callback_slot = slot;
    atomic_store_explicit(&r->stats.callback, stat_callback(clock_monotonic_ns(), which),
                          memory_order_relaxed);
}

ON_REACTOR void callback_end(struct reactor *r)
{
    const uint64_t running = atomic_load_explicit(&r->stats.callback, memory_order_relaxed);
    const enum callback which = stat_callback_which(running);
    const uint64_t ms = (clock_monotonic_ns() - stat_callback_since(running)) / 1000000;
    r->callback_slot = CALLBACK_NO_SLOT;
    atomic_store_explicit(&r->stats.callback, 0, memory_order_relaxed);
    if (ms < CALLBACK_LATE_MS)
        return;
    stat_add(&r->stats.callbacks_late[which], 1);
    logline_limited(&r->broker->sink, &r->broker->causes.callback, LOGLINE_WARNING,
                    "%s kept reactor %u waiting for %.1f s: a callback that cannot answer at once "
                    "returns UPROAR_LATER",
                    names[which], r->index, (double)ms / 1e3);
}
