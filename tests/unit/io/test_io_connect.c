/* io_connect() on io_uring (with registered files, and with ordinary descriptors) and on epoll,
 * over loopback. What a connected socket does afterwards is any slot's: test_io.c. */
#include "unit/io/rig.h"

enum { CONNECTS = 8000 };

/* Connecting and accepting in one io, each other's peers. */
static void open_both(struct rig *r)
{
    io_free(&r->io);
    cr_assert(eq(int, rig_io_new_for(r->variant, RIG_SLOTS, CONNECTS, &r->io), 0));
    cr_assert(eq(int, io_listen(r->io, r->listen_fd), 0));
}

static uint32_t begin(struct rig *r, const union io_address *local)
{
    const int64_t slot = io_connect(r->io, &r->at, local);
    cr_assert(ge(i64, slot, 0), "%s", strerror((int)-slot));
    return (uint32_t)slot;
}

static uint32_t connected(struct rig *r, const union io_address *local)
{
    const uint32_t slot = begin(r, local);
    cr_assert(eq(int, rig_await(r, IO_CONNECTED, slot).result, 0));
    return slot;
}

static void expect_only_close(struct rig *r, uint32_t slot)
{
    rig_await(r, IO_CLOSED, slot);
    cr_assert(eq(uint, rig_count(r, IO_CONNECTED, slot, 20), 0));
    cr_assert(eq(uint, rig_count(r, IO_CLOSED, slot, 0), 0), "once");
}

/* A socket with a port of its own, on which it does not listen. */
static int bound(union io_address *at)
{
    socklen_t len = sizeof(*at);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(eq(int, listener_parse("127.0.0.1:0", at), 0));
    cr_assert(eq(int, bind(fd, &at->any, sizeof(at->in)), 0));
    cr_assert(eq(int, getsockname(fd, &at->any, &len), 0));
    return fd;
}

/* An address where nobody listens. */
static union io_address nobody(void)
{
    union io_address at;
    bound(&at); /* stays: no other test gets the port meanwhile */
    return at;
}

/* One whose queue is full: connects to it neither succeed nor fail. */
static union io_address silent(void)
{
    union io_address at;
    cr_assert(eq(int, listen(bound(&at), 0), 0));
    for (int i = 0; i < 3; i++)
        connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), &at.any, sizeof(at.in));
    return at;
}

ON_EACH(connects_and_talks)
{
    char in[16] = "";
    open_both(r);
    for (int i = 0; i < 20; i++) {
        const uint32_t from = connected(r, NULL);
        const uint32_t to = rig_await(r, IO_ACCEPTED, -1).slot;
        cr_assert(ne(u32, from, to));
        cr_assert(eq(i64, rig_send(r, from, BYTES_LITERAL("hello")), 5));
        io_poll_arm(r->io, to, IO_IN);
        rig_await(r, IO_READABLE, to);
        cr_assert(eq(int, rig_recv(r, to, in, sizeof(in)).result, 5));
        cr_assert(eq(str, in, "hello"));
        io_poll_arm(r->io, from, IO_OUT);
        rig_await(r, IO_WRITABLE, from);
        io_poll_arm(r->io, from, IO_IN);
        rig_end(r, to, IO_CLOSE_FLUSH);
        rig_await(r, IO_READABLE, from);
        cr_assert(eq(int, rig_recv(r, from, in, sizeof(in)).result, 0));
        rig_end(r, from, i % 2 ? IO_CLOSE_RESET : IO_CLOSE_FLUSH);
    }
}

ON_EACH(connects_over_ipv6)
{
    const struct listener_options one = {.count = 1};
    open_both(r);
    if (listener_parse("[::1]:0", &r->at) != 0 ||
        listener_open_at(&r->at, &one, &r->listen_fd) != 0)
        cr_skip_test("no IPv6 here");
    connected(r, NULL);
}

ON_EACH(a_refused_port_is_told_and_the_slot_is_closed_like_any_other)
{
    open_both(r);
    const union io_address at = nobody();
    for (int i = 0; i < 20; i++) {
        const int64_t slot = io_connect(r->io, &at, NULL);
        cr_assert(ge(i64, slot, 0));
        cr_assert(eq(int, rig_await(r, IO_CONNECTED, slot).result, -ECONNREFUSED));
        io_close(r->io, (uint32_t)slot, i % 2 ? IO_CLOSE_RESET : IO_CLOSE_FLUSH);
        expect_only_close(r, (uint32_t)slot);
    }
}

ON_EACH(what_cannot_be_is_refused_at_once_or_told)
{
    union io_address elsewhere;
    const unsigned before = rig_fd_count();
    open_both(r);
    cr_assert(eq(int, listener_parse("192.0.2.1:0", &elsewhere), 0)); /* RFC 5737: not ours */
    cr_assert(eq(i64, io_connect(r->io, &r->at, &elsewhere), -EADDRNOTAVAIL));
    cr_assert(eq(int, listener_parse("[::1]:0", &elsewhere), 0));
    cr_assert(lt(i64, io_connect(r->io, &r->at, &elsewhere), 0), "the other family");
    cr_assert(eq(int, listener_parse("255.255.255.255:1", &elsewhere), 0));
    const int64_t slot = io_connect(r->io, &elsewhere, NULL);
    if (slot >= 0) {
        cr_assert(lt(int, rig_await(r, IO_CONNECTED, slot).result, 0));
        rig_end(r, (uint32_t)slot, IO_CLOSE_FLUSH);
    }
    rig_turn(r, 10);
    cr_assert(eq(uint, rig_fd_count(), before));
}

ON_EACH(comes_from_the_address_that_was_asked_for)
{
    open_both(r);
    for (unsigned i = 1; i < 30; i++) {
        union io_address local;
        cr_assert(eq(int, listener_parse("127.0.0.1:0", &local), 0));
        local.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + i);
        connected(r, &local);
        const struct io_event e = rig_await(r, IO_ACCEPTED, -1);
        cr_assert(eq(u32, e.peer.in.sin_addr.s_addr, local.in.sin_addr.s_addr));
        cr_assert(ne(int, e.peer.in.sin_port, 0));
    }
}

ON_EACH(a_port_may_be_asked_for_too)
{
    open_both(r);
    union io_address local = nobody();
    local.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    connected(r, &local);
    cr_assert(eq(int, rig_await(r, IO_ACCEPTED, -1).peer.in.sin_port, local.in.sin_port));
}

ON_EACH(closed_before_it_is_connected_it_only_closes)
{
    open_both(r);
    const union io_address at = silent();
    for (int i = 0; i < 40; i++) {
        const int64_t slot = io_connect(r->io, i % 4 < 2 ? &at : &r->at, NULL);
        cr_assert(ge(i64, slot, 0));
        if (i % 8 >= 4)
            io_submit(r->io);
        if (i % 8 == 4)
            rig_turn(r, 2);
        if (rig_count(r, IO_CONNECTED, slot, 0) > 0)
            continue; /* that fast */
        io_close(r->io, (uint32_t)slot, i % 2 ? IO_CLOSE_RESET : IO_CLOSE_FLUSH);
        expect_only_close(r, (uint32_t)slot);
    }
}

ON_EACH(a_slot_is_not_given_out_again_before_its_close_was_told)
{
    struct io_event e;
    open_both(r);
    for (int i = 0; i < 50; i++) {
        const uint32_t first = connected(r, NULL);
        io_close(r->io, first, IO_CLOSE_FLUSH);
        if (i % 2)
            io_submit(r->io);
        const uint32_t second = begin(r, NULL);
        cr_assert(ne(u32, second, first));
        rig_await(r, IO_CLOSED, first);
        while (!rig_take(r, IO_CONNECTED, second, &e))
            rig_turn(r, 10);
        const uint32_t third = begin(r, NULL);
        if (rig_is_registered(r->variant))
            cr_assert(eq(u32, third, first), "the last one closed");
        rig_await(r, IO_CONNECTED, third);
        rig_end(r, second, IO_CLOSE_RESET);
        rig_end(r, third, IO_CLOSE_RESET);
    }
}

ON_EACH(thousands_connect_at_once_while_thousands_are_accepted)
{
    enum { PAIRS = 4000, WINDOW = 100 };
    static bool used[RIG_SLOTS];
    unsigned begun = 0, in = 0, out = 0;
    open_both(r);
    const uint64_t end_ms = rig_now_ms() + 20000;
    while (in < PAIRS || out < PAIRS) {
        for (; begun < PAIRS && begun < in + WINDOW; begun++) {
            const uint32_t slot = begin(r, NULL);
            cr_assert(not(used[slot]));
            used[slot] = true;
        }
        rig_turn(r, 10);
        for (unsigned i = 0; i < r->seen_count; i++) {
            const struct io_event *e = &r->seen[i];
            if (e->kind == IO_ACCEPTED) {
                cr_assert(not(used[e->slot]));
                used[e->slot] = true;
                in++;
            } else {
                cr_assert(eq(int, (int)e->kind, IO_CONNECTED));
                cr_assert(eq(int, e->result, 0));
                cr_assert(used[e->slot]);
                out++;
            }
        }
        r->seen_count = 0;
        cr_assert(lt(u64, rig_now_ms(), end_ms), "%u in, %u out", in, out);
    }
    cr_assert(eq(uint, in, PAIRS));
    cr_assert(eq(uint, out, PAIRS));
}

ON_EACH(without_a_free_slot_it_is_refused_and_goes_on_when_one_closes)
{
    enum { SLOTS = 5 };
    uint32_t slots[2 * SLOTS];
    const int lowest = dup(0);
    close(lowest);
    io_free(&r->io);
    const uint32_t slot_count =
        rig_is_registered(r->variant) ? SLOTS : (uint32_t)lowest + 3 + SLOTS;
    cr_assert(eq(int, rig_io_new_for(r->variant, slot_count, SLOTS, &r->io), 0));
    unsigned count = 0;
    int64_t slot;
    while ((slot = io_connect(r->io, &r->at, NULL)) >= 0) {
        cr_assert(lt(uint, count, 2 * SLOTS));
        slots[count++] = (uint32_t)slot;
    }
    cr_assert(eq(i64, slot, -EMFILE));
    if (rig_is_registered(r->variant))
        cr_assert(eq(uint, count, SLOTS));
    for (unsigned i = 0; i < count; i++) {
        cr_assert(eq(int, rig_await(r, IO_CONNECTED, slots[i]).result, 0));
        rig_end(r, slots[i], IO_CLOSE_RESET);
        cr_assert(eq(u32, begin(r, NULL), slots[i]));
        cr_assert(eq(i64, io_connect(r->io, &r->at, NULL), -EMFILE));
    }
}

ON_EACH(an_end_while_connecting_leaves_nothing)
{
    io_free(&r->io);
    const union io_address at = silent();
    const unsigned before = rig_fd_count();
    open_both(r);
    for (int i = 0; i < 200; i++)
        cr_assert(ge(i64, io_connect(r->io, i % 2 ? &at : &r->at, NULL), 0));
    io_submit(r->io);
    for (int i = 0; i < 20; i++)
        cr_assert(ge(i64, io_connect(r->io, i % 2 ? &at : &r->at, NULL), 0));
    const uint64_t start_ms = rig_now_ms();
    io_free(&r->io);
    cr_assert(lt(u64, rig_now_ms() - start_ms, RIG_SOON_MS), "it need not wait for long");
    cr_assert(eq(uint, rig_fd_count(), before));
}

/* Receives and sends under way are none of its business. */
ON_EACH(a_batch_may_be_queued_around_it)
{
    unsigned count;
    char in[8];
    open_both(r);
    const uint32_t from = connected(r, NULL);
    const uint32_t to = rig_await(r, IO_ACCEPTED, -1).slot;
    cr_assert(eq(int, rig_recv(r, to, in, sizeof(in)).result, -EAGAIN));
    io_send(r->io, from, 1, BYTES_LITERAL("one"));
    for (int i = 0; i < 100; i++)
        begin(r, NULL);
    const struct io_result *results = io_results(r->io, &count);
    cr_assert(eq(uint, count, 1), "those of the last batch still stand");
    cr_assert(eq(u32, results[0].tag, 77));
    io_recv(r->io, to, 2, (struct span){(uint8_t *)in, sizeof(in)});
    io_submit(r->io);
    results = io_results(r->io, &count);
    cr_assert(eq(uint, count, 1));
    cr_assert(eq(int, results[0].result, 3));
    for (int i = 0; i < 100; i++)
        rig_await(r, IO_CONNECTED, -1);
}
