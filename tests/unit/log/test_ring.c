/* A reactor's ring: full by count or by bytes, never so full that a message can never go in. */
#include "log/ring.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { CAPACITY = 8, BYTES_MAX = 10000 };

static struct log_ring ring;

static void make_ring(void)
{
    cr_assert(eq(int, log_ring_init(&ring, CAPACITY, BYTES_MAX), 0));
}

static struct message *take(void)
{
    const struct message *next = log_ring_peek(&ring);
    struct message *m = log_ring_pop(&ring);
    cr_assert(eq(ptr, (void *)(uintptr_t)next, m));
    return m;
}

/* Returns the payload's length. */
static size_t drop_one(void)
{
    struct message *m = take();
    cr_assert(ne(ptr, m, NULL));
    const size_t len = m->payload_len;
    message_unref(&m);
    return len;
}

static void end_ring(void)
{
    while (log_ring_has_message(&ring))
        (void)drop_one();
    cr_assert(eq(ptr, take(), NULL));
    log_ring_fini(&ring);
}

TestSuite(log_ring, .init = make_ring, .fini = end_ring);

/* False: refused; has_room() must have known. */
static bool push(uint64_t cost)
{
    static uint8_t payload[2 * BYTES_MAX];
    struct message *m = message_new(&(struct message_options){
        .topic = BYTES_LITERAL("t"),
        .payload = {payload, cost - MESSAGE_OVERHEAD},
        .kind = MESSAGE_BINARY,
    });
    cr_assert(ne(ptr, m, NULL));
    const bool has_room = log_ring_has_room(&ring, m);
    const bool pushed = log_ring_push(&ring, m);
    cr_assert(eq(int, pushed, has_room));
    if (!pushed)
        message_unref(&m);
    return pushed;
}

Test(log_ring, gives_back_in_order_what_it_was_given)
{
    for (size_t i = 0; i < 5; i++)
        cr_assert(push(MESSAGE_OVERHEAD + i));
    cr_assert(eq(sz, log_ring_len(&ring), 5));
    for (size_t i = 0; i < 5; i++)
        cr_assert(eq(sz, drop_one(), i));
    cr_assert(not(log_ring_has_message(&ring)));
    cr_assert(eq(ptr, take(), NULL));
}

Test(log_ring, is_full_by_count)
{
    for (size_t i = 0; i < CAPACITY; i++)
        cr_assert(push(MESSAGE_OVERHEAD));
    cr_assert(not(push(MESSAGE_OVERHEAD)));
    (void)drop_one();
    cr_assert(push(MESSAGE_OVERHEAD));
    cr_assert(not(push(MESSAGE_OVERHEAD)));
}

Test(log_ring, is_full_by_bytes_and_exactly_so)
{
    cr_assert(push(4000));
    cr_assert(push(3000));
    cr_assert(not(push(3001)));
    cr_assert(push(3000)); /* just the limit */
    cr_assert(not(push(MESSAGE_OVERHEAD)));
    (void)drop_one();
    cr_assert(push(4000)); /* again, now that it must look at what was taken */
    (void)drop_one();
    cr_assert(not(push(3001)));
    cr_assert(push(3000));
}

Test(log_ring, takes_any_message_when_it_is_empty)
{
    cr_assert(push(2 * BYTES_MAX));
    cr_assert(not(push(MESSAGE_OVERHEAD)));
    (void)drop_one();
    cr_assert(push(BYTES_MAX + 1));
    cr_assert(not(push(2 * BYTES_MAX)));
    (void)drop_one();
    cr_assert(push(BYTES_MAX));
    (void)drop_one();
}

/* The bytes that were taken are looked at only when it must be: over many laps it must not drift.
 */
Test(log_ring, holds_as_much_after_many_laps)
{
    uint64_t held[CAPACITY], sum = 0;
    size_t first = 0, count = 0;
    for (unsigned i = 0; i < 20000; i++) {
        const uint64_t cost = MESSAGE_OVERHEAD + i * 7919u % 4000;
        const bool fits = count < CAPACITY && (count == 0 || sum + cost <= BYTES_MAX);
        cr_assert(eq(int, push(cost), fits), "message %u", i);
        if (fits) {
            held[(first + count++) % CAPACITY] = cost;
            sum += cost;
        }
        if (!fits || i % 3 == 0) {
            cr_assert(eq(u64, drop_one() + MESSAGE_OVERHEAD, held[first]));
            sum -= held[first];
            first = (first + 1) % CAPACITY;
            count--;
        }
    }
}
