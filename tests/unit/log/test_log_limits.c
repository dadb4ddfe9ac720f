/* Where the log's room ends: entries that must go in whole, a full inbox, full rings, and holders
 * who leave the rest to others. What it does as long as there is room: test_log.c. */
#include "unit/log/rig.h"

TestSuite(log_limits, .init = use_fake_clock);

/* --- entries of several messages -------------------------------------------------------------- */

Test(log_limits, keeps_the_messages_of_a_chain_together_across_full_rings)
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

Test(log_limits, takes_a_chain_whole_or_not_at_all)
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
Test(log_limits, takes_no_part_of_a_chain_that_exceeds_the_inbox_bytes_that_are_left)
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

Test(log_limits, refuses_one_more_than_the_inbox_holds)
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

Test(log_limits, refuses_one_byte_more_than_the_inbox_holds)
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

Test(log_limits, gives_back_the_bytes_of_what_it_refused)
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

Test(log_limits, takes_an_entry_larger_than_the_inbox_when_that_is_empty)
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

Test(log_limits, waits_for_the_reactor_whose_ring_is_full_and_goes_on_when_it_helps)
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

Test(log_limits, lets_the_next_append_go_on_when_there_is_room_again)
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

Test(log_limits, lets_a_reactor_publish_into_its_own_full_ring)
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
Test(log_limits, lets_every_reactor_publish_into_rings_that_are_all_full)
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

Test(log_limits, bounds_the_bytes_that_a_stalled_reactor_makes_it_keep)
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

Test(log_limits, brings_a_message_larger_than_a_ring_to_a_reactor_that_has_nothing_else)
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

Test(log_limits, bounds_the_bytes_of_a_ring_by_default)
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

Test(log_limits, goes_on_when_the_bytes_of_a_chain_have_room_one_by_one)
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

Test(log_limits, lets_a_holder_go_after_its_share_and_wakes_a_reactor_to_go_on)
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

Test(log_limits, needs_nobody_when_a_holder_had_just_its_share)
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
