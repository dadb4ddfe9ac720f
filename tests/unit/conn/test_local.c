/* Where the two sides of a local subscription meet, step by step. What it gets and how it is woken:
 * server/test_subscribe.c. */
#include "rig.h"

#include "conn/local.h"

static unsigned freed;

static void do_nothing(struct local *l)
{
    (void)l;
}

static void count_free(struct local *l)
{
    alloc_release(l, sizeof(*l));
    freed++;
}

static struct local *join(const char *pattern, enum slow_policy slow)
{
    struct local *l = alloc_reserve(sizeof(*l));
    l->options = (struct local_options){.slow = slow,
                                        .pattern = pattern,
                                        .wake = do_nothing,
                                        .quiet = do_nothing,
                                        .free = count_free};
    l->options.after = (struct cursor){log_epoch(broker->log), log_head(broker->log)};
    cr_assert(eq(int, local_join(l, reactor), 0));
    return l;
}

static void setup_default(void)
{
    setup(64);
}

static void setup_large(void)
{
    setup(60000);
}

TestSuite(local, .init = setup_default, .fini = teardown, .timeout = 30);

Test(local, is_freed_when_both_sides_are_through)
{
    struct local *l = join("t", SLOW_CLOSE);
    turns(1);
    local_leave(l);
    cr_assert(eq(u32, freed, 0));
    turns(1);
    cr_assert(eq(u32, freed, 1));
}

/* Its mail is opened between the two halves of leaving: said so, not yet asked. */
Test(local, that_is_seen_leaving_sends_no_mail_any_more)
{
    struct local *l = join("t", SLOW_CLOSE);
    atomic_store(&l->leaves, true);
    turns(1);
    local_leave(l);
    cr_assert(eq(ptr, atomic_load(&reactor->mailbox.newest), NULL), "it is freed, and has mail");
    cr_assert(eq(u32, freed, 1));
}

/* More than one look at the log goes over is superseded: each look says what it passed. */
TestSuite(local_of_many, .init = setup_large, .fini = teardown, .timeout = 30);

Test(local_of_many, that_conflates_is_told_of_all_it_does_not_get)
{
    enum { MESSAGES = 100000, TOGETHER = 1000 };
    struct local *l = join("#", SLOW_LATEST);
    struct message *m;
    struct local_gap gap;
    uint64_t at = 0;
    for (unsigned i = 0; i < MESSAGES; i++) {
        publish(i);
        if (i % TOGETHER == 0)
            turns(2);
    }
    while (at < MESSAGES) {
        turns(2);
        switch (local_next(l, &m, &gap)) {
        case LOCAL_MESSAGE:
            cr_assert(eq(u64, m->seq, at + 1));
            at = m->seq;
            message_unref(&m);
            break;
        case LOCAL_GAP:
            cr_assert(eq(u64, gap.after.seq, at));
            at = gap.resumed.seq;
            break;
        case LOCAL_NONE:
        case LOCAL_END:
            break;
        }
    }
    local_leave(l);
    turns(1);
    cr_assert(eq(u32, freed, 1));
}
