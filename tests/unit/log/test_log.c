/* The log as one thread sees it that plays publishers and reactors in turn. What they do to each
 * other at once is stress_log's question. */
#include "base/alloc.h"
#include "base/clock.h"
#include "log/log.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <limits.h>

static unsigned wakes[LOG_REACTORS_MAX];
static uint64_t now_ns;
static int64_t now_ms;
static uint64_t next_random;

static void count_wake(void *user, unsigned reactor)
{
    cr_assert(eq(ptr, user, wakes));
    wakes[reactor]++;
}

static uint64_t fake_ns(void)
{
    return now_ns;
}

static int64_t fake_ms(void)
{
    return now_ms;
}

static void fake_random(void *out, size_t len)
{
    memcpy(out, &next_random, len);
}

static const struct clock_source fake = {fake_ns, fake_ms, fake_random};

static void use_fake_clock(void)
{
    clock_set_source(&fake);
}

TestSuite(log, .init = use_fake_clock);

/* --- shorthand -------------------------------------------------------------------------------- */

static struct log_options options(unsigned reactor_count, uint32_t ring_capacity)
{
    return (struct log_options){
        .reactor_count = reactor_count,
        .history_count = 100,
        .history_bytes = UINT64_MAX,
        .ring_capacity = ring_capacity,
        .wake = count_wake,
        .wake_user = wakes,
    };
}

static struct log *new_log(struct log_options o)
{
    struct log *l;
    cr_assert(eq(int, log_new(&l, &o), 0));
    return l;
}

static struct message *message_of(size_t payload_len)
{
    static uint8_t payload[1 << 20];
    struct message *m = message_new(&(struct message_options){
        .topic = BYTES_LITERAL("t"),
        .payload = {payload, payload_len},
        .kind = MESSAGE_BINARY,
        .origin = {.reactor = ORIGIN_NONE},
    });
    cr_assert(ne(ptr, m, NULL));
    return m;
}

static int append(struct log *l, struct message *m)
{
    struct message *chain = m;
    const int err = log_append(l, &chain);
    cr_assert(eq(ptr, chain, err ? m : NULL));
    if (err)
        message_unref(&chain);
    return err;
}

static void append_new(struct log *l, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cr_assert(eq(int, append(l, message_of(1)), 0));
}

/* The reactor threads, played by the test. Consumes one message; 0: none. */
static ENTERS_REACTOR uint64_t consume(struct log *l, unsigned reactor)
{
    struct message *m = log_consume(l, reactor);
    const uint64_t seq = m ? m->seq : 0;
    if (m)
        message_unref(&m);
    return seq;
}

static ENTERS_REACTOR void help(struct log *l, unsigned reactor)
{
    log_help(l, reactor);
}

static ENTERS_REACTOR bool has_work(struct log *l, unsigned reactor)
{
    return log_has_work(l, reactor);
}

static ENTERS_REACTOR void sleep_begin(struct log *l, unsigned reactor)
{
    log_sleep_begin(l, reactor);
}

static ENTERS_REACTOR void sleep_end(struct log *l, unsigned reactor)
{
    log_sleep_end(l, reactor);
}

static ENTERS_REACTOR const struct message *peek(struct log *l, unsigned reactor)
{
    return log_peek(l, reactor);
}

/* Consumes first..last, in order, and finds nothing behind them. */
static void expect_all(struct log *l, unsigned reactor, uint64_t first, uint64_t last)
{
    for (uint64_t seq = first; seq <= last; seq++)
        cr_assert(eq(u64, consume(l, reactor), seq), "reactor %u", reactor);
    cr_assert(eq(u64, consume(l, reactor), 0), "reactor %u", reactor);
}

/* --- order ------------------------------------------------------------------------------------ */

Test(log, gives_every_reactor_the_same_messages_in_the_same_order)
{
    struct log *l = new_log(options(3, 16));
    append_new(l, 10);
    for (unsigned r = 0; r < 3; r++)
        expect_all(l, r, 1, 10);
    log_free(&l);
    cr_assert(eq(ptr, l, NULL));
}

Test(log, tells_its_head_and_epoch)
{
    next_random = 0xfeed;
    struct log *l = new_log(options(1, 16));
    cr_assert(eq(u64, log_epoch(l), 0xfeed));
    cr_assert(eq(u64, log_head(l), 0));
    append_new(l, 3);
    cr_assert(eq(u64, log_head(l), 3));
    cr_assert(eq(sz, log_reactor_ring_len(l, 0), 3));
    cr_assert(eq(sz, log_inbox_len(l), 0));
    log_free(&l);
}

Test(log, never_has_the_epoch_zero)
{
    next_random = 0;
    struct log *l = new_log(options(1, 16));
    cr_assert(ne(u64, log_epoch(l), 0));
    log_free(&l);
}

Test(log, stamps_when_it_was_appended_and_ordered)
{
    struct log *l = new_log(options(1, 2));
    now_ns = 5000;
    now_ms = 111;
    append_new(l, 3);
    now_ns = 1000000;
    now_ms = 222;

    cr_assert(eq(i64, peek(l, 0)->time_ms, 111));
    cr_assert(eq(u64, peek(l, 0)->appended_ns, 5000));
    cr_assert(eq(u64, consume(l, 0), 1));
    cr_assert(eq(u64, consume(l, 0), 2));
    cr_assert(eq(ptr, (void *)(uintptr_t)peek(l, 0), NULL));
    append_new(l, 1); /* orders: 3 was pending with its stamp, 4 gets its own */
    cr_assert(eq(i64, peek(l, 0)->time_ms, 111));
    cr_assert(eq(u64, consume(l, 0), 3));
    cr_assert(eq(i64, peek(l, 0)->time_ms, 222));
    cr_assert(eq(u64, peek(l, 0)->appended_ns, 1000000));
    log_free(&l);
}

static int64_t time_of_next(struct log *l)
{
    append_new(l, 1);
    const int64_t time_ms = peek(l, 0)->time_ms;
    consume(l, 0);
    return time_ms;
}

Test(log, tells_a_time_that_is_at_most_a_quarter_of_a_millisecond_old)
{
    struct log *l = new_log(options(1, 2));
    now_ns = 7000000000;
    now_ms = 111;
    cr_assert(eq(i64, time_of_next(l), 111));
    now_ms = 112;
    now_ns += 249999;
    cr_assert(eq(i64, time_of_next(l), 111));
    now_ns += 1;
    cr_assert(eq(i64, time_of_next(l), 112));
    now_ms = 113;
    now_ns -= 5000; /* another thread's look at the clock, a little earlier: it does not go back */
    cr_assert(eq(i64, time_of_next(l), 112));
    now_ns += 3600000000000;
    cr_assert(eq(i64, time_of_next(l), 113));
    log_free(&l);
}

Test(log, counts_the_wait_of_a_message_that_was_refused_first)
{
    struct log_options o = options(1, 2);
    o.inbox_capacity = 2;
    struct log *l = new_log(o);
    now_ns = 5000;
    append_new(l, 5); /* 2 in the ring, 1 pending, 2 in the inbox */
    struct message *m = message_of(0);
    cr_assert(eq(int, log_append(l, &m), -EAGAIN));
    now_ns = 6000;
    cr_assert(eq(int, log_append(l, &m), -EAGAIN));
    cr_assert(eq(u64, m->appended_ns, 5000));
    message_unref(&m);
    log_free(&l);
}

/* --- what is retained ------------------------------------------------------------------------- */

static uint64_t oldest_after(struct log *l, size_t payload_len)
{
    cr_assert(eq(int, append(l, message_of(payload_len)), 0));
    const uint64_t oldest = peek(l, 0)->oldest;
    consume(l, 0);
    return oldest;
}

Test(log, retains_by_count)
{
    struct log_options o = options(1, 16);
    o.history_count = 3;
    struct log *l = new_log(o);
    for (uint64_t seq = 1; seq <= 20; seq++)
        cr_assert(eq(u64, oldest_after(l, seq % 4), seq <= 3 ? 1 : seq - 2));
    log_free(&l);
}

Test(log, retains_by_bytes_and_always_the_newest)
{
    struct log_options o = options(1, 16);
    o.history_bytes = 1000 + 3 * MESSAGE_OVERHEAD;
    struct log *l = new_log(o);
    cr_assert(eq(u64, oldest_after(l, 300), 1));
    cr_assert(eq(u64, oldest_after(l, 300), 1));
    cr_assert(eq(u64, oldest_after(l, 400), 1)); /* exactly the limit */
    cr_assert(eq(u64, oldest_after(l, 300), 2)); /* and exactly again */
    cr_assert(eq(u64, oldest_after(l, 301), 4));
    cr_assert(eq(u64, oldest_after(l, 5000), 6)); /* larger than all: alone */
    cr_assert(eq(u64, oldest_after(l, 0), 7));
    cr_assert(eq(u64, oldest_after(l, 0), 7));
    log_free(&l);
}

Test(log, retains_one_message_when_asked_for_none)
{
    struct log_options o = options(1, 16);
    o.history_count = 0;
    o.history_bytes = 0;
    struct log *l = new_log(o);
    cr_assert(eq(u64, oldest_after(l, 10), 1));
    cr_assert(eq(u64, oldest_after(l, 10), 2));
    log_free(&l);
}

/* --- entries of several messages -------------------------------------------------------------- */

static struct message *chain_of(size_t count, size_t payload_len)
{
    struct message *chain = NULL;
    for (size_t i = 0; i < count; i++) {
        struct message *m = message_of(payload_len);
        m->next_in_entry = chain;
        chain = m;
    }
    return chain;
}

Test(log, keeps_the_messages_of_a_chain_together_across_full_rings)
{
    struct log *l = new_log(options(2, 2));
    struct message *chain = chain_of(5, 1);
    append_new(l, 1);
    cr_assert(eq(int, log_append(l, &chain), 0));
    cr_assert(eq(ptr, chain, NULL));
    append_new(l, 1);
    cr_assert(eq(u64, log_head(l), 6)); /* the chain is stamped as a whole, 7 waits in the inbox */

    for (uint64_t seq = 1; seq <= 7; seq++)
        for (unsigned r = 0; r < 2; r++) {
            const bool ends_entry = peek(l, r)->next_in_entry == NULL;
            cr_assert(eq(int, ends_entry, seq == 1 || seq >= 6));
            cr_assert(eq(u64, consume(l, r), seq));
            help(l, r);
        }
    log_free(&l);
}

Test(log, takes_a_chain_whole_or_not_at_all)
{
    struct log_options o = options(1, 2);
    o.inbox_capacity = 2;
    struct log *l = new_log(o);
    append_new(l, 5); /* 2 in the ring, 1 pending, 2 in the inbox: full */

    struct message *chain = chain_of(3, 1);
    struct message *const same = chain;
    cr_assert(eq(int, log_append(l, &chain), -EAGAIN));
    cr_assert(eq(ptr, chain, same));
    for (const struct message *m = chain; m; m = m->next_in_entry)
        cr_assert(eq(u32, atomic_load(&m->refs), 1));

    cr_assert(eq(u64, consume(l, 0), 1));
    help(l, 0); /* one slot of the inbox is free: a chain needs only that */
    cr_assert(eq(int, log_append(l, &chain), 0));
    for (uint64_t seq = 2; seq <= 8; seq++) {
        cr_assert(eq(u64, consume(l, 0), seq));
        help(l, 0);
    }
    cr_assert(eq(u64, consume(l, 0), 0));
    log_free(&l);
}

/* A batch whose first messages would fit, but not all of it. */
Test(log, takes_no_part_of_a_chain_that_exceeds_the_inbox_bytes_that_are_left)
{
    struct log *l = new_log(options(1, 2));
    append_new(l, 3); /* 2 in the ring, 1 pending */
    for (uint64_t i = 0; i < (LOG_INBOX_BYTES_MAX >> 20) - 2; i++)
        cr_assert(eq(int, append(l, message_of((1 << 20) - MESSAGE_OVERHEAD)), 0));
    const size_t before = log_inbox_len(l);
    struct message *chain = chain_of(3, (1 << 20) - MESSAGE_OVERHEAD), *const same = chain;
    cr_assert(eq(int, log_append(l, &chain), -EAGAIN));
    cr_assert(eq(ptr, chain, same));
    cr_assert(eq(sz, log_inbox_len(l), before));

    consume(l, 0);
    help(l, 0); /* one MiB leaves the inbox */
    cr_assert(eq(int, log_append(l, &chain), 0));
    cr_assert(eq(sz, log_inbox_len(l), before)); /* one out, one entry in */
    cr_assert(eq(int, append(l, message_of(0)), -EAGAIN));
    log_free(&l);
}

/* --- the inbox's bounds ----------------------------------------------------------------------- */

/* Fills ring and pending, so that what follows stays in the inbox. */
static struct log *new_stopped_log(void)
{
    struct log *l = new_log(options(1, 2));
    append_new(l, 3);
    cr_assert(eq(sz, log_inbox_len(l), 0));
    return l;
}

Test(log, refuses_one_more_than_the_inbox_holds)
{
    struct log *l = new_stopped_log();
    append_new(l, LOG_INBOX_MAX);
    cr_assert(eq(sz, log_inbox_len(l), LOG_INBOX_MAX));
    cr_assert(eq(int, append(l, message_of(1)), -EAGAIN));
    cr_assert(eq(u64, consume(l, 0), 1));
    help(l, 0);
    cr_assert(eq(int, append(l, message_of(1)), 0));
    log_free(&l);
}

Test(log, refuses_one_byte_more_than_the_inbox_holds)
{
    struct log *l = new_stopped_log();
    const size_t each = (1 << 20) - MESSAGE_OVERHEAD;
    for (uint64_t i = 0; i < LOG_INBOX_BYTES_MAX >> 20; i++)
        cr_assert(eq(int, append(l, message_of(each)), 0));
    cr_assert(eq(int, append(l, message_of(0)), -EAGAIN));

    consume(l, 0);
    help(l, 0); /* takes one MiB out of the inbox */
    cr_assert(eq(int, append(l, message_of(each + 1)), -EAGAIN));
    cr_assert(eq(int, append(l, message_of(each)), 0));
    log_free(&l);
}

Test(log, gives_back_the_bytes_of_what_it_refused)
{
    struct log_options o = options(1, 2);
    o.inbox_capacity = 2;
    struct log *l = new_log(o);
    append_new(l, 5); /* 2 in the ring, 1 pending, 2 in the inbox */
    for (unsigned i = 0; i < 100; i++)
        cr_assert(eq(int, append(l, message_of(1 << 20)), -EAGAIN));
    consume(l, 0);
    help(l, 0);
    cr_assert(eq(int, append(l, message_of(1 << 20)), 0));
    log_free(&l);
}

Test(log, takes_an_entry_larger_than_the_inbox_when_that_is_empty)
{
    struct log *l = new_stopped_log();
    struct message *huge = chain_of((LOG_INBOX_BYTES_MAX >> 20) + 1, 1 << 20);
    append_new(l, 1);
    cr_assert(eq(int, log_append(l, &huge), -EAGAIN));
    consume(l, 0);
    help(l, 0);
    cr_assert(eq(int, log_append(l, &huge), 0));
    cr_assert(eq(int, append(l, message_of(0)), -EAGAIN));
    log_free(&l);
}

/* --- full rings ------------------------------------------------------------------------------- */

Test(log, waits_for_the_reactor_whose_ring_is_full_and_goes_on_when_it_helps)
{
    struct log *l = new_log(options(3, 4));
    append_new(l, 10);
    /* Ring 0 got the fifth and stands before the others in every round. */
    cr_assert(eq(u64, log_head(l), 5));
    cr_assert(eq(sz, log_inbox_len(l), 5));

    expect_all(l, 1, 1, 4);
    cr_assert(not(has_work(l, 1))); /* only reactor 0 can help */
    help(l, 1);
    cr_assert(eq(u64, consume(l, 1), 0));

    cr_assert(eq(u64, consume(l, 0), 1));
    help(l, 0); /* 5 reaches ring 0 and 1, then ring 2 is full */
    cr_assert(eq(u64, consume(l, 1), 5));
    cr_assert(not(has_work(l, 1)));
    cr_assert(has_work(l, 2));

    expect_all(l, 2, 1, 4);
    cr_assert(has_work(l, 2)); /* its ring is empty, but it is the one to go on */
    help(l, 2);
    uint64_t next[3] = {2, 6, 5};
    for (unsigned turn = 0; turn < 3 * 10; turn++) {
        const unsigned r = turn % 3;
        const uint64_t seq = consume(l, r);
        if (seq)
            cr_assert(eq(u64, seq, next[r]++));
        help(l, r);
    }
    for (unsigned r = 0; r < 3; r++)
        cr_assert(eq(u64, next[r], 11));
    for (unsigned r = 0; r < 3; r++)
        cr_assert(not(has_work(l, r)));
    log_free(&l);
}

Test(log, lets_the_next_append_go_on_when_there_is_room_again)
{
    struct log *l = new_log(options(2, 2));
    append_new(l, 3);
    consume(l, 0);
    append_new(l, 1); /* ring 0 gets 3; then ring 1 is in the way */
    cr_assert(eq(u64, consume(l, 0), 2));
    cr_assert(eq(u64, consume(l, 0), 3));
    cr_assert(not(has_work(l, 0)));
    consume(l, 1);
    consume(l, 1);
    append_new(l, 1);
    cr_assert(eq(u64, log_head(l), 5));
    expect_all(l, 0, 4, 5);
    cr_assert(eq(u64, consume(l, 1), 3));
    cr_assert(eq(u64, consume(l, 1), 4));
    help(l, 1);
    expect_all(l, 1, 5, 5);
    log_free(&l);
}

Test(log, lets_a_reactor_publish_into_its_own_full_ring)
{
    struct log *l = new_log(options(1, 2));
    append_new(l, 7); /* the reactor's own appends: none may wait for itself */
    for (uint64_t seq = 1; seq <= 7; seq++) {
        cr_assert(has_work(l, 0));
        cr_assert(eq(u64, consume(l, 0), seq));
        help(l, 0);
    }
    cr_assert(not(has_work(l, 0)));
    log_free(&l);
}

/* Each of two, with no other thread to help: what it publishes into full rings is in order once it
 * consumes its own. */
Test(log, lets_every_reactor_publish_into_rings_that_are_all_full)
{
    struct log *l = new_log(options(2, 2));
    append_new(l, 2);
    for (unsigned i = 0; i < 5; i++)
        append_new(l, 2); /* played by either reactor: returns, whatever is full */
    cr_assert(eq(sz, log_inbox_len(l), 9));
    for (uint64_t seq = 1; seq <= 12; seq++)
        for (unsigned r = 0; r < 2; r++) {
            cr_assert(eq(u64, consume(l, r), seq));
            help(l, r);
        }
    for (unsigned r = 0; r < 2; r++)
        cr_assert(not(has_work(l, r)));
    log_free(&l);
}

/* --- rings that are full by bytes ------------------------------------------------------------- */

enum { MIB_COST = 1 << 20 };

static struct message *message_of_a_mib(void)
{
    return message_of(MIB_COST - MESSAGE_OVERHEAD);
}

/* The references that a reactor's ring holds, by cost. */
static uint64_t in_rings(struct message *const all[], size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (atomic_load(&all[i]->refs) - 1) * message_cost(all[i]);
    return sum;
}

Test(log, bounds_the_bytes_that_a_stalled_reactor_makes_it_keep)
{
    enum { MESSAGES = 40, LIMIT = 8 };
    struct log_options o = options(2, 64);
    o.ring_bytes = LIMIT * MIB_COST;
    struct log *l = new_log(o);
    struct message *all[MESSAGES];
    for (size_t i = 0; i < MESSAGES; i++) {
        all[i] = message_of_a_mib();
        message_ref(all[i], 1); /* the test's own, to look */
        cr_assert(eq(int, append(l, all[i]), 0));
        consume(l, 0); /* reactor 1 stalls */
        help(l, 0);
    }
    cr_assert(eq(sz, log_reactor_ring_len(l, 1), LIMIT));
    cr_assert(eq(u64, log_head(l), LIMIT + 1));
    cr_assert(eq(sz, log_inbox_len(l), MESSAGES - LIMIT - 1));
    /* Its ring, the one that is pending with a reference for it, and the inbox. */
    cr_assert(eq(u64, in_rings(all, LIMIT + 1), (LIMIT + 1) * (uint64_t)MIB_COST));
    cr_assert(has_work(l, 1));
    cr_assert(not(has_work(l, 0)));

    uint64_t next[2] = {LIMIT + 2, 1};
    for (unsigned turn = 0; turn < 2 * MESSAGES; turn++)
        for (unsigned r = 0; r < 2; r++) {
            const uint64_t seq = consume(l, r);
            if (seq)
                cr_assert(eq(u64, seq, next[r]++));
            help(l, r);
        }
    for (unsigned r = 0; r < 2; r++) {
        cr_assert(eq(u64, next[r], MESSAGES + 1));
        cr_assert(not(has_work(l, r)));
    }
    for (size_t i = 0; i < MESSAGES; i++)
        message_unref(&all[i]);
    log_free(&l);
}

Test(log, brings_a_message_larger_than_a_ring_to_a_reactor_that_has_nothing_else)
{
    struct log_options o = options(1, 64);
    o.ring_bytes = 1000;
    struct log *l = new_log(o);
    append_new(l, 1);
    cr_assert(eq(int, append(l, message_of_a_mib()), 0));
    append_new(l, 1);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        cr_assert(eq(sz, log_reactor_ring_len(l, 0), 1));
        cr_assert(has_work(l, 0));
        cr_assert(eq(u64, consume(l, 0), seq));
        help(l, 0);
    }
    cr_assert(not(has_work(l, 0)));
    log_free(&l);
}

Test(log, bounds_the_bytes_of_a_ring_by_default)
{
    struct log *l = new_log(options(1, 0));
    for (uint64_t i = 0; i < LOG_RING_BYTES_MAX / MIB_COST; i++)
        cr_assert(eq(int, append(l, message_of_a_mib()), 0));
    cr_assert(eq(sz, log_reactor_ring_len(l, 0), LOG_RING_BYTES_MAX / MIB_COST));
    append_new(l, 2); /* one is pending, one waits */
    cr_assert(eq(sz, log_reactor_ring_len(l, 0), LOG_RING_BYTES_MAX / MIB_COST));
    cr_assert(eq(sz, log_inbox_len(l), 1));
    log_free(&l);
}

Test(log, goes_on_when_the_bytes_of_a_chain_have_room_one_by_one)
{
    struct log_options o = options(2, 64);
    o.ring_bytes = 2 * MIB_COST;
    struct log *l = new_log(o);
    struct message *chain = chain_of(5, MIB_COST - MESSAGE_OVERHEAD);
    cr_assert(eq(int, log_append(l, &chain), 0));
    for (uint64_t seq = 1; seq <= 5; seq++)
        for (unsigned r = 0; r < 2; r++) {
            cr_assert(le(sz, log_reactor_ring_len(l, r), 2));
            cr_assert(eq(u64, consume(l, r), seq));
            help(l, r);
        }
    log_free(&l);
}

/* --- leaving to others ------------------------------------------------------------------------ */

/* Rings of the usual size behind which more than one holder's share waits in the inbox. */
static struct log *new_backlog(uint64_t waiting)
{
    struct log *l = new_log(options(2, 0));
    append_new(l, LOG_REACTOR_RING_MAX + 1 + waiting);
    for (unsigned r = 0; r < 2; r++)
        expect_all(l, r, 1, LOG_REACTOR_RING_MAX);
    cr_assert(eq(sz, log_inbox_len(l), waiting));
    return l;
}

Test(log, lets_a_holder_go_after_its_share_and_wakes_a_reactor_to_go_on)
{
    struct log *l = new_backlog(LOG_HOLD_MAX + 10);
    sleep_begin(l, 1);
    append_new(l, 1); /* this publisher becomes the holder */
    cr_assert(eq(sz, log_inbox_len(l), 11));
    cr_assert(eq(uint, wakes[1], 1));

    const uint64_t first = LOG_REACTOR_RING_MAX + 1;
    expect_all(l, 1, first, first + LOG_HOLD_MAX);
    cr_assert(has_work(l, 1)); /* its ring is empty: it is to order the rest */
    help(l, 1);
    expect_all(l, 1, first + LOG_HOLD_MAX + 1, first + LOG_HOLD_MAX + 11);
    cr_assert(not(has_work(l, 1)));
    log_free(&l);
}

Test(log, needs_nobody_when_a_holder_had_just_its_share)
{
    struct log *l = new_backlog(LOG_HOLD_MAX - 1);
    append_new(l, 1);
    cr_assert(eq(sz, log_inbox_len(l), 0));
    expect_all(l, 0, LOG_REACTOR_RING_MAX + 1, LOG_REACTOR_RING_MAX + 1 + LOG_HOLD_MAX);
    cr_assert(not(has_work(l, 0)));
    append_new(l, 1);
    cr_assert(has_work(l, 0));
    log_free(&l);
}

/* --- sleep ------------------------------------------------------------------------------------ */

Test(log, wakes_only_those_who_sleep_and_only_once)
{
    struct log *l = new_log(options(3, 16));
    append_new(l, 1);
    cr_assert(eq(uint, wakes[0] + wakes[1] + wakes[2], 0));
    sleep_begin(l, 1);
    append_new(l, 2);
    cr_assert(eq(uint, wakes[1], 1));
    cr_assert(eq(uint, wakes[0] + wakes[2], 0));
    sleep_end(l, 1);
    append_new(l, 1);
    sleep_begin(l, 1);
    append_new(l, 1);
    cr_assert(eq(uint, wakes[1], 2));
    sleep_begin(l, 1);
    sleep_end(l, 1);
    append_new(l, 1);
    cr_assert(eq(uint, wakes[1], 2));
    log_free(&l);
}

Test(log, has_work_until_the_ring_is_consumed)
{
    struct log *l = new_log(options(2, 16));
    cr_assert(not(has_work(l, 0)));
    append_new(l, 1);
    cr_assert(has_work(l, 0));
    consume(l, 0);
    cr_assert(not(has_work(l, 0)));
    cr_assert(has_work(l, 1));
    log_free(&l);
}

/* --- who owns what ---------------------------------------------------------------------------- */

Test(log, hands_one_reference_to_each_reactor)
{
    struct log *l = new_log(options(3, 4));
    struct message *m = message_of(1), *chain = m;
    message_ref(m, 1); /* the test's own, to look afterwards */
    cr_assert(eq(int, log_append(l, &chain), 0));
    cr_assert(eq(u32, atomic_load(&m->refs), 4));
    for (unsigned r = 0; r < 3; r++) {
        consume(l, r);
        cr_assert(eq(u32, atomic_load(&m->refs), 3 - r));
    }
    message_unref(&m);
    log_free(&l);
}

/* Each in another place when the log ends: rings, half delivered, inbox; single and chained. */
Test(log, gives_up_every_reference_when_it_ends)
{
    enum { ENTRIES = 12, PER_ENTRY = 3 };
    for (unsigned consumed = 0; consumed < 9; consumed++) {
        struct message *all[ENTRIES * PER_ENTRY];
        struct log *l = new_log(options(3, 4));
        size_t count = 0;
        for (size_t e = 0; e < ENTRIES; e++) {
            struct message *chain = chain_of(PER_ENTRY, 1);
            for (struct message *m = chain; m; m = m->next_in_entry) {
                message_ref(m, 1); /* the test's own, to look afterwards */
                all[count++] = m;
            }
            cr_assert(eq(int, log_append(l, &chain), 0));
        }
        for (unsigned i = 0; i < consumed; i++) {
            consume(l, i % 3);
            help(l, i % 3);
        }
        log_free(&l);
        for (size_t i = 0; i < count; i++) {
            cr_assert(eq(u32, atomic_load(&all[i]->refs), 1), "message %zu after %u", i, consumed);
            message_unref(&all[i]);
        }
    }
}

Test(log, may_be_freed_twice_or_never_made)
{
    struct log *l = NULL;
    log_free(&l);
    log_free(&l);
}

static _Bool allow_some(void *user, size_t size)
{
    unsigned *left = user;
    (void)size;
    return *left > 0 && (*left)--;
}

Test(log, is_not_made_when_any_allocation_fails)
{
    const struct log_options o = options(2, 16);
    struct log *l = NULL;
    unsigned allowed = 0, left;
    int err;
    alloc_set_gate(allow_some, &left);
    do {
        left = allowed++;
        err = log_new(&l, &o);
        cr_assert(eq(int, err == 0, l != NULL));
        cr_assert(err == 0 || err == -ENOMEM);
    } while (err);
    cr_assert(eq(uint, allowed - 1, 6)); /* log, retention, two rings, engine, inbox */
    log_free(&l);
}
