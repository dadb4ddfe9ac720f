/* The rings of one reactor, one or several: queueing, entering, reaping, and how one sleeps over
 * them all. Opened and closed in uring_open.c. Knows nothing of what is done with slots.
 *
 * SEVERAL RINGS. A registered file table has at most RLIMIT_NOFILE entries; beyond that slots are
 * spread over rings, in order. Batches, results, events and the wake-up stay one: a batch enters
 * the kernel once for each ring that has something queued.
 *
 * SLEEPING. The kernel runs what it deferred for a ring only when that ring is entered, by us.
 * While awake a flag in the ring's memory says whether there is any. One sleeps in the first ring,
 * home. The others ring a bell, an eventfd, whenever there comes the first of it, and home reads
 * that. (To poll their descriptors would not do: what is deferred does not wake who polls.) */
#include "io/uring_internal.h"

#include <sched.h>
#include <unistd.h>

enum {
    DEFERRED_A_CALL = 20, /* see run_deferred() */
    RUNS_MAX = 2 * IO_EVENTS_MAX / DEFERRED_A_CALL,
    SILENCE_RUNS_MAX = 1000,
    FLAGGED_SLEEP_NS = 10000000,
};

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
    reap(u, r);
    unmark(u);
    if (io_uring_sq_ready(&r->ring) > 0)
        mark(u, r); /* the kernel left some */
}

/* --- entering several ------------------------------------------------------------------------- */

static bool has_deferred(const struct uring_ring *r)
{
    const unsigned flags = IO_URING_READ_ONCE(*r->ring.sq.kflags);
    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* Until there is none, or a run brings nothing: who adds work raises the flag a moment later, and
 * when the work was run in between, it stays up with nothing behind it. Submits on the way. */
static void run_flagged(struct uring *u, struct uring_ring *r)
{
    for (int i = 0; i < RUNS_MAX && has_deferred(r); i++) {
        if (enter(r, 0) < 0 || io_uring_cq_ready(&r->ring) == 0)
            return;
        reap(u, r);
    }
}

/* Work that brought nothing may have more behind it, for which no bell rings. */
static uint64_t longest_sleep_ns(const struct uring *u)
{
    for (const struct uring_ring *r = u->rings; r < u->rings + u->ring_count; r++)
        if (has_deferred(r))
            return FLAGGED_SLEEP_NS;
    return UINT64_MAX;
}

/* All but home, which is entered in any case. */
static void start_others(struct uring *u)
{
    struct uring_ring *r;
    while ((r = unmark(u)) != NULL) {
        if (r == uring_home(u))
            continue;
        enter(r, 0);
        uring_flush(r); /* what the kernel left */
    }
}

/* Takes what has completed in any ring, each time, although more may wait already than one list of
 * events takes: they stand in one line, and a ring that is always busy does not keep the others out
 * of it. False: nobody stands there. */
static bool run_all(struct uring *u)
{
    for (struct uring_ring *r = u->rings; r < u->rings + u->ring_count; r++) {
        run_flagged(u, r);
        reap(u, r);
    }
    return u->done_count > 0;
}

static void bell_arm(struct uring *u)
{
    if (u->bell_armed)
        return;
    u->bell_armed = true;
    struct io_uring_sqe *sqe = uring_sqe(u, uring_home(u));
    io_uring_prep_read(sqe, u->bell_fd, &u->bell_value, sizeof(u->bell_value), 0);
    sqe->user_data = io_key_pack(URING_BELL, 0, 0);
}

static int enter_home(struct uring *u, uint64_t timeout_ns)
{
    struct uring_ring *home = uring_home(u);
    const int err = enter(home, timeout_ns);
    unmark(u);         /* nothing else was queued */
    uring_flush(home); /* what the kernel left */
    return err;
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

/* What rang since the last sleep is known already, but ends this one at once: a bell that is never
 * silenced cannot be missed. Then, or when what came makes no event, it sleeps on. */
static void sleep_over_all(struct uring *u, uint64_t timeout_ns)
{
    const uint64_t deadline_ns = deadline_after(timeout_ns);
    int err = 0;
    for (uint64_t wait_ns = timeout_ns; wait_ns > 0 && (err >= 0 || err == -ETIME);) {
        bell_arm(u);
        const uint64_t longest_ns = longest_sleep_ns(u);
        err = enter_home(u, wait_ns < longest_ns ? wait_ns : longest_ns);
        if (run_all(u))
            return;
        wait_ns = left_ns(deadline_ns);
    }
}

static void enter_several(struct uring *u, uint64_t timeout_ns)
{
    start_others(u);
    if (!run_all(u) && timeout_ns > 0)
        sleep_over_all(u, timeout_ns);
    else if (io_uring_sq_ready(&uring_home(u)->ring) > 0)
        enter_home(u, 0);
}

void uring_rings_enter(struct uring *u, uint64_t timeout_ns)
{
    if (uring_are_several(u))
        enter_several(u, timeout_ns);
    else
        enter_only(u, timeout_ns);
}

void uring_rings_silence(struct uring *u)
{
    const uint64_t one = 1;
    const ssize_t n = write(u->bell_fd, &one, sizeof(one));
    (void)n;
    for (int i = 0; i < SILENCE_RUNS_MAX && u->bell_armed; i++) {
        enter(uring_home(u), 0);
        reap(u, uring_home(u));
    }
}
