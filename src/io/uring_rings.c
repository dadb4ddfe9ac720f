/* The rings of one reactor: one, or as many as its slots need, and how one sleeps over them all.
 * Knows nothing of what is done with slots.
 *
 * SEVERAL RINGS. A registered file table has at most RLIMIT_NOFILE entries; beyond that slots are
 * spread over rings, in order. Batches, results, events and the wake-up stay one: a batch enters
 * the kernel once for each ring that has something queued.
 *
 * SLEEPING. The kernel runs what it deferred for a ring only when that ring is entered, by us.
 * While awake a flag in the ring's memory says whether there is any. To sleep, a small ring of its
 * own, the master, polls the others' descriptors: what comes in any of them wakes it. A poll tells
 * once, and is armed again before the next sleep. */
#include "io/uring_internal.h"

#include "base/alloc.h"

#include <poll.h>
#include <sched.h>

enum {
    DEFERRED_A_CALL = 20, /* see run_deferred() */
    RUNS_MAX = 2 * IO_EVENTS_MAX / DEFERRED_A_CALL,
    UNWATCH_RUNS_MAX = 1000,
};

static bool are_several(const struct uring *u)
{
    return u->ring_count > 1;
}

/* --- submitting ------------------------------------------------------------------------------- */

/* The kernel may take it in parts when it is short of memory for a moment. */
void uring_flush(struct uring_ring *r)
{
    while (io_uring_sq_ready(&r->ring) > 0) {
        const int count = io_uring_submit(&r->ring);
        ASSERT(count != -EEXIST); /* not the thread that called io_new() */
        if (count < 0)
            sched_yield();
    }
    r->connects_queued = 0;
}

static void mark(struct uring *u, struct uring_ring *r)
{
    if (r->is_dirty)
        return;
    r->is_dirty = true;
    r->next = u->dirty;
    u->dirty = r;
}

static struct uring_ring *unmark(struct uring *u)
{
    struct uring_ring *r = u->dirty;
    if (!r)
        return NULL;
    r->is_dirty = false;
    u->dirty = r->next;
    return r;
}

struct io_uring_sqe *uring_sqe(struct uring *u, struct uring_ring *r)
{
    mark(u, r);
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
    if (sqe)
        return sqe;
    uring_flush(r);
    sqe = io_uring_get_sqe(&r->ring);
    ASSERT(sqe);
    return sqe;
}

void uring_cancel(struct uring *u, struct uring_ring *r, uint64_t key)
{
    struct io_uring_sqe *sqe = uring_sqe(u, r);
    io_uring_prep_cancel64(sqe, key, 0);
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = io_key_pack(URING_CANCEL, 0, 0);
}

/* --- completions ------------------------------------------------------------------------------ */

/* What is there. Runs nothing that is deferred: liburing would. */
static unsigned peek(struct uring_ring *r, struct io_uring_cqe **cqes, unsigned max)
{
    if (io_uring_cq_ready(&r->ring) == 0 && !io_uring_cq_has_overflow(&r->ring))
        return 0;
    return io_uring_peek_batch_cqe(&r->ring, cqes, max);
}

static void reap(struct uring *u, struct uring_ring *r)
{
    struct io_uring_cqe *cqes[64];
    unsigned count;
    while ((count = peek(r, cqes, 64)) > 0) {
        for (unsigned i = 0; i < count; i++)
            uring_sort_completion(u, r, cqes[i]);
        io_uring_cq_advance(&r->ring, count);
    }
}

/* None of a batch's operations waits for anything, so the kernel has finished them when it has
 * taken them. Receives are counted all the same: a missing one would hang its connection for ever.
 */
void uring_rings_finish(struct uring *u)
{
    struct uring_ring *r;
    while ((r = unmark(u)) != NULL) {
        uring_flush(r);
        reap(u, r);
        while (r->recv_pending > 0) {
            io_uring_submit_and_wait(&r->ring, 1);
            reap(u, r);
        }
    }
}

struct uring_ring *uring_rings_peek(struct uring *u, struct io_uring_cqe **cqe)
{
    for (uint32_t i = 0; i < u->ring_count; i++) {
        struct uring_ring *r = &u->rings[u->turn];
        if (peek(r, cqe, 1) > 0)
            return r;
        uring_rings_pass_turn(u);
    }
    return NULL;
}

void uring_rings_pass_turn(struct uring *u)
{
    u->turn = u->turn + 1 < u->ring_count ? u->turn + 1 : 0;
}

/* --- entering --------------------------------------------------------------------------------- */

/* One system call: submits, runs what the kernel deferred to us, waits if there is nothing yet.
 * Errors (a signal, a time-out, short of memory for a moment) only mean fewer events. */
static int enter(struct uring_ring *r, uint64_t timeout_ns)
{
    struct io_uring_cqe *first;
    if (timeout_ns == 0)
        return io_uring_submit_and_get_events(&r->ring);
    if (timeout_ns == UINT64_MAX)
        return io_uring_submit_and_wait(&r->ring, 1);
    struct __kernel_timespec t = {.tv_sec = (int64_t)(timeout_ns / 1000000000u),
                                  .tv_nsec = (int64_t)(timeout_ns % 1000000000u)};
    return io_uring_submit_and_wait_timeout(&r->ring, &first, 1, &t, NULL);
}

/* Newer kernels (6.18) run no more than 20 of what they deferred a call (IO_LOCAL_TW_DEFAULT_MAX).
 * When thousands speak at once they would come 20 a turn, and everybody else behind them. */
static void run_deferred(struct uring_ring *r, unsigned ready_before)
{
    unsigned ready;
    while ((ready = io_uring_cq_ready(&r->ring)) >= ready_before + DEFERRED_A_CALL &&
           ready < IO_EVENTS_MAX) {
        ready_before = ready;
        if (io_uring_get_events(&r->ring) < 0)
            return;
    }
}

static void enter_only(struct uring *u, uint64_t timeout_ns)
{
    struct uring_ring *r = u->rings;
    const unsigned ready_before = io_uring_cq_ready(&r->ring);
    enter(r, u->done_count > 0 || ready_before > 0 ? 0 : timeout_ns);
    run_deferred(r, ready_before);
    unmark(u);
    if (io_uring_sq_ready(&r->ring) > 0)
        mark(u, r); /* the kernel left some */
}

/* --- entering several ------------------------------------------------------------------------- */

static void start_queued(struct uring *u)
{
    struct uring_ring *r;
    while ((r = unmark(u)) != NULL) {
        io_uring_submit_and_get_events(&r->ring);
        uring_flush(r); /* what the kernel left */
    }
}

static bool has_deferred(const struct uring_ring *r)
{
    const unsigned flags = IO_URING_READ_ONCE(*r->ring.sq.kflags);
    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* Until there is none, or as many completions as are wanted. */
static void run_flagged(struct uring_ring *r, unsigned wanted)
{
    for (int i = 0; i < RUNS_MAX && has_deferred(r); i++)
        if (io_uring_cq_ready(&r->ring) >= wanted || io_uring_get_events(&r->ring) < 0)
            return;
}

/* Completions that are there, as far as one list of events takes them. The ring whose turn it is
 * comes first; the others' wait when it fills the list, and are first the next time. */
static unsigned run_all(struct uring *u)
{
    unsigned ready = u->done_count < IO_EVENTS_MAX ? (unsigned)u->done_count : IO_EVENTS_MAX;
    for (uint32_t i = 0; i < u->ring_count && ready < IO_EVENTS_MAX; i++) {
        struct uring_ring *r = &u->rings[(u->turn + i) % u->ring_count];
        run_flagged(r, IO_EVENTS_MAX - ready);
        ready += io_uring_cq_ready(&r->ring);
    }
    return ready;
}

static void take_one(struct uring *u, const struct io_uring_cqe *cqe)
{
    const struct io_key key = io_key_unpack(cqe->user_data);
    if (key.kind != URING_WATCH) {
        uring_sort_completion(u, u->master, cqe);
        return;
    }
    u->rings[key.index].is_watched = false;
    u->watch_count--;
}

/* The master's own: who has something (which their flags say too), and the wake-up. */
static void run_master(struct uring *u)
{
    struct io_uring_cqe *cqe;
    run_flagged(u->master, IO_EVENTS_MAX);
    while (peek(u->master, &cqe, 1) > 0) {
        take_one(u, cqe);
        io_uring_cq_advance(&u->master->ring, 1);
    }
}

/* A poll of a ring where something is already fires at once: nothing is missed in between. */
static void watch_all(struct uring *u)
{
    for (uint32_t i = 0; i < u->ring_count; i++) {
        struct uring_ring *r = &u->rings[i];
        if (r->is_watched)
            continue;
        r->is_watched = true;
        u->watch_count++;
        struct io_uring_sqe *sqe = uring_sqe(u, u->master);
        io_uring_prep_poll_add(sqe, r->ring.ring_fd, POLLIN);
        sqe->user_data = io_key_pack(URING_WATCH, 0, i);
    }
}

/* False: it was interrupted. */
static bool sleep_once(struct uring *u, uint64_t timeout_ns)
{
    watch_all(u);
    const int err = enter(u->master, timeout_ns);
    unmark(u);              /* nothing else was queued */
    uring_flush(u->master); /* what the kernel left */
    run_master(u);
    return err != -EINTR;
}

static uint64_t left_ns(uint64_t deadline_ns)
{
    if (deadline_ns == UINT64_MAX)
        return UINT64_MAX;
    const uint64_t now_ns = clock_monotonic_ns();
    return now_ns < deadline_ns ? deadline_ns - now_ns : 0;
}

static uint64_t deadline_after(uint64_t timeout_ns)
{
    const uint64_t now_ns = clock_monotonic_ns();
    return timeout_ns < UINT64_MAX - now_ns ? now_ns + timeout_ns : UINT64_MAX;
}

/* What wakes the master need not make an event: then it sleeps on. */
static void sleep_over_all(struct uring *u, uint64_t timeout_ns)
{
    const uint64_t deadline_ns = deadline_after(timeout_ns);
    uint64_t wait_ns = timeout_ns;
    while (wait_ns > 0 && sleep_once(u, wait_ns) && run_all(u) == 0)
        wait_ns = left_ns(deadline_ns);
}

void uring_rings_enter(struct uring *u, uint64_t timeout_ns)
{
    if (!are_several(u)) {
        enter_only(u, timeout_ns);
        return;
    }
    start_queued(u);
    run_master(u);
    if (run_all(u) == 0 && timeout_ns > 0)
        sleep_over_all(u, timeout_ns);
}

void uring_rings_unwatch(struct uring *u)
{
    for (uint32_t i = 0; i < u->ring_count; i++)
        if (u->rings[i].is_watched)
            uring_cancel(u, u->master, io_key_pack(URING_WATCH, 0, i));
    for (int i = 0; i < UNWATCH_RUNS_MAX && u->watch_count > 0; i++) {
        start_queued(u);
        run_master(u);
    }
}

/* --- opening and closing ---------------------------------------------------------------------- */

static uint32_t divided_up(uint32_t n, uint32_t by)
{
    return n / by + (n % by != 0);
}

static void spread_slots(struct uring *u, uint32_t table_max)
{
    u->slots_per_ring = divided_up(u->slot_count, divided_up(u->slot_count, table_max));
    u->ring_count = divided_up(u->slot_count, u->slots_per_ring);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static int register_table(const struct uring *u, struct uring_ring *r)
{
    if (u->file_flags == 0)
        return 0;
    const int err = io_uring_register_files_sparse(&r->ring, r->count);
    if (err != 0 || r->accept_count == r->count)
        return err;
    return io_uring_register_file_alloc_range(&r->ring, 0, r->accept_count);
}

static int open_ring(struct uring *u, uint32_t index)
{
    struct uring_ring *r = &u->rings[index];
    r->base = index * u->slots_per_ring;
    r->count = smaller(u->slots_per_ring, u->slot_count - r->base);
    r->accept_count = u->accept_count > r->base ? smaller(r->count, u->accept_count - r->base) : 0;
    int err = are_several(u)
                  ? uring_ring_init_flagged(&r->ring, URING_SQ_ENTRIES_EACH, URING_CQ_ENTRIES)
                  : uring_ring_init(&r->ring, URING_SQ_ENTRIES, URING_CQ_ENTRIES);
    if (err != 0)
        return err;
    err = register_table(u, r);
    if (err != 0)
        io_uring_queue_exit(&r->ring);
    return err;
}

static void close_rings(struct uring *u, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (u->file_flags != 0)
            io_uring_unregister_files(&u->rings[i].ring);
        io_uring_queue_exit(&u->rings[i].ring);
    }
    alloc_free(u->rings);
}

int uring_rings_open(struct uring *u, uint32_t table_max)
{
    int err = 0;
    uint32_t opened = 0;
    spread_slots(u, table_max);
    u->rings = alloc_zeroed((u->ring_count + (size_t)are_several(u)) * sizeof(*u->rings));
    if (!u->rings)
        return -ENOMEM;
    u->latest = u->accept_ring = u->rings;
    u->master = are_several(u) ? &u->rings[u->ring_count] : u->rings;
    while (err == 0 && opened < u->ring_count)
        err = open_ring(u, opened++);
    if (err == 0 && are_several(u))
        err = uring_ring_init_flagged(&u->master->ring, URING_SQ_ENTRIES_MASTER,
                                      URING_CQ_ENTRIES_MASTER);
    else if (err != 0)
        opened--; /* the last one closed itself */
    if (err != 0)
        close_rings(u, opened);
    return err;
}

void uring_rings_close(struct uring *u)
{
    if (are_several(u))
        io_uring_queue_exit(&u->master->ring);
    close_rings(u, u->ring_count);
}
