/* The sequencer interrupted at its narrowest points: what another thread would do just then is done
 * there, by the same thread. stress_log meets these by chance; here they are met every time. */
#include "log/log_internal.h"
#include "log/sequencer.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

/* --- the log, with places to interrupt it ----------------------------------------------------- */

enum point {
    RING_WAS_FULL,   /* the push failed, `blocked` is not set yet */
    BEFORE_RECHECK,  /* `blocked` is set */
    AFTER_RECHECK,   /* there was no room: about to leave */
    INBOX_WAS_EMPTY, /* about to leave */
    BEFORE_RUN,      /* appended, or `blocked` taken down; the role is not yet asked for */
    POINTS
};

typedef void interrupt_fn(void);
static interrupt_fn *interrupts[POINTS];

/* Each only once: the interruption itself may come by. */
static void meet(enum point where)
{
    interrupt_fn *interrupt = interrupts[where];
    interrupts[where] = NULL;
    if (interrupt)
        interrupt();
}

static bool met_push(struct log_ring *r, struct message *m)
{
    const bool pushed = log_ring_push(r, m);
    if (!pushed)
        meet(RING_WAS_FULL);
    return pushed;
}

static bool met_has_room(struct log_ring *r, const struct message *m)
{
    meet(BEFORE_RECHECK);
    const bool has_room = log_ring_has_room(r, m);
    if (!has_room)
        meet(AFTER_RECHECK);
    return has_room;
}

static struct message *met_pop(struct inbox *in)
{
    struct message *chain = inbox_pop(in);
    if (!chain)
        meet(INBOX_WAS_EMPTY);
    return chain;
}

static void met_run(struct log *l, struct sequencer *s);

#define log_ring_push     met_push
#define log_ring_has_room met_has_room
#include "log/deliver.c"
#undef log_ring_push
#undef log_ring_has_room
#define inbox_pop met_pop
#include "log/sequencer.c"
#undef inbox_pop
#define sequencer_run met_run
#include "log/memory.c"
#undef sequencer_run

static void met_run(struct log *l, struct sequencer *s)
{
    meet(BEFORE_RUN);
    sequencer_run(l, s);
}

/* --- a log of two reactors with rings of two messages ----------------------------------------- */

static struct log *the_log;
static uint64_t consumed[2];
static bool asleep[2];

static struct sequencer *the_sequencer(void)
{
    return the_log->engine_state;
}

static void wake_reactor(void *user, unsigned reactor)
{
    (void)user;
    cr_assert(eq(int, atomic_load(&the_sequencer()->role), ROLE_IDLE),
              "woken while the role is held");
    asleep[reactor] = false;
}

enum { PAYLOAD_LEN = 1, COST = PAYLOAD_LEN + MESSAGE_OVERHEAD };

/* One ring is full by count, the other by bytes: two messages either way. */
static void make_log(uint32_t ring_capacity, uint64_t ring_bytes)
{
    const struct log_options o = {.reactor_count = 2,
                                  .history_count = 10,
                                  .ring_capacity = ring_capacity,
                                  .ring_bytes = ring_bytes,
                                  .wake = wake_reactor};
    memset(consumed, 0, sizeof(consumed));
    memset(asleep, 0, sizeof(asleep));
    cr_assert(eq(int, log_new(&the_log, &o), 0));
}

static void with_either_bound(void (*body)(void))
{
    make_log(2, 0);
    body();
    log_free(&the_log);
    make_log(64, 2 * COST);
    body();
    log_free(&the_log);
}

#define TEST_EITHER_BOUND(name)                                                                    \
    static void check_##name(void);                                                                \
    Test(sequencer, name)                                                                          \
    {                                                                                              \
        with_either_bound(check_##name);                                                           \
    }                                                                                              \
    static void check_##name(void)

static void append_one(void)
{
    struct message *m = message_new(&(struct message_options){
        .topic = BYTES_LITERAL("t"), .kind = MESSAGE_TEXT, .payload = BYTES_LITERAL("x")});
    cr_assert(ne(ptr, m, NULL));
    cr_assert(eq(int, log_append(the_log, &m), 0));
}

static ENTERS_REACTOR void consume_all(unsigned reactor)
{
    for (struct message *m; (m = log_consume(the_log, reactor));) {
        cr_assert(eq(u64, m->seq, ++consumed[reactor]));
        message_unref(&m);
    }
}

/* One turn of a reactor that has nothing else to do. */
static ENTERS_REACTOR void turn(unsigned reactor)
{
    log_sleep_end(the_log, reactor);
    consume_all(reactor);
    log_help(the_log, reactor);
    log_sleep_begin(the_log, reactor);
    asleep[reactor] = !log_has_work(the_log, reactor);
}

static void turn_0(void)
{
    turn(0);
}

static void turn_both(void)
{
    turn(0);
    turn(1);
}

/* Only reactors that are awake do anything: what is stranded stays so. */
static void expect_all_consumed(uint64_t count)
{
    for (unsigned left = 100; left > 0 && !(asleep[0] && asleep[1]); left--)
        for (unsigned r = 0; r < 2; r++)
            if (!asleep[r])
                turn(r);
    cr_assert(asleep[0] && asleep[1], "they spin");
    cr_assert(eq(u64, consumed[0], count));
    cr_assert(eq(u64, consumed[1], count));
}

static void fill_rings(void)
{
    append_one();
    append_one();
}

/* --- interrupted ------------------------------------------------------------------------------ */

TEST_EITHER_BOUND(sees_room_made_before_it_said_blocked)
{
    fill_rings();
    interrupts[RING_WAS_FULL] = turn_both;
    append_one();
    cr_assert(eq(sz, log_reactor_ring_len(the_log, 0), 1));
    expect_all_consumed(3);
}

TEST_EITHER_BOUND(sees_room_made_after_it_said_blocked)
{
    fill_rings();
    interrupts[BEFORE_RECHECK] = turn_both;
    append_one();
    expect_all_consumed(3);
}

TEST_EITHER_BOUND(goes_again_for_a_reactor_that_found_it_holding_the_role)
{
    fill_rings();
    interrupts[AFTER_RECHECK] = turn_both;
    append_one();
    expect_all_consumed(3);
}

TEST_EITHER_BOUND(goes_again_for_a_reactor_while_another_ring_stays_full)
{
    fill_rings();
    interrupts[AFTER_RECHECK] = turn_0;
    append_one();
    cr_assert(eq(sz, log_reactor_ring_len(the_log, 0), 1));
    expect_all_consumed(3);
}

TEST_EITHER_BOUND(goes_again_for_a_publisher_that_found_it_leaving_as_blocked)
{
    fill_rings();
    interrupts[AFTER_RECHECK] = append_one;
    append_one();
    cr_assert(eq(sz, log_inbox_len(the_log), 1));
    expect_all_consumed(4);
}

TEST_EITHER_BOUND(goes_again_for_a_publisher_that_found_it_leaving)
{
    interrupts[INBOX_WAS_EMPTY] = append_one;
    append_one();
    cr_assert(eq(u64, log_head(the_log), 2));
    expect_all_consumed(2);
}

TEST_EITHER_BOUND(is_run_by_whoever_comes_first)
{
    interrupts[BEFORE_RUN] = append_one;
    append_one();
    cr_assert(eq(u64, log_head(the_log), 2));
    expect_all_consumed(2);
}

TEST_EITHER_BOUND(survives_a_publisher_between_a_reactors_two_steps_of_helping)
{
    fill_rings();
    append_one();
    consume_all(0);
    interrupts[BEFORE_RUN] = append_one;
    turn(0);
    expect_all_consumed(4);
}

/* A producer was preempted between claim and publish; the next one's entry is behind. */
TEST_EITHER_BOUND(leaves_what_is_behind_an_unpublished_entry_to_its_producer)
{
    struct message *late =
        message_new(&(struct message_options){.topic = BYTES_LITERAL("t"), .kind = MESSAGE_TEXT});
    struct mpsc_ring *ring = &the_sequencer()->inbox.ring;
    cr_assert(ne(ptr, late, NULL));
    atomic_fetch_add(&the_sequencer()->inbox.bytes, message_cost(late));
    const uint64_t claimed = atomic_fetch_add(&ring->tail, 1);

    append_one();
    turn_both();
    cr_assert(asleep[0] && asleep[1], "they spin");
    cr_assert(eq(u64, log_head(the_log), 0));

    ring->slots[claimed].item = late;
    atomic_store(&ring->slots[claimed].turn, 1);
    sequencer_run(the_log, the_sequencer());
    expect_all_consumed(2);
}

/* --- having ordered its share ----------------------------------------------------------------- */

/* Blocked with more than one share in the inbox; then room for all of it. */
static void make_backlog(void)
{
    make_log(4096, 0);
    for (unsigned i = 0; i < 4096 + LOG_HOLD_MAX + 10; i++)
        append_one();
    consume_all(0);
    consume_all(1);
}

static ENTERS_REACTOR void fall_asleep(unsigned reactor)
{
    consume_all(reactor);
    log_sleep_begin(the_log, reactor);
    asleep[reactor] = !log_has_work(the_log, reactor);
}

Test(sequencer, wakes_reactors_that_sleep_when_it_had_its_share)
{
    make_backlog();
    atomic_store(&the_sequencer()->role, ROLE_HELD); /* so that they see somebody at work */
    atomic_store(&the_log->blocked, 0);
    fall_asleep(0);
    fall_asleep(1);
    cr_assert(asleep[0] && asleep[1]);
    atomic_store(&the_sequencer()->role, ROLE_IDLE);

    append_one();
    cr_assert(not(asleep[0] || asleep[1]));
    cr_assert(ge(sz, log_inbox_len(the_log), 1));
    expect_all_consumed(4096 + LOG_HOLD_MAX + 11);
    log_free(&the_log);
}
