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

static struct local *join(void)
{
    struct local *l = alloc_reserve(sizeof(*l));
    l->options = (struct local_options){.slow = SLOW_CLOSE,
                                        .pattern = "t",
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

TestSuite(local, .init = setup_default, .fini = teardown, .timeout = 30);

Test(local, is_freed_when_both_sides_are_through)
{
    struct local *l = join();
    turns(1);
    local_leave(l);
    cr_assert(eq(u32, freed, 0));
    turns(1);
    cr_assert(eq(u32, freed, 1));
}

/* Its mail is opened between the two halves of leaving: said so, not yet asked. */
Test(local, that_is_seen_leaving_sends_no_mail_any_more)
{
    struct local *l = join();
    atomic_store(&l->leaves, true);
    turns(1);
    local_leave(l);
    cr_assert(eq(ptr, atomic_load(&reactor->mailbox.newest), NULL), "it is freed, and has mail");
    cr_assert(eq(u32, freed, 1));
}
