/* Letters to a peer that takes nothing. How they are written and in which form they come:
 * server/test_callbacks.c. */
#include "conn/rig.h"

#include "conn/direct.h"
#include "conn/outbox.h"

enum { LETTER = 100 << 10, BUDGET = 1 << 20 };

static void setup_stream(void)
{
    setup(64);
    broker->slot_count = SLOTS;
    broker->settings.body_bytes_max = BUDGET;
    subscribe("GET /t/t HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n");
}

TestSuite(direct, .init = setup_stream, .fini = teardown, .timeout = 30);

static void send_letter(size_t len)
{
    static uint8_t body[LETTER];
    const struct peer_name name = {0, 0, conn_generation(&reactor->conns[0])};
    const uint64_t id = peer_id(SLOTS, &name);
    memset(body, 'a', sizeof(body));
    cr_assert(eq(int, direct_send(broker, id, MESSAGE_TEXT, (struct bytes){body, len}), 0));
    turns(2);
}

/* It takes as much as comes, and never all of it. */
Test(direct, take_no_more_memory_than_what_is_owed)
{
    enum { SMALL = 1 << 10, ROUNDS = 1000 };
    fake->room = 5;
    fake->refill = 0;
    for (unsigned i = 0; i < 10; i++)
        send_letter(SMALL);
    const size_t owed = outbox_len(reactor->conns[0].outbox);
    for (unsigned i = 0; i < ROUNDS; i++) {
        send_letter(SMALL);
        fake->room = owed / 10;
        push_event(fake, IO_WRITABLE);
        turns(2);
    }
    cr_assert(le(sz, outbox_len(reactor->conns[0].outbox), 2 * owed));
    cr_assert(le(sz, reactor->conns[0].outbox->text.capacity, 8 * owed));
}

/* As much as all that is not read may be: half of the budget for bodies. */
Test(direct, end_a_peer_that_leaves_the_server_without_room)
{
    fake->room = 5;
    fake->refill = 0;
    for (unsigned i = 0; i < 4; i++) {
        send_letter(LETTER);
        cr_assert(eq(int, reactor->conns[0].phase, CONN_SSE), "letter %u", i);
    }
    for (unsigned i = 4; i < 8; i++)
        send_letter(LETTER);
    cr_assert(eq(int, reactor->conns[0].phase, CONN_ENDING));
    cr_assert(le(u64, atomic_load(&broker->answer_bytes), BUDGET));
}

Test(direct, are_counted_until_they_are_taken)
{
    fake->room = 5;
    fake->refill = 0;
    send_letter(LETTER);
    cr_assert(ge(u64, atomic_load(&broker->answer_bytes), LETTER));
    fake->room = SIZE_MAX;
    push_event(fake, IO_WRITABLE);
    turns(3);
    cr_assert(eq(u64, atomic_load(&broker->answer_bytes), 0));
}
