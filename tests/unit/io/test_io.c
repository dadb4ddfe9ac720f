/* io.h on io_uring (with registered files, and with ordinary descriptors) and on epoll: one set of
 * tests, real sockets. What happens when something is full or missing: test_io_limits.c. */
#include "unit/io/rig.h"

#include <pthread.h>

/* --- accepting -------------------------------------------------------------------------------- */

ON_EACH(accepts_many_peers_each_with_its_address_and_a_slot_of_its_own)
{
    enum { PEERS = 300 };
    static bool used[RIG_SLOTS];
    uint16_t port[PEERS];
    for (int i = 0; i < PEERS; i++) {
        union io_address own;
        socklen_t len = sizeof(own);
        getsockname(rig_peer(r, 0), &own.any, &len);
        port[i] = own.in.sin_port;
    }
    for (int i = 0; i < PEERS; i++) {
        const struct io_event e = rig_await(r, IO_ACCEPTED, -1);
        cr_assert(not(used[e.slot]));
        used[e.slot] = true;
        cr_assert(eq(u32, e.listener, 0));
        cr_assert(eq(u32, e.peer.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK)));
        int known = 0;
        for (int k = 0; k < PEERS; k++)
            known += port[k] == e.peer.in.sin_port;
        cr_assert(eq(int, known, 1));
    }
}

ON_EACH(tells_listeners_apart)
{
    const struct listener_options one = {.count = 1};
    union io_address other;
    int fd;
    cr_assert(eq(int, listener_parse("127.0.0.1:0", &other), 0));
    cr_assert(eq(int, listener_open_at(&other, &one, &fd), 0));
    rig_turn(r, 0); /* the first has taken its accepts by now */
    cr_assert(eq(int, io_listen(r->io, fd), 1));
    for (int i = 0; i < 3; i++) {
        rig_peer(r, 0);
        cr_assert(eq(u32, rig_await(r, IO_ACCEPTED, -1).listener, 0));
        const int peer = socket(AF_INET, SOCK_STREAM, 0);
        cr_assert(eq(int, connect(peer, &other.any, sizeof(other.in)), 0));
        cr_assert(eq(u32, rig_await(r, IO_ACCEPTED, -1).listener, 1));
    }
    io_free(&r->io);
    close(fd);
}

ON_EACH(refuses_more_listeners_than_it_has_room_for)
{
    for (int i = 1; i < IO_LISTENERS_MAX; i++)
        cr_assert(eq(int, io_listen(r->io, dup(r->listen_fd)), i));
    cr_assert(eq(int, io_listen(r->io, dup(r->listen_fd)), -ENOSPC));
    rig_peer(r, 0);
    rig_await(r, IO_ACCEPTED, -1);
}

ON_EACH(stops_accepting)
{
    uint32_t slot;
    rig_pair(r, &slot);
    io_listen_stop(r->io);
    rig_turn(r, 20);
    rig_peer(r, 0);
    cr_assert(eq(uint, rig_count(r, IO_ACCEPTED, -1, 60), 0));
    io_free(&r->io);
    close(r->listen_fd);
}

ON_EACH(pauses_and_resumes_accepting)
{
    uint32_t slot;
    rig_pair(r, &slot);
    io_listen_pause(r->io, true);
    rig_turn(r, 20);
    for (int i = 0; i < 5; i++)
        rig_peer(r, 0);
    const uint64_t start_ms = rig_now_ms();
    rig_turn(r, 60);
    cr_assert(ge(u64, rig_now_ms() - start_ms, 59), "it sleeps while they wait");
    cr_assert(eq(uint, r->seen_count, 0));
    io_listen_pause(r->io, false);
    for (int i = 0; i < 5; i++)
        rig_await(r, IO_ACCEPTED, -1);
}

/* --- receiving and sending -------------------------------------------------------------------- */

ON_EACH(echoes)
{
    uint32_t slot;
    char in[64] = "", back[64] = "";
    const int peer = rig_pair(r, &slot);
    cr_assert(eq(int, rig_recv(r, slot, in, sizeof(in)).result, -EAGAIN));
    for (int i = 0; i < 20; i++) {
        io_poll_arm(r->io, slot, IO_IN);
        cr_assert(eq(int, (int)send(peer, "hello", 5, 0), 5));
        rig_await(r, IO_READABLE, slot);
        cr_assert(eq(int, rig_recv(r, slot, in, sizeof(in)).result, 5));
        cr_assert(eq(i64, rig_send(r, slot, (struct bytes){(uint8_t *)in, 5}), 5));
        cr_assert(eq(int, (int)recv(peer, back, sizeof(back), 0), 5));
        cr_assert(eq(str, back, "hello"));
    }
}

enum { HUGE_LEN = 16 << 20 };

static struct bytes huge(void)
{
    static uint8_t zeroes[HUGE_LEN];
    return (struct bytes){zeroes, HUGE_LEN};
}

ON_EACH(a_short_send_is_told_once_with_the_bytes_that_went_out)
{
    const int peer = rig_peer(r, 4096);
    const uint32_t slot = rig_await(r, IO_ACCEPTED, -1).slot;
    const int64_t sent = rig_send(r, slot, huge());
    cr_assert(ge(i64, sent, 1));
    cr_assert(lt(i64, sent, HUGE_LEN));
    cr_assert(eq(i64, rig_send(r, slot, BYTES_LITERAL("more")), -EAGAIN));
    io_close(r->io, slot, IO_CLOSE_FLUSH);
    io_submit(r->io);
    cr_assert(eq(i64, rig_peer_drain(peer), sent));
}

ON_EACH(a_short_send_of_pieces_is_told_the_same_way)
{
    const int peer = rig_peer(r, 4096);
    const uint32_t slot = rig_await(r, IO_ACCEPTED, -1).slot;
    const struct bytes b = huge();
    struct iovec vec[256];
    for (int i = 0; i < 256; i++)
        vec[i] = (struct iovec){(void *)(b.at + i * 65536), 65536};
    unsigned count;
    io_send_vec(r->io, slot, 5, vec, 256);
    io_submit(r->io);
    const struct io_result *results = io_results(r->io, &count);
    cr_assert(eq(uint, count, 1));
    cr_assert(eq(u32, results[0].tag, 5));
    const int64_t sent = results[0].result;
    cr_assert(ge(i64, sent, 1));
    cr_assert(lt(i64, sent, HUGE_LEN));
    rig_end(r, slot, IO_CLOSE_FLUSH);
    cr_assert(eq(i64, rig_peer_drain(peer), sent));
}

ON_EACH(pieces_arrive_in_order_and_a_whole_send_tells_nothing)
{
    uint32_t slot;
    char back[16] = "";
    const int peer = rig_pair(r, &slot);
    struct iovec vec[] = {{(void *)"one", 3}, {(void *)"", 0}, {(void *)"two", 3}};
    unsigned count;
    io_send_vec(r->io, slot, 1, vec, 3);
    io_submit(r->io);
    io_results(r->io, &count);
    cr_assert(eq(uint, count, 0));
    cr_assert(eq(int, (int)recv(peer, back, sizeof(back), MSG_WAITALL * 0), 6));
    cr_assert(eq(str, back, "onetwo"));
}

ON_EACH(a_full_batch_of_receives_and_sends_goes_through_at_once)
{
    enum { PEERS = 300 };
    static uint8_t buf[PEERS][8];
    static int peers[PEERS];
    static uint32_t slots[PEERS];
    for (int i = 0; i < PEERS; i++) {
        peers[i] = rig_pair(r, &slots[i]);
        cr_assert(eq(int, (int)send(peers[i], &i, sizeof(i), 0), 4));
    }
    for (int first = 0; first < PEERS; first += IO_BATCH_MAX) {
        const int n = PEERS - first < IO_BATCH_MAX ? PEERS - first : IO_BATCH_MAX;
        unsigned count;
        for (int i = first; i < first + n; i++)
            io_recv(r->io, slots[i], (uint32_t)i, (struct span){buf[i], 8});
        io_submit(r->io);
        const struct io_result *results = io_results(r->io, &count);
        cr_assert(eq(uint, count, (unsigned)n));
        for (unsigned k = 0; k < count; k++) {
            cr_assert(eq(int, results[k].result, 4));
            cr_assert(eq(u32, results[k].slot, slots[results[k].tag]));
        }
        for (int i = first; i < first + n; i++)
            io_send(r->io, slots[i], (uint32_t)i, (struct bytes){buf[i], 4});
        io_submit(r->io);
        io_results(r->io, &count);
        cr_assert(eq(uint, count, 0));
    }
    for (int i = 0; i < PEERS; i++) {
        int back = -1;
        cr_assert(eq(int, (int)recv(peers[i], &back, sizeof(back), 0), 4));
        cr_assert(eq(int, back, i));
    }
}

ON_EACH(a_batch_queued_without_a_submit_runs_with_the_wait)
{
    uint32_t slot;
    char in[8], back[8] = "";
    unsigned count;
    const int peer = rig_pair(r, &slot);
    cr_assert(eq(int, rig_recv(r, slot, in, sizeof(in)).result, -EAGAIN));
    send(peer, "abc", 3, 0);
    io_recv(r->io, slot, 1, (struct span){(uint8_t *)in, sizeof(in)});
    io_send(r->io, slot, 2, BYTES_LITERAL("late"));
    rig_turn(r, 0);
    cr_assert(eq(int, (int)recv(peer, back, sizeof(back), MSG_DONTWAIT), 4));
    const struct io_result *results = io_results(r->io, &count);
    cr_assert(eq(uint, count, 1));
    cr_assert(eq(u32, results[0].tag, 1));
    cr_assert(eq(int, results[0].result, 3));
}

ON_EACH(results_stay_while_the_next_batch_is_queued)
{
    uint32_t slot;
    char in[8];
    unsigned count;
    rig_pair(r, &slot);
    cr_assert(eq(int, rig_recv(r, slot, in, sizeof(in)).result, -EAGAIN));
    const struct io_result *results = io_results(r->io, &count);
    for (int i = 0; i < 1500; i++) { /* more than the queue to the kernel holds */
        const int unused = rig_peer(r, 0);
        const uint32_t other = rig_await(r, IO_ACCEPTED, -1).slot;
        io_poll_arm(r->io, other, IO_IN);
        close(unused);
    }
    io_recv(r->io, slot, 3, (struct span){(uint8_t *)in, sizeof(in)});
    io_close(r->io, rig_await(r, IO_READABLE, -1).slot, IO_CLOSE_RESET);
    cr_assert(eq(uint, count, 1));
    cr_assert(eq(u32, results[0].slot, slot));
    cr_assert(eq(int, results[0].result, -EAGAIN));
}

ON_EACH(the_end_of_the_stream_is_received_as_nothing)
{
    uint32_t slot;
    char in[8];
    const int peer = rig_pair(r, &slot);
    send(peer, "abc", 3, 0);
    shutdown(peer, SHUT_WR);
    io_poll_arm(r->io, slot, IO_IN);
    rig_await(r, IO_READABLE, slot);
    cr_assert(eq(int, rig_recv(r, slot, in, sizeof(in)).result, 3));
    io_poll_arm(r->io, slot, IO_IN);
    rig_await(r, IO_READABLE, slot);
    cr_assert(eq(int, rig_recv(r, slot, in, sizeof(in)).result, 0));
    cr_assert(eq(i64, rig_send(r, slot, BYTES_LITERAL("still")), 5), "half closed");
}

ON_EACH(a_peer_that_reset_is_told_by_receive_and_send_without_a_signal)
{
    uint32_t slot;
    char in[8];
    const struct linger at_once = {1, 0};
    const int peer = rig_pair(r, &slot);
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    io_poll_arm(r->io, slot, IO_IN);
    close(peer);
    rig_await(r, IO_READABLE, slot);
    cr_assert(eq(int, rig_recv(r, slot, in, sizeof(in)).result, -ECONNRESET));
    cr_assert(eq(i64, rig_send(r, slot, BYTES_LITERAL("x")), -EPIPE));
    rig_end(r, slot, IO_CLOSE_FLUSH);
}

/* --- polls ------------------------------------------------------------------------------------ */

ON_EACH(a_poll_fires_for_data_that_is_there_already_and_only_once)
{
    uint32_t slot;
    const int peer = rig_pair(r, &slot);
    send(peer, "abc", 3, 0);
    for (int i = 0; i < 3; i++) { /* nobody takes the data: it is there each time */
        io_poll_arm(r->io, slot, IO_IN);
        rig_await(r, IO_READABLE, slot);
        cr_assert(eq(uint, rig_count(r, IO_READABLE, slot, 10), 0));
    }
}

ON_EACH(a_poll_does_not_fire_for_nothing)
{
    uint32_t slot;
    char in[8];
    const int peer = rig_pair(r, &slot);
    send(peer, "abc", 3, 0);
    io_poll_arm(r->io, slot, IO_IN);
    rig_await(r, IO_READABLE, slot);
    cr_assert(eq(int, rig_recv(r, slot, in, sizeof(in)).result, 3));
    io_poll_arm(r->io, slot, IO_IN);
    cr_assert(eq(uint, rig_count(r, IO_READABLE, slot, 30), 0));
    send(peer, "d", 1, 0);
    rig_await(r, IO_READABLE, slot);
}

ON_EACH(a_poll_after_a_receive_that_took_just_everything_is_mistaken_once_at_most)
{
    uint32_t slot;
    char in[3];
    const int peer = rig_pair(r, &slot);
    send(peer, "abc", 3, 0);
    io_poll_arm(r->io, slot, IO_IN);
    rig_await(r, IO_READABLE, slot);
    cr_assert(eq(int, rig_recv(r, slot, in, sizeof(in)).result, 3));
    io_poll_arm(r->io, slot, IO_IN);
    if (rig_count(r, IO_READABLE, slot, 20) == 0)
        return; /* io_uring knows better */
    cr_assert(eq(int, rig_recv(r, slot, in, sizeof(in)).result, -EAGAIN));
    io_poll_arm(r->io, slot, IO_IN);
    cr_assert(eq(uint, rig_count(r, IO_READABLE, slot, 20), 0));
}

ON_EACH(a_poll_fires_again_when_a_receive_left_something)
{
    uint32_t slot;
    char in[2];
    const int peer = rig_pair(r, &slot);
    send(peer, "abcd", 4, 0);
    for (int i = 0; i < 2; i++) {
        io_poll_arm(r->io, slot, IO_IN);
        rig_await(r, IO_READABLE, slot);
        cr_assert(eq(int, rig_recv(r, slot, in, sizeof(in)).result, 2));
    }
    cr_assert(eq(int, rig_recv(r, slot, in, sizeof(in)).result, -EAGAIN));
}

ON_EACH(a_poll_for_room_fires_at_once_when_there_is_some)
{
    uint32_t slot;
    rig_pair(r, &slot);
    io_poll_arm(r->io, slot, IO_OUT);
    rig_await(r, IO_WRITABLE, slot);
    io_poll_arm(r->io, slot, IO_OUT);
    rig_await(r, IO_WRITABLE, slot);
}

ON_EACH(a_poll_for_room_waits_until_the_peer_has_read)
{
    const int peer = rig_peer(r, 4096);
    const uint32_t slot = rig_await(r, IO_ACCEPTED, -1).slot;
    rig_turn(r, 10); /* there was room once */
    const int64_t sent = rig_send(r, slot, huge());
    io_poll_arm(r->io, slot, IO_OUT);
    cr_assert(eq(uint, rig_count(r, IO_WRITABLE, slot, 50), 0));
    for (int64_t left = sent; left > 0;) {
        static char sink[65536];
        const ssize_t n = recv(peer, sink, sizeof(sink), 0);
        cr_assert(ge(i64, n, 1));
        left -= n;
    }
    rig_await(r, IO_WRITABLE, slot);
    cr_assert(ge(i64, rig_send(r, slot, huge()), 1));
}

ON_EACH(both_polls_may_be_armed_and_each_fires_for_its_own)
{
    uint32_t slot;
    const int peer = rig_pair(r, &slot);
    io_poll_arm(r->io, slot, IO_IN);
    io_poll_arm(r->io, slot, IO_OUT);
    rig_await(r, IO_WRITABLE, slot);
    cr_assert(eq(uint, rig_count(r, IO_READABLE, slot, 10), 0));
    send(peer, "x", 1, 0);
    rig_await(r, IO_READABLE, slot);
    cr_assert(eq(uint, rig_count(r, IO_WRITABLE, slot, 10), 0));
}

ON_EACH(a_poll_that_fires_while_a_batch_is_under_way_is_kept_for_the_wait)
{
    uint32_t one, two;
    char in[8];
    const int first = rig_pair(r, &one), second = rig_pair(r, &two);
    send(first, "x", 1, 0);
    send(second, "y", 1, 0);
    io_poll_arm(r->io, one, IO_IN);
    cr_assert(eq(int, rig_recv(r, two, in, sizeof(in)).result, 1));
    cr_assert(eq(int, rig_recv(r, two, in, sizeof(in)).result, -EAGAIN));
    rig_await(r, IO_READABLE, one);
}

/* --- ending ----------------------------------------------------------------------------------- */

static void await_only_close(struct rig *r, uint32_t slot)
{
    rig_await(r, IO_CLOSED, slot);
    rig_turn(r, 2);
    cr_assert(eq(uint, r->seen_count, 0), "one IO_CLOSED and no other event");
}

ON_EACH(a_close_with_armed_polls_gives_one_event_and_frees_the_slot)
{
    uint32_t slot, next;
    for (int i = 0; i < 20; i++) {
        const int peer = rig_pair(r, &slot);
        io_poll_arm(r->io, slot, IO_IN);
        if (i % 2 == 0)
            rig_turn(r, 0); /* the kernel has the poll, or not yet */
        io_close(r->io, slot, IO_CLOSE_FLUSH);
        await_only_close(r, slot);
        cr_assert(eq(i64, rig_peer_drain(peer), 0));
        close(peer);
    }
    rig_pair(r, &next);
    cr_assert(eq(u32, next, slot), "the lowest free one is taken again");
}

ON_EACH(a_close_in_the_moment_a_poll_fires_gives_one_event)
{
    uint32_t slot;
    for (int i = 0; i < 50; i++) {
        const int peer = rig_pair(r, &slot);
        io_poll_arm(r->io, slot, IO_IN);
        rig_turn(r, 0);
        send(peer, "x", 1, 0);
        if (i % 2 == 0)
            io_submit(r->io);
        io_close(r->io, slot, i % 3 == 0 ? IO_CLOSE_RESET : IO_CLOSE_FLUSH);
        await_only_close(r, slot);
        close(peer);
    }
}

ON_EACH(closing_delivers_what_was_sent)
{
    uint32_t slot;
    enum { LEN = 300000 };
    const int peer = rig_pair(r, &slot);
    static uint8_t zeroes[LEN];
    const int64_t sent = rig_send(r, slot, (struct bytes){zeroes, LEN});
    cr_assert(ge(i64, sent, 1));
    rig_end(r, slot, IO_CLOSE_FLUSH);
    cr_assert(eq(i64, rig_peer_drain(peer), sent));
}

ON_EACH(a_send_and_a_close_may_be_queued_together)
{
    uint32_t slot;
    const int peer = rig_pair(r, &slot);
    io_poll_arm(r->io, slot, IO_IN);
    rig_turn(r, 0);
    io_send(r->io, slot, 1, BYTES_LITERAL("bye"));
    io_close(r->io, slot, IO_CLOSE_FLUSH);
    io_submit(r->io);
    rig_await(r, IO_CLOSED, slot);
    cr_assert(eq(i64, rig_peer_drain(peer), 3));
}

ON_EACH(a_reset_reaches_the_peer_as_one_with_polls_or_without)
{
    for (int polls = 0; polls < 4; polls++) {
        uint32_t slot;
        char in[8];
        const int peer = rig_pair(r, &slot);
        if (polls & IO_IN)
            io_poll_arm(r->io, slot, IO_IN);
        if (polls & IO_OUT)
            io_poll_arm(r->io, slot, IO_OUT);
        io_close(r->io, slot, IO_CLOSE_RESET);
        await_only_close(r, slot);
        cr_assert(eq(int, (int)recv(peer, in, sizeof(in), 0), -1));
        cr_assert(eq(int, errno, ECONNRESET));
    }
}

ON_EACH(a_reset_throws_away_what_the_peer_has_not_taken)
{
    const int peer = rig_peer(r, 4096);
    const uint32_t slot = rig_await(r, IO_ACCEPTED, -1).slot;
    const int64_t sent = rig_send(r, slot, huge());
    io_poll_arm(r->io, slot, IO_IN);
    io_poll_arm(r->io, slot, IO_OUT);
    rig_turn(r, 0);
    rig_end(r, slot, IO_CLOSE_RESET);
    cr_assert(eq(uint, r->seen_count, 0), "no other event");
    cr_assert(ge(i64, sent, 1));
    cr_assert(eq(i64, rig_peer_drain(peer), -ECONNRESET));
}

ON_EACH(a_shutdown_ends_one_direction_after_what_was_sent)
{
    uint32_t slot;
    char in[8];
    const int peer = rig_pair(r, &slot);
    io_send(r->io, slot, 1, BYTES_LITERAL("last"));
    io_shutdown(r->io, slot);
    io_submit(r->io);
    cr_assert(eq(i64, rig_peer_drain(peer), 4));
    send(peer, "abc", 3, 0);
    io_poll_arm(r->io, slot, IO_IN);
    rig_await(r, IO_READABLE, slot);
    cr_assert(eq(int, rig_recv(r, slot, in, sizeof(in)).result, 3));
    rig_end(r, slot, IO_CLOSE_FLUSH);
}

ON_EACH(a_shutdown_and_a_close_in_one_breath_free_the_slot)
{
    for (int i = 0; i < 20; i++) {
        uint32_t slot;
        const int peer = rig_pair(r, &slot);
        io_poll_arm(r->io, slot, IO_IN);
        io_shutdown(r->io, slot);
        io_shutdown(r->io, slot); /* twice is once */
        io_close(r->io, slot, i % 2 ? IO_CLOSE_RESET : IO_CLOSE_FLUSH);
        rig_await(r, IO_CLOSED, slot);
        cr_assert(eq(uint, r->seen_count, 0), "no other event");
        close(peer);
    }
}

/* --- waking ----------------------------------------------------------------------------------- */

static void *wake_soon(void *io)
{
    usleep(30000);
    io_wake(io);
    return NULL;
}

ON_EACH(another_thread_wakes_a_wait_without_limit)
{
    const struct io_event *events;
    for (int i = 0; i < 3; i++) {
        pthread_t waker;
        cr_assert(eq(int, pthread_create(&waker, NULL, wake_soon, r->io), 0));
        cr_assert(eq(uint, io_wait(r->io, UINT64_MAX, &events), 1));
        cr_assert(eq(int, (int)events[0].kind, IO_WOKEN));
        pthread_join(waker, NULL);
    }
}

ON_EACH(a_wake_up_before_the_wait_is_not_lost_and_many_are_one)
{
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k <= i; k++)
            io_wake(r->io);
        rig_await(r, IO_WOKEN, -1);
        cr_assert(eq(uint, rig_count(r, IO_WOKEN, -1, 20), 0));
    }
}

ON_EACH(a_wait_ends_in_time_when_nothing_happens)
{
    const struct io_event *events;
    const uint64_t start_ns = clock_monotonic_ns();
    for (int i = 0; i < 5; i++)
        cr_assert(eq(uint, io_wait(r->io, 300000, &events), 0));
    cr_assert(eq(uint, io_wait(r->io, 30000000, &events), 0));
    const uint64_t took_ns = clock_monotonic_ns() - start_ns;
    cr_assert(ge(u64, took_ns, 31000000));
    cr_assert(lt(u64, took_ns, RIG_SOON_MS * 1000000ull));
}
