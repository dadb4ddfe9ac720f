/* What io.h does when something is full, missing or left over: slots, descriptors, event lists,
 * memory; and what is left behind at the end. The ordinary course: test_io.c. */
#include "unit/io/rig.h"

#include "base/alloc.h"

#include <sys/resource.h>

static uint32_t lowest_free_fd(void)
{
    const int fd = dup(0);
    cr_assert(ge(int, fd, 0));
    close(fd);
    return (uint32_t)fd;
}

/* After io_free(): a fresh io on the same listener, with few slots: exactly `slots`, or about as
 * many where slots are descriptors. */
static uint32_t reopen_small(struct rig *r, uint32_t slots)
{
    const uint32_t slot_count =
        rig_is_registered(r->variant) ? slots : lowest_free_fd() + 3 + slots;
    cr_assert(eq(int, rig_io_new(r->variant, slot_count, &r->io), 0));
    cr_assert(eq(int, io_listen(r->io, r->listen_fd), 0));
    return slot_count;
}

static unsigned accept_for(struct rig *r, unsigned ms, uint32_t *slots)
{
    struct io_event e;
    unsigned count = 0;
    const uint64_t end_ms = rig_now_ms() + ms;
    do
        rig_turn(r, 5);
    while (rig_now_ms() < end_ms);
    while (rig_take(r, IO_ACCEPTED, -1, &e))
        slots[count++] = e.slot;
    return count;
}

ON_EACH(peers_wait_while_all_slots_are_taken_and_come_in_as_slots_close)
{
    enum { PEERS = 40, SLOTS = 5 };
    int peers[PEERS];
    uint32_t slots[PEERS];
    io_free(&r->io);
    for (int i = 0; i < PEERS; i++)
        peers[i] = rig_peer(r, 0);
    const uint32_t slot_count = reopen_small(r, SLOTS);
    /* With ordinary descriptors those held beyond the slots take numbers too. */
    unsigned in = accept_for(r, 250, slots);
    cr_assert(ge(uint, in, 1));
    cr_assert(le(uint, in, SLOTS + 1));
    const uint64_t start_ms = rig_now_ms();
    for (unsigned out = 0; out < PEERS; out++) {
        cr_assert(lt(u32, slots[out], slot_count));
        rig_end(r, slots[out], IO_CLOSE_FLUSH);
        if (in < PEERS)
            slots[in++] = rig_await(r, IO_ACCEPTED, -1).slot;
    }
    cr_assert(lt(u64, rig_now_ms() - start_ms, 2000),
              "a close lets the next one in, not the clock");
    for (int i = 0; i < PEERS; i++) /* nobody was dropped unseen */
        cr_assert(eq(i64, rig_peer_drain(peers[i]), 0));
}

ON_EACH(peers_that_wait_for_a_slot_are_let_go_at_the_end)
{
    uint32_t slots[20];
    io_free(&r->io);
    for (int i = 0; i < 20; i++)
        rig_peer(r, 0);
    const unsigned before = rig_fd_count();
    reopen_small(r, 5);
    cr_assert(lt(uint, accept_for(r, 20, slots), 20));
    io_free(&r->io);
    cr_assert(eq(uint, rig_fd_count(), before));
}

static void set_fd_limit(uint32_t limit)
{
    struct rlimit l;
    cr_assert(eq(int, getrlimit(RLIMIT_NOFILE, &l), 0));
    l.rlim_cur = limit;
    cr_assert(eq(int, setrlimit(RLIMIT_NOFILE, &l), 0));
}

ON_EACH(without_descriptors_peers_wait_and_come_in_later)
{
    enum { PEERS = 10, FREE = 3 };
    struct rlimit before;
    uint32_t slots[PEERS];
    cr_assert(eq(int, getrlimit(RLIMIT_NOFILE, &before), 0));
    for (int i = 0; i < PEERS; i++)
        rig_peer(r, 0);
    set_fd_limit(lowest_free_fd() + FREE);
    const unsigned in = accept_for(r, 30, slots);
    if (rig_is_registered(r->variant)) {
        cr_assert(eq(uint, in, PEERS), "registered files need no descriptors");
        return;
    }
    /* epoll gives up its reserve for one more. */
    cr_assert(eq(uint, in, r->variant == RIG_EPOLL ? FREE + 1 : FREE));
    cr_assert(eq(int, rig_await(r, IO_ACCEPT_FAILED, -1).result, -EMFILE));
    cr_assert(le(uint, rig_count(r, IO_ACCEPT_FAILED, -1, 250), 4), "told each 100 ms at most");
    for (unsigned i = 0; i < in; i++) {
        rig_end(r, slots[i], IO_CLOSE_FLUSH);
        slots[i] = rig_await(r, IO_ACCEPTED, -1).slot;
    }
    set_fd_limit((uint32_t)before.rlim_cur);
    cr_assert(eq(uint, accept_for(r, 250, slots), PEERS - 2 * in));
}

/* Each polls fires at once, twice per peer: more than one list of events takes, and more than the
 * ring of completions holds. */
ON_EACH(more_events_than_fit_at_once_come_one_list_after_the_other)
{
    enum { PEERS = 4300 };
    static uint32_t slots[PEERS];
    static uint8_t readable[RIG_SLOTS], writable[RIG_SLOTS];
    struct io_event e;
    for (int i = 0; i < PEERS; i++) {
        const int peer = rig_pair(r, &slots[i]);
        cr_assert(eq(int, (int)send(peer, "x", 1, 0), 1));
    }
    for (int i = 0; i < PEERS; i++) {
        io_poll_arm(r->io, slots[i], IO_IN);
        io_poll_arm(r->io, slots[i], IO_OUT);
    }
    const uint64_t end_ms = rig_now_ms() + RIG_PATIENCE_MS;
    while (r->seen_count < 2 * PEERS && rig_now_ms() < end_ms)
        rig_turn(r, 10);
    rig_turn(r, 10);
    cr_assert(eq(uint, r->seen_count, 2 * PEERS));
    for (unsigned i = 0; i < r->seen_count; i++) {
        e = r->seen[i];
        if (e.kind == IO_READABLE)
            readable[e.slot]++;
        else if (e.kind == IO_WRITABLE)
            writable[e.slot]++;
    }
    for (int i = 0; i < PEERS; i++)
        cr_assert(readable[slots[i]] == 1 && writable[slots[i]] == 1, "slot %u", slots[i]);
    r->seen_count = 0;
    for (int i = 0; i < PEERS; i++) {
        io_poll_arm(r->io, slots[i], IO_OUT);
        io_close(r->io, slots[i], IO_CLOSE_RESET);
    }
    while (r->seen_count < PEERS && rig_now_ms() < end_ms + RIG_PATIENCE_MS)
        rig_turn(r, 10);
    rig_turn(r, 10);
    cr_assert(eq(uint, r->seen_count, PEERS), "one IO_CLOSED each and nothing else");
}

/* --- left behind ------------------------------------------------------------------------------ */

ON_EACH(at_the_end_no_descriptor_is_left_and_peers_see_it)
{
    int peers[20];
    io_free(&r->io);
    const unsigned before = rig_fd_count();
    cr_assert(eq(int, rig_io_new(r->variant, RIG_SLOTS, &r->io), 0));
    cr_assert(eq(int, io_listen(r->io, r->listen_fd), 0));
    for (int i = 0; i < 20; i++) {
        uint32_t slot;
        peers[i] = rig_pair(r, &slot);
        if (i % 2)
            io_poll_arm(r->io, slot, IO_IN);
        if (i % 3 == 0)
            io_shutdown(r->io, slot);
        if (i % 4 == 0)
            io_close(r->io, slot, IO_CLOSE_FLUSH);
    }
    io_wake(r->io);
    const uint64_t start_ms = rig_now_ms();
    io_free(&r->io);
    cr_assert(lt(u64, rig_now_ms() - start_ms, RIG_SOON_MS), "it need not wait for long");
    cr_assert(eq(uint, rig_fd_count() - 20, before));
    for (int i = 0; i < 20; i++) {
        cr_assert(rig_peer_can_read(peers[i], 0), "peer %d sees the end at once", i);
        cr_assert(eq(i64, rig_peer_drain(peers[i]), 0));
    }
}

ON_EACH(at_the_end_the_port_is_free)
{
    const struct listener_options one = {.count = 1};
    uint32_t slot;
    rig_pair(r, &slot);
    rig_turn(r, 0);
    io_free(&r->io);
    close(r->listen_fd);
    cr_assert(eq(int, listener_open_at(&r->at, &one, &r->listen_fd), 0));
}

ON_EACH(an_end_with_sends_queued_sends_them)
{
    uint32_t slot;
    const int peer = rig_pair(r, &slot);
    io_send(r->io, slot, 1, BYTES_LITERAL("bye"));
    io_free(&r->io);
    cr_assert(eq(i64, rig_peer_drain(peer), 3));
}

struct nth {
    unsigned left;
};

static _Bool fail_nth(void *user, size_t size)
{
    struct nth *n = user;
    (void)size;
    return n->left-- != 0;
}

ON_EACH(without_memory_or_descriptors_there_is_no_io_and_nothing_is_left)
{
    struct io *io = NULL;
    const unsigned before = rig_fd_count();
    struct nth n;
    int err = -ENOMEM;
    for (unsigned k = 0; err != 0; k++) {
        cr_assert(lt(uint, k, 20));
        n.left = k;
        alloc_set_gate(fail_nth, &n);
        err = rig_io_new(r->variant, 100, &io);
        alloc_set_gate(NULL, NULL);
        cr_assert(err == 0 || err == -ENOMEM);
        if (err != 0)
            cr_assert(eq(uint, rig_fd_count(), before));
    }
    io_free(&io);
    const uint32_t lowest = lowest_free_fd();
    for (uint32_t k = 0; k < 3 && err == 0; k++) {
        set_fd_limit(lowest + k);
        err = rig_io_new(r->variant, lowest, &io);
        if (err == 0) /* that many are enough */
            io_free(&io);
        set_fd_limit(RIG_SLOTS);
        cr_assert(eq(uint, rig_fd_count(), before));
        err = 0;
    }
}

Test(io, an_impossible_choice_is_refused)
{
    struct io *io = NULL;
    const struct io_options no_slots = {.backend = IO_EPOLL, .slot_count = 0};
    const struct io_options no_backend = {.backend = (enum io_backend)7, .slot_count = 1};
    cr_assert(eq(int, io_new(&io, &no_slots), -EINVAL));
    cr_assert(eq(int, io_new(&io, &no_backend), -EINVAL));
    io_free(&io);
}

/* --- probing ---------------------------------------------------------------------------------- */

Test(io, a_probe_names_each_operation_and_leaves_nothing_behind)
{
    const enum io_backend backends[] = {IO_EPOLL, IO_URING};
    const unsigned before = rig_fd_count();
    for (int i = 0; i < 2; i++) {
        struct io_probe probe;
        io_probe(backends[i], &probe);
        cr_assert(ne(str, probe.table, ""));
        cr_assert(eq(int, probe.usable, probe.why[0] == '\0'));
        cr_assert(eq(int, probe.usable, strstr(probe.table, "close  yes") || i == 0));
    }
    cr_assert(eq(uint, rig_fd_count(), before));
}

Test(io, a_probe_that_fails_says_why_in_one_line)
{
    struct io_probe probe;
    set_fd_limit(lowest_free_fd());
    io_probe(IO_URING, &probe);
    cr_assert(not(probe.usable));
    cr_assert(eq(str, probe.why, "ring: Too many open files"));
    io_probe(IO_EPOLL, &probe);
    cr_assert(not(probe.usable));
    cr_assert(eq(str, probe.why, "epoll: Too many open files"));
}

/* --- a third implementation ------------------------------------------------------------------- */

static unsigned simulated_wait(struct io *io, uint64_t timeout_ns, const struct io_event **events)
{
    static const struct io_event one = {.kind = IO_WOKEN, .slot = 42};
    (void)io;
    (void)timeout_ns;
    *events = &one;
    return 1;
}

Test(io, a_simulated_kernel_comes_in_through_the_same_door)
{
    static const struct io_impl impl = {.wait = simulated_wait};
    struct {
        struct io io;
        int more;
    } simulated;
    const struct io_event *events;
    io_attach(&simulated.io, &impl);
    cr_assert(eq(uint, io_wait(&simulated.io, 0, &events), 1));
    cr_assert(eq(u32, events[0].slot, 42));
    cr_assert(eq(str, (char *)io_backend_name(IO_URING), "uring"));
    cr_assert(eq(str, (char *)io_backend_name(IO_EPOLL), "epoll"));
}
