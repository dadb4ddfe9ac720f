/* A WebSocket's messages on their way back: from where they were received if that may be, and in
 * order whatever the kernel takes. */
#include "conn/echo.h"
#include "conn/rig.h"

static const char echo_upgrade[] =
    "GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

static struct conn *open_with(const char *upgrade)
{
    setup(8);
    broker->settings.is_target = true;
    broker->settings.deflate_bytes_min = 256;
    subscribe(upgrade);
    return &reactor->conns[0];
}

static struct conn *open_echo(void)
{
    return open_with(echo_upgrade);
}

static struct conn *open_deflated(void)
{
    char upgrade[512];
    snprintf(upgrade, sizeof(upgrade), "%.*sSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
             (int)sizeof(echo_upgrade) - 3, echo_upgrade);
    struct conn *c = open_with(upgrade);
    cr_assert(ne(int, c->deflate, 0));
    return c;
}

/* Appends a frame of a peer, masked with zeros, to what lies unread. */
static void add_frame(uint8_t first, const char *payload)
{
    const size_t len = strlen(payload);
    uint8_t *at = fake->input + fake->input_len;
    memcpy(at, (const uint8_t[]){first, (uint8_t)(0x80 | len), 0, 0, 0, 0}, 6);
    memcpy(at + 6, payload, len);
    fake->input_len += 6 + len;
}

static void receive(void)
{
    push_event(fake, IO_READABLE);
    turns(2);
}

static void expect_sent(const char *bytes, size_t len)
{
    cr_assert(eq(sz, fake->out_len, len));
    cr_assert(eq(int, memcmp(fake->out, bytes, len), 0));
    fake->out_len = 0;
}

static void expect_no_outbox(void)
{
    cr_assert(eq(ptr, reactor->conns[0].outbox, NULL), "sent from where it was received");
}

Test(echo, sends_all_of_one_receive_at_once_and_keeps_nothing)
{
    const struct conn *c = open_echo();
    fake->on_send = expect_no_outbox;
    add_frame(0x81, "one");
    add_frame(0x82, "two");
    add_frame(0x81, "x");
    receive();
    expect_sent("\x81\3one\x82\3two\x81\1x", 13);
    cr_assert(eq(uint, fake->last_count, 1));
    cr_assert(eq(ptr, c->outbox, NULL));
    cr_assert(eq(ptr, c->inbound, NULL));
    teardown();
}

Test(echo, goes_on_where_the_kernel_stopped_taking)
{
    for (size_t room = 0; room < 12; room++) {
        (void)open_echo();
        fake->room = room;
        add_frame(0x81, "first");
        add_frame(0x82, "other");
        receive();
        cr_assert(eq(sz, fake->out_len, room));
        add_frame(0x89, "hi"); /* is not read before the rest is taken */
        push_event(fake, IO_READABLE);
        fake->room = SIZE_MAX;
        push_event(fake, IO_WRITABLE);
        turns(3);
        receive();
        expect_sent("\x81\5first\x82\5other\x8a\2hi", 18);
        teardown();
    }
}

Test(echo, answers_pings_and_the_close_behind_what_came_before)
{
    (void)open_echo();
    add_frame(0x81, "a");
    add_frame(0x89, "b");
    add_frame(0x81, "c");
    add_frame(0x88, "");
    receive();
    expect_sent("\x81\1a\x8a\1b\x81\1c\x88\0", 11);
    cr_assert(fake->shut);
    teardown();
}

static ENTERS_REACTOR void echo_one(struct conn *c, struct echo_run *run, struct span payload)
{
    echo_message(reactor, c, run, payload, WS_TEXT);
    echo_keep(reactor, c, run);
}

Test(echo, writes_nothing_before_the_payload_that_is_not_its_own)
{
    struct conn *c = open_echo();
    for (size_t room = 0; room < 4; room++) {
        uint8_t buffer[16] = "###?????message!";
        struct echo_run run = {.left = {buffer + 3 + 5 - room, 8 + room}};
        echo_one(c, &run, (struct span){buffer + 8, 7});
        turns(1);
        expect_sent("\x81\7message", 9);
        cr_assert(eq(int, memcmp(buffer, "###?????", 8 - room), 0), "room %zu", room);
    }
    teardown();
}

Test(echo, waits_with_a_message_in_parts_while_too_much_lies_unread)
{
    (void)open_echo();
    broker->answer_bytes = broker->settings.body_bytes_max / 2 + 1;
    add_frame(0x01, "in two ");
    receive();
    add_frame(0x89, "late"); /* is not read meanwhile */
    receive();
    add_frame(0x80, "parts");
    receive();
    cr_assert(eq(sz, fake->out_len, 0));
    broker->answer_bytes = 0;
    rig_ns += 100000000;
    turns(2);
    expect_sent("\x8a\4late\x81\14in two parts", 20);
    teardown();
}

Test(echo, answers_pings_however_much_of_others_lies_unread)
{
    (void)open_echo();
    broker->answer_bytes = broker->settings.body_bytes_max / 2 + 1;
    add_frame(0x89, "alive");
    add_frame(0x81, "x");
    receive();
    expect_sent("\x8a\5alive\x81\1x", 10);
    broker->answer_bytes = 0;
    teardown();
}

Test(echo, of_a_message_in_parts_is_counted_until_it_is_taken)
{
    (void)open_echo();
    fake->room = 0;
    add_frame(0x01, "in two ");
    add_frame(0x80, "parts");
    receive();
    cr_assert(ge(u64, broker->answer_bytes, 14));
    fake->room = SIZE_MAX;
    push_event(fake, IO_WRITABLE);
    turns(2);
    expect_sent("\x81\14in two parts", 14);
    cr_assert(eq(u64, broker->answer_bytes, 0));
    teardown();
}

/* "Hello" (RFC 7692, 7.2.3.1). */
static const char hello[] = "\xf2\x48\xcd\xc9\xc9\x07\x01";

static void add_hello(void)
{
    add_frame(0xc1, hello);
    fake->input[fake->input_len - 1] = 0; /* which no C string ends in */
}

Test(echo, inflates_and_counts_what_it_keeps_for_that)
{
    const struct conn *c = open_deflated();
    cr_assert(ge(u64, broker->context_bytes, 100000));
    add_hello();
    receive();
    expect_sent("\x81\5Hello", 7);
    cr_assert(ne(ptr, c->inbound, NULL), "its context");
    cr_assert(eq(u64, broker->body_bytes, 0));
    teardown();
}

Test(echo, of_compressed_messages_waits_when_the_turn_was_long)
{
    (void)open_deflated();
    rig_look_ns = 5000000; /* each look at the clock: a slice is over after two */
    add_hello();
    push_event(fake, IO_READABLE);
    turns(1);
    cr_assert(eq(sz, fake->out_len, 0));
    rig_look_ns = 0;
    turns(3);
    expect_sent("\x81\5Hello", 7);
    teardown();
}

Test(echo, of_a_compressed_part_is_charged_for_its_inflater)
{
    const struct conn *c = open_deflated();
    reactor->conns[0].deflate = (uint8_t)(c->deflate & ~CONN_DEFLATE_PEER_KEEPS);
    add_frame(0x41, "\xf2\x48\xcd");
    receive();
    cr_assert(ge(u64, broker->body_bytes, 40000));
    add_frame(0x80, "\xc9\xc9\x07\x01");
    fake->input[fake->input_len - 1] = 0;
    receive();
    expect_sent("\x81\5Hello", 7);
    cr_assert(eq(u64, broker->body_bytes, 0));
    teardown();
}
