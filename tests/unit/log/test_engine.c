/* The log with another engine than its own: one that, like a bridge, hands publishes away and gets
 * them back in an order, with a sequence and an epoch that were decided elsewhere. */
#include "base/alloc.h"
#include "log/log_internal.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>

/* --- an engine whose other system is a small stack: what is published last comes first -----------
 */

enum { STACK_MAX = 8 };

struct bridge {
    struct message *stack[STACK_MAX];
    size_t count;
    unsigned advances;
    bool is_waiting;
};

static unsigned wakes[3];
static struct bridge bridge;

static int bridge_open(struct log *l, const struct log_options *o)
{
    cr_assert(eq(uint, o->reactor_count, 3));
    l->engine_state = &bridge;
    l->epoch = 0xe90c4;
    atomic_store(&l->head, 1000);
    return 0;
}

static void bridge_close(struct log *l)
{
    struct bridge *b = l->engine_state;
    while (b->count > 0)
        message_unref(&b->stack[--b->count]);
}

static int bridge_append(struct log *l, struct message **chain)
{
    struct bridge *b = l->engine_state;
    if (b->count == STACK_MAX)
        return -EAGAIN;
    b->stack[b->count++] = *chain;
    *chain = NULL;
    return 0;
}

static void bridge_advance(struct log *l)
{
    ((struct bridge *)l->engine_state)->advances++;
}

static bool bridge_is_waiting(const struct log *l)
{
    return ((const struct bridge *)l->engine_state)->is_waiting;
}

static size_t bridge_backlog(const struct log *l)
{
    return ((const struct bridge *)l->engine_state)->count;
}

static const struct log_engine bridge_engine = {
    .name = "bridge",
    .open = bridge_open,
    .close = bridge_close,
    .append = bridge_append,
    .advance = bridge_advance,
    .is_waiting = bridge_is_waiting,
    .backlog = bridge_backlog,
};

/* What its thread would do. False: blocked. */
static bool receive_all(struct log *l)
{
    bool delivered = false, blocked = !log_deliver(l, &delivered);
    while (!blocked && bridge.count > 0) {
        struct message *chain = bridge.stack[--bridge.count];
        log_order(l, chain, log_head(l) + 1, 5000 + (int64_t)bridge.count);
        blocked = !log_deliver(l, &delivered);
    }
    if (delivered)
        log_wake_sleepers(l);
    return !blocked;
}

/* --- shorthand -------------------------------------------------------------------------------- */

static void count_wake(void *user, unsigned reactor)
{
    (void)user;
    wakes[reactor]++;
}

static struct log *new_log(void)
{
    struct log *l;
    const struct log_options o = {
        .engine = &bridge_engine,
        .reactor_count = 3,
        .history_count = 2,
        .history_bytes = UINT64_MAX,
        .ring_capacity = 2,
        .wake = count_wake,
    };
    cr_assert(eq(int, log_new(&l, &o), 0));
    return l;
}

static int append(struct log *l, const char *payload)
{
    struct message *m = message_new(&(struct message_options){.topic = BYTES_LITERAL("t"),
                                                              .payload = bytes_from(payload),
                                                              .kind = MESSAGE_TEXT,
                                                              .origin = {.reactor = 2, .tag = 7}});
    cr_assert(ne(ptr, m, NULL));
    const int err = log_append(l, &m);
    if (err)
        message_unref(&m);
    return err;
}

static ENTERS_REACTOR void expect(struct log *l, unsigned reactor, uint64_t seq, char payload)
{
    struct message *m = log_consume(l, reactor);
    cr_assert(ne(ptr, m, NULL));
    cr_assert(eq(u64, m->seq, seq));
    cr_assert(eq(int, message_payload(m).at[0], payload));
    cr_assert(eq(u16, m->origin.tag, 7));
    cr_assert(ge(i64, m->time_ms, 5000));
    cr_assert(eq(u16, atomic_load(&m->image_holders), 3));
    message_unref(&m);
}

static ENTERS_REACTOR bool has_work(struct log *l, unsigned reactor)
{
    return log_has_work(l, reactor);
}

static ENTERS_REACTOR void help(struct log *l, unsigned reactor)
{
    log_help(l, reactor);
}

static ENTERS_REACTOR void sleep_begin(struct log *l, unsigned reactor)
{
    log_sleep_begin(l, reactor);
}

/* --- the tests -------------------------------------------------------------------------------- */

Test(engine, decides_epoch_order_sequence_and_time)
{
    struct log *l = new_log();
    cr_assert(eq(u64, log_epoch(l), 0xe90c4));
    cr_assert(eq(u64, log_head(l), 1000));
    cr_assert(eq(int, append(l, "a"), 0));
    cr_assert(eq(int, append(l, "b"), 0));
    cr_assert(eq(sz, log_inbox_len(l), 2));
    cr_assert(not(has_work(l, 0)));

    cr_assert(receive_all(l));
    cr_assert(eq(u64, log_head(l), 1002));
    cr_assert(eq(sz, log_inbox_len(l), 0));
    for (unsigned r = 0; r < 3; r++) {
        expect(l, r, 1001, 'b');
        expect(l, r, 1002, 'a');
        cr_assert(not(has_work(l, r)));
    }
    log_free(&l);
}

Test(engine, stamps_what_is_retained_from_wherever_its_sequence_begins)
{
    static const uint64_t oldest[] = {1001, 1001, 1002, 1003};
    struct log *l = new_log();
    for (size_t i = 0; i < 4; i++) {
        cr_assert(eq(int, append(l, "x"), 0));
        cr_assert(receive_all(l));
        for (unsigned r = 0; r < 3; r++) {
            cr_assert(eq(u64, log_ring_peek(&l->reactors[r].ring)->oldest, oldest[i]));
            expect(l, r, 1001 + i, 'x');
        }
    }
    log_free(&l);
}

Test(engine, may_refuse)
{
    struct log *l = new_log();
    for (unsigned i = 0; i < STACK_MAX; i++)
        cr_assert(eq(int, append(l, "x"), 0));
    cr_assert(eq(int, append(l, "x"), -EAGAIN));
    log_free(&l);
}

Test(engine, is_asked_to_go_on_by_the_reactor_whose_ring_was_full)
{
    struct log *l = new_log();
    for (unsigned i = 0; i < 3; i++)
        cr_assert(eq(int, append(l, "x"), 0));
    cr_assert(not(receive_all(l)));
    help(l, 1);
    cr_assert(eq(uint, bridge.advances, 0)); /* it is not in the way */
    cr_assert(has_work(l, 0));
    expect(l, 0, 1001, 'x');
    help(l, 0);
    cr_assert(eq(uint, bridge.advances, 1));
    help(l, 0);
    cr_assert(eq(uint, bridge.advances, 1)); /* said once */
    cr_assert(not(receive_all(l)));          /* now reactor 1 is */
    help(l, 1);
    cr_assert(eq(uint, bridge.advances, 2));
    log_free(&l);
}

Test(engine, is_asked_to_go_on_while_it_says_that_it_waits)
{
    struct log *l = new_log();
    cr_assert(not(has_work(l, 2)));
    bridge.is_waiting = true;
    cr_assert(has_work(l, 2));
    help(l, 2);
    cr_assert(eq(uint, bridge.advances, 1));
    log_free(&l);
}

Test(engine, wakes_the_reactors_that_sleep)
{
    struct log *l = new_log();
    sleep_begin(l, 1);
    cr_assert(eq(int, append(l, "x"), 0));
    cr_assert(eq(uint, wakes[1], 0));
    cr_assert(receive_all(l));
    cr_assert(eq(uint, wakes[1], 1));
    cr_assert(eq(uint, wakes[0] + wakes[2], 0));
    log_free(&l);
}

static int fail_to_open(struct log *l, const struct log_options *o)
{
    (void)l;
    (void)o;
    return -ECONNREFUSED;
}

Test(engine, that_cannot_be_opened_makes_no_log)
{
    struct log_engine broken = bridge_engine;
    struct log *l;
    broken.open = fail_to_open;
    const struct log_options o = {.engine = &broken, .reactor_count = 3, .wake = count_wake};
    cr_assert(eq(int, log_new(&l, &o), -ECONNREFUSED));
    cr_assert(eq(ptr, l, NULL));
}
