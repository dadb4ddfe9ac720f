/* The log as one thread sees it that plays publishers and reactors in turn. What they do to each
 * other at once is stress_log's question; where its room ends, test_log_limits.c's. */
#include "unit/log/rig.h"

#include "base/alloc.h"

TestSuite(log, .init = use_fake_clock);

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

static struct image *build(const struct message *m, void *user)
{
    (void)m;
    (void)user;
    return image_new(10);
}

/* One of two reactors has had all of it and retired its images, as its history does at the end; the
 * other came to nothing: two are in its ring, one is half delivered. Somebody outside keeps them.
 */
Test(log, leaves_no_image_to_those_who_keep_a_message_after_it)
{
    static _Atomic uint64_t total;
    struct message *kept[3];
    struct log *l = new_log(options(2, 2));
    for (unsigned i = 0; i < 3; i++) {
        kept[i] = message_of(1);
        message_ref(kept[i], 1);
        cr_assert(eq(int, append(l, kept[i]), 0));
        cr_assert(eq(u64, consume(l, 0), i + 1));
        cr_assert(ne(ptr, (void *)(uintptr_t)message_image(kept[i], IMAGE_SSE, build, NULL, &total),
                     NULL));
        message_retire_images(kept[i]);
    }
    log_free(&l);
    cr_assert(eq(u64, atomic_load(&total), 0));
    for (unsigned i = 0; i < 3; i++)
        message_unref(&kept[i]);
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
