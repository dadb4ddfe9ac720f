/* One io over several rings, because RLIMIT_NOFILE is smaller than its slots: how newcomers are
 * spread, sleeping over all, nobody starved, the end. What every io does, over several rings as
 * well: test_io.c and its neighbours. */
#include "unit/io/rig.h"

#include <pthread.h>
#include <sys/resource.h>

enum { LIMIT = 100, SLOTS = 550, RINGS = 6 }; /* slots of a ring: 92, of the last one 90 */

struct pair {
    int peer;
    uint32_t slot;
};

static struct pair pairs[SLOTS];

static void set_fd_limit(rlim_t limit)
{
    struct rlimit l;
    cr_assert(eq(int, getrlimit(RLIMIT_NOFILE, &l), 0));
    l.rlim_cur = limit;
    cr_assert(eq(int, setrlimit(RLIMIT_NOFILE, &l), 0));
}

/* The limit counts when the tables are made; afterwards the peers of these tests need more. */
static struct io *io_new_limited(uint32_t slot_count, uint32_t connect_count)
{
    struct rlimit before;
    struct io *io = NULL;
    const struct io_options options = {
        .backend = IO_URING, .slot_count = slot_count, .connect_count = connect_count};
    cr_assert(eq(int, getrlimit(RLIMIT_NOFILE, &before), 0));
    set_fd_limit(LIMIT);
    cr_assert(eq(int, io_new(&io, &options), 0));
    set_fd_limit(before.rlim_cur);
    return io;
}

static void open_limited(struct rig *r, uint32_t slot_count, uint32_t connect_count)
{
    rig_skip_if_missing(RIG_URING);
    rig_open(r, RIG_URING, 1);
    io_free(&r->io);
    r->io = io_new_limited(slot_count, connect_count);
    cr_assert(eq(int, io_listen(r->io, r->listen_fd), 0));
}

/* As many as there are slots. */
static void fill(struct rig *r)
{
    static bool used[SLOTS];
    for (unsigned i = 0; i < SLOTS; i++) {
        pairs[i].peer = rig_pair(r, &pairs[i].slot);
        cr_assert(lt(u32, pairs[i].slot, SLOTS));
        cr_assert(not(used[pairs[i].slot]));
        used[pairs[i].slot] = true;
    }
}

/* All slots taken, and every one waits to hear something. */
static void open_listening(struct rig *r)
{
    open_limited(r, SLOTS, 0);
    fill(r);
    for (unsigned i = 0; i < SLOTS; i++)
        io_poll_arm(r->io, pairs[i].slot, IO_IN);
}

static unsigned ring_of(uint32_t slot)
{
    return slot / ((SLOTS + RINGS - 1) / RINGS);
}

Test(rings, take_one_descriptor_each_and_two_more)
{
    struct rig r;
    open_limited(&r, 1, 0);
    const unsigned one = rig_fd_count(); /* a ring and the wake-up */
    io_free(&r.io);
    r.io = io_new_limited(LIMIT, 0);
    cr_assert(eq(uint, rig_fd_count(), one), "as many as the limit fit in one");
    io_free(&r.io);
    r.io = io_new_limited(LIMIT + 1, 0);
    cr_assert(eq(uint, rig_fd_count(), one + 2), "one more are two, and the bell");
    io_free(&r.io);
    r.io = io_new_limited(SLOTS, 0);
    cr_assert(eq(uint, rig_fd_count(), one + RINGS));
    rig_close(&r);
}

Test(rings, fill_one_after_the_other)
{
    struct rig r;
    unsigned changes = 0;
    open_limited(&r, SLOTS, 0);
    fill(&r);
    for (unsigned i = 1; i < SLOTS; i++)
        changes += ring_of(pairs[i].slot) != ring_of(pairs[i - 1].slot);
    /* Accepts that are in flight on one ring end there while the next one begins. */
    cr_assert(le(uint, changes, RINGS - 1 + RINGS * 2 * 32));
    changes = 0;
    for (unsigned i = 0; i < 50; i++)
        changes += ring_of(pairs[i].slot) != 0;
    cr_assert(eq(uint, changes, 0), "who comes together lies together");
    rig_close(&r);
}

Test(rings, receive_and_send_in_one_batch)
{
    struct rig r;
    static uint8_t in[SLOTS][8];
    bool seen[SLOTS] = {false};
    char back[8];
    unsigned count;
    open_limited(&r, SLOTS, 0);
    fill(&r);
    for (unsigned i = 0; i < SLOTS; i++) {
        io_poll_arm(r.io, pairs[i].slot, IO_IN);
        cr_assert(eq(int, (int)send(pairs[i].peer, "ping", 4, 0), 4));
    }
    for (unsigned i = 0; i < SLOTS; i++)
        rig_await(&r, IO_READABLE, pairs[i].slot);
    for (unsigned first = 0; first < SLOTS; first += 110) { /* 55 of each end of the rings */
        for (unsigned i = first; i < first + 110; i++)
            io_recv(r.io, pairs[(i * 7) % SLOTS].slot, (i * 7) % SLOTS,
                    (struct span){in[(i * 7) % SLOTS], 8});
        io_submit(r.io);
        const struct io_result *results = io_results(r.io, &count);
        cr_assert(eq(uint, count, 110));
        for (unsigned i = 0; i < count; i++) {
            cr_assert(eq(int, results[i].result, 4));
            cr_assert(eq(u32, results[i].slot, pairs[results[i].tag].slot));
            cr_assert(not(seen[results[i].tag]));
            seen[results[i].tag] = true;
            io_send(r.io, results[i].slot, 9, (struct bytes){in[results[i].tag], 4});
        }
        io_submit(r.io);
        io_results(r.io, &count);
        cr_assert(eq(uint, count, 0), "all went out whole");
    }
    for (unsigned i = 0; i < SLOTS; i++)
        cr_assert(eq(int, (int)recv(pairs[i].peer, back, sizeof(back), MSG_DONTWAIT), 4));
    rig_close(&r);
}

static void *speak_soon(void *peer)
{
    usleep(2000);
    cr_assert(eq(int, (int)send(*(int *)peer, "x", 1, 0), 1));
    return NULL;
}

Test(rings, tell_of_every_one_out_of_a_sleep)
{
    struct rig r;
    const struct io_event *events;
    open_listening(&r);
    rig_turn(&r, 0);
    for (unsigned i = 0; i < SLOTS; i += 5) {
        pthread_t speaker;
        cr_assert(eq(int, pthread_create(&speaker, NULL, speak_soon, &pairs[i].peer), 0));
        cr_assert(eq(uint, io_wait(r.io, UINT64_MAX, &events), 1));
        cr_assert(eq(int, (int)events[0].kind, IO_READABLE));
        cr_assert(eq(u32, events[0].slot, pairs[i].slot));
        pthread_join(speaker, NULL);
    }
    rig_close(&r);
}

static void *wake_soon(void *io)
{
    usleep(20000);
    io_wake(io);
    return NULL;
}

Test(rings, are_woken_as_one)
{
    struct rig r;
    const struct io_event *events;
    open_listening(&r);
    for (int i = 0; i < 5; i++) {
        pthread_t waker;
        cr_assert(eq(int, pthread_create(&waker, NULL, wake_soon, r.io), 0));
        cr_assert(eq(uint, io_wait(r.io, UINT64_MAX, &events), 1));
        cr_assert(eq(int, (int)events[0].kind, IO_WOKEN));
        pthread_join(waker, NULL);
    }
    const uint64_t start_ms = rig_now_ms();
    cr_assert(eq(uint, io_wait(r.io, 50000000, &events), 0));
    cr_assert(ge(u64, rig_now_ms() - start_ms, 49), "nothing wakes it before its time");
    cr_assert(lt(u64, rig_now_ms() - start_ms, RIG_SOON_MS));
    rig_close(&r);
}

/* One ring always has more for us than one list of events takes; the others are heard all the same.
 */
Test(rings, that_are_busy_do_not_starve_the_others)
{
    enum { MANY = 15000, LOUD = 5000 };
    static bool is_loud[MANY];
    static uint32_t slots[MANY];
    struct rig r;
    unsigned quiet = 0;
    const struct io_event *events;
    rig_skip_if_missing(RIG_URING);
    rig_open(&r, RIG_URING, 1);
    io_free(&r.io);
    const struct io_options options = {.backend = IO_URING, .slot_count = MANY};
    cr_assert(eq(int, uring_new_with(&r.io, &options, LOUD), 0));
    cr_assert(eq(int, io_listen(r.io, r.listen_fd), 0));
    for (unsigned i = 0; i < LOUD + 20; i++) {
        rig_pair(&r, &slots[i]);
        is_loud[slots[i]] = slots[i] < LOUD;
        quiet += !is_loud[slots[i]];
    }
    cr_assert(ge(uint, quiet, 20));
    for (unsigned i = 0; i < LOUD + 20; i++)
        io_poll_arm(r.io, slots[i], IO_OUT); /* ready at once, and again */
    unsigned heard = 0;
    for (int turn = 0; turn < 12; turn++) {
        const unsigned count = io_wait(r.io, 0, &events);
        for (unsigned i = 0; i < count; i++) {
            cr_assert(eq(int, (int)events[i].kind, IO_WRITABLE));
            heard += !is_loud[events[i].slot];
            io_poll_arm(r.io, events[i].slot, IO_OUT);
        }
    }
    cr_assert(ge(uint, heard, 4 * quiet), "each in every third turn at least");
    rig_close(&r);
}

/* What comes while batches are submitted fills every list of events; the others are heard all the
 * same. */
Test(rings, whose_completions_come_with_batches_do_not_starve_the_others)
{
    enum { MANY = 15000, LOUD = 5000, QUIET = 20 };
    static struct pair each[LOUD + QUIET];
    struct rig r;
    const struct io_event *events;
    rig_skip_if_missing(RIG_URING);
    rig_open(&r, RIG_URING, 1);
    io_free(&r.io);
    const struct io_options options = {.backend = IO_URING, .slot_count = MANY};
    cr_assert(eq(int, uring_new_with(&r.io, &options, LOUD), 0));
    cr_assert(eq(int, io_listen(r.io, r.listen_fd), 0));
    for (unsigned i = 0; i < LOUD + QUIET; i++)
        each[i].peer = rig_pair(&r, &each[i].slot);
    for (unsigned i = 0; i < LOUD + QUIET; i++)
        io_poll_arm(r.io, each[i].slot, each[i].slot < LOUD ? IO_OUT : IO_IN);
    io_submit(r.io);
    unsigned quiet = 0, heard = 0;
    for (unsigned i = 0; i < LOUD + QUIET; i++)
        if (each[i].slot >= LOUD)
            quiet += send(each[i].peer, "x", 1, 0) == 1;
    cr_assert(ge(uint, quiet, QUIET));
    for (int turn = 0; turn < 6; turn++) {
        const unsigned count = io_wait(r.io, 0, &events);
        for (unsigned i = 0; i < count; i++) {
            if (events[i].kind == IO_WRITABLE)
                io_poll_arm(r.io, events[i].slot, IO_OUT);
            else
                heard += events[i].kind == IO_READABLE;
        }
        io_submit(r.io);
    }
    cr_assert(eq(uint, heard, quiet));
    rig_close(&r);
}

Test(rings, are_full_only_when_all_are)
{
    struct rig r;
    struct io_event e;
    open_limited(&r, SLOTS, 0);
    fill(&r);
    const int waiting = rig_peer(&r, 0);
    cr_assert(eq(uint, rig_count(&r, IO_ACCEPTED, -1, 50), 0));
    for (unsigned i = 0; i < 60; i++) { /* each close lets one in, whatever ring it was in */
        const uint32_t slot = pairs[i * 9].slot;
        rig_end(&r, slot, i % 2 ? IO_CLOSE_FLUSH : IO_CLOSE_RESET);
        cr_assert(eq(u32, rig_await(&r, IO_ACCEPTED, -1).slot, slot));
        rig_peer(&r, 0);
    }
    cr_assert(not(rig_take(&r, IO_ACCEPT_FAILED, -1, &e)), "it waits, nothing fails");
    close(waiting);
    rig_close(&r);
}

Test(rings, give_slots_of_all_to_connects)
{
    struct rig r;
    bool used[SLOTS] = {false};
    unsigned in_ring[RINGS] = {0};
    open_limited(&r, SLOTS, SLOTS / 2);
    for (unsigned i = 0; i < SLOTS / 2; i++) {
        const int64_t slot = io_connect(r.io, &r.at, NULL);
        cr_assert(ge(i64, slot, SLOTS - SLOTS / 2));
        cr_assert(eq(int, rig_await(&r, IO_CONNECTED, slot).result, 0));
        const uint32_t accepted = rig_await(&r, IO_ACCEPTED, -1).slot;
        cr_assert(lt(u32, accepted, SLOTS - SLOTS / 2));
        cr_assert(not(used[slot] || used[accepted]));
        used[slot] = used[accepted] = true;
        in_ring[ring_of(accepted)]++;
        in_ring[ring_of((uint32_t)slot)]++;
    }
    cr_assert(eq(i64, io_connect(r.io, &r.at, NULL), -EMFILE));
    for (unsigned i = 0; i < RINGS; i++)
        cr_assert(ge(uint, in_ring[i], 90));
    rig_close(&r);
}

Test(rings, leave_nothing_at_the_end)
{
    struct rig r;
    char back[4];
    rig_skip_if_missing(RIG_URING);
    rig_open(&r, RIG_URING, 1);
    io_free(&r.io);
    const unsigned before = rig_fd_count();
    r.io = io_new_limited(SLOTS, 0);
    cr_assert(eq(int, io_listen(r.io, r.listen_fd), 0));
    fill(&r);
    for (unsigned i = 0; i < SLOTS; i++) {
        if (i % 2)
            io_poll_arm(r.io, pairs[i].slot, IO_IN);
        if (i % 3 == 0)
            io_shutdown(r.io, pairs[i].slot);
        if (i % 4 == 0)
            io_close(r.io, pairs[i].slot, IO_CLOSE_FLUSH);
    }
    rig_turn(&r, 1); /* it listens to the bell */
    io_send(r.io, pairs[1].slot, 1, BYTES_LITERAL("bye"));
    const uint64_t start_ms = rig_now_ms();
    io_free(&r.io);
    cr_assert(lt(u64, rig_now_ms() - start_ms, RIG_SOON_MS), "it need not wait for long");
    cr_assert(eq(int, (int)recv(pairs[1].peer, back, sizeof(back), 0), 3));
    for (unsigned i = 0; i < SLOTS; i++) {
        cr_assert(rig_peer_can_read(pairs[i].peer, 0), "peer %u sees the end at once", i);
        close(pairs[i].peer);
    }
    cr_assert(eq(uint, rig_fd_count(), before));
    rig_close(&r);
}

/* Refused as a whole, with what was opened closed again. */
Test(rings, that_are_too_many_for_the_descriptors_are_not_opened)
{
    struct rig r;
    struct rlimit limit;
    rig_skip_if_missing(RIG_URING);
    rig_open(&r, RIG_URING, 1);
    cr_assert(eq(int, getrlimit(RLIMIT_NOFILE, &limit), 0));
    const unsigned before = rig_fd_count();
    const struct io_options options = {.backend = IO_URING, .slot_count = 500000};
    struct io *io = NULL;
    set_fd_limit(LIMIT);
    cr_assert(eq(int, io_new(&io, &options), -EMFILE));
    set_fd_limit(limit.rlim_cur);
    cr_assert(eq(uint, rig_fd_count(), before));
    rig_close(&r);
}
