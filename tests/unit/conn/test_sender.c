/* What a subscriber gets when its sends are cut at any byte: the same stream, whole and in order.
 */
#include "conn/rig.h"

/* The frames of messages 0..count-1, one after the other. */
static size_t expected_frames(unsigned count, uint8_t *out)
{
    size_t len = 0;
    for (unsigned number = 0; number < count; number++) {
        const size_t payload_len = 1 + number * 37 % 700;
        len += ws_encode_head(out + len, WS_TEXT, payload_len);
        memset(out + len, 'a' + (int)(number % 26), payload_len);
        len += payload_len;
    }
    return len;
}

static void check_stream(unsigned count)
{
    static uint8_t expected[STREAM_MAX];
    const size_t len = expected_frames(count, expected);
    cr_assert(eq(sz, fake->out_len, len));
    cr_assert(eq(int, memcmp(fake->out, expected, len), 0));
    cr_assert(eq(u64, stat_read(&reactor->stats.deliveries[STAT_WS]), count));
}
Test(sender, sends_what_was_published_in_one_turn_with_one_send)
{
    setup(64);
    subscribe(websocket_request);
    for (unsigned i = 0; i < 20; i++)
        publish(i);
    turns(1);
    check_stream(20);
    teardown();
}

Test(sender, sends_in_one_piece_what_many_share_and_as_pieces_what_few_do)
{
    uint32_t places[FLAT_MEMBERS_MIN];
    setup(64);
    subscribe(websocket_request);
    struct set *set = reactor->conns[0].set;
    publish(0);
    publish(1);
    turns(1);
    cr_assert(eq(u32, fake->last_count, 2));
    for (uint32_t i = 0; i < FLAT_MEMBERS_MIN; i++) /* the same one: it is offered nothing twice */
        cr_assert(eq(int, set_join(set, WIRE_WS, 0, &places[i]), 0));
    for (unsigned i = 2; i < 20; i++)
        publish(i);
    turns(1);
    cr_assert(eq(u32, fake->last_count, 1));
    check_stream(20);
    for (uint32_t i = FLAT_MEMBERS_MIN; i > 0; i--)
        set_leave(set, WIRE_WS, places[i - 1]);
    teardown();
}

Test(sender, a_stream_is_whole_wherever_its_first_send_is_cut)
{
    static uint8_t unused[STREAM_MAX];
    const size_t len = expected_frames(3, unused);
    for (size_t cut = 0; cut < len; cut++) {
        setup(64);
        subscribe(websocket_request);
        fake->room = cut;
        fake->refill = SIZE_MAX;
        for (unsigned i = 0; i < 3; i++)
            publish(i);
        turns(4);
        check_stream(3);
        teardown();
    }
}

Test(sender, a_stream_is_whole_however_little_each_send_takes)
{
    for (size_t step = 1; step < 60; step += 7) {
        setup(64);
        subscribe(websocket_request);
        fake->room = 0;
        fake->refill = step;
        for (unsigned i = 0; i < 5; i++) {
            publish(i);
            turns(3);
        }
        for (int i = 0; i < 100000 && reactor->conns[0].flags & CONN_POLLING_OUT; i++)
            turns(1);
        turns(2);
        check_stream(5);
        teardown();
    }
}

Test(sender, a_pong_goes_between_messages_and_never_into_one)
{
    static const char ping[] = "\x89\x80\x01\x02\x03\x04";
    setup(64);
    subscribe(websocket_request);
    fake->room = 5; /* in the middle of the second frame */
    fake->refill = SIZE_MAX;
    publish(0);
    publish(1);
    fake->input_len = sizeof(ping) - 1;
    memcpy(fake->input, ping, sizeof(ping) - 1);
    push_event(fake, IO_READABLE);
    turns(4);
    static uint8_t expected[STREAM_MAX];
    size_t len = expected_frames(2, expected);
    cr_assert(eq(sz, fake->out_len, len + 2));
    /* The pong was asked for before anything went out: it leads. */
    cr_assert(eq(int, memcmp(fake->out, "\x8a\x00", 2), 0));
    cr_assert(eq(int, memcmp(fake->out + 2, expected, len), 0));
    teardown();
}

Test(sender, who_falls_behind_the_history_gets_the_cut_frame_then_1013)
{
    setup(4);
    subscribe(websocket_request);
    fake->room = 2; /* the whole head and nothing else of message 1 */
    fake->refill = 0;
    publish(1);
    turns(1);
    for (unsigned i = 2; i < 12; i++) {
        publish(i);
        turns(1);
    }
    fake->room = SIZE_MAX;
    push_event(fake, IO_WRITABLE);
    turns(3);
    const size_t frame = 2 + 1 + 37;
    cr_assert(ge(sz, fake->out_len, frame + 4 + 1));
    cr_assert(eq(u8, fake->out[0], 0x81));
    cr_assert(eq(u8, fake->out[frame], 0x88), "a close frame behind the whole first one");
    cr_assert(eq(u64, load_be(fake->out + frame + 2, 2), 1013));
    cr_assert(fake->shut);
    teardown();
}

Test(sender, whoever_keeps_up_loses_nothing_with_a_history_of_one_message)
{
    setup(1);
    subscribe(websocket_request);
    for (unsigned i = 0; i < 50; i++)
        publish(i);
    turns(200);
    check_stream(50);
    teardown();
}

/* One send carries 256 messages at most, and a turn takes in far more. */
Test(sender, whoever_keeps_up_loses_nothing_when_more_comes_than_a_turn_sends)
{
    setup(1000);
    subscribe(websocket_request);
    for (unsigned i = 0; i < 4000; i++)
        publish(i);
    turns(50);
    check_stream(4000);
    teardown();
}

Test(sender, a_peer_is_read_again_after_a_pong_that_was_blocked_behind_many_messages)
{
    static const char ping[] = "\x89\x80\x01\x02\x03\x04";
    setup(300);
    subscribe(websocket_request);
    fake->room = 0;
    fake->refill = 0;
    fake->input_len = sizeof(ping) - 1;
    memcpy(fake->input, ping, sizeof(ping) - 1);
    push_event(fake, IO_READABLE);
    for (unsigned i = 0; i < 100; i++)
        publish(i);
    turns(2);
    say(ping); /* it goes on sending while it does not read */
    turns(2);
    cr_assert(not(conn_has(&reactor->conns[0], CONN_POLLING_IN)), "not read meanwhile");
    fake->room = fake->refill = SIZE_MAX;
    push_event(fake, IO_WRITABLE);
    turns(6);
    cr_assert(conn_has(&reactor->conns[0], CONN_POLLING_IN));
    teardown();
}

Test(sender, a_peer_is_read_again_wherever_the_send_behind_its_pong_was_cut)
{
    static const char ping[] = "\x89\x80\x01\x02\x03\x04";
    for (size_t room = 0; room < 200; room++) {
        setup(300);
        subscribe(websocket_request);
        fake->room = fake->refill = 0;
        publish(0);
        turns(2); /* blocked */
        say(ping);
        turns(1); /* its pong waits */
        say(ping);
        turns(1); /* it is not read while it does not read */
        for (unsigned i = 1; i < 5; i++)
            publish(i);
        fake->room = room;
        push_event(fake, IO_WRITABLE);
        turns(2);
        fake->room = fake->refill = SIZE_MAX;
        push_event(fake, IO_WRITABLE);
        turns(6);
        cr_assert(conn_has(&reactor->conns[0], CONN_POLLING_IN), "after %zu bytes", room);
        teardown();
    }
}

Test(sender, an_answer_is_whole_wherever_it_is_cut)
{
    for (size_t cut = 0; cut < 150; cut++) {
        setup(8);
        push_event(fake, IO_ACCEPTED);
        turns(1);
        fake->room = cut;
        fake->refill = 40;
        say("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        turns(8);
        cr_assert(eq(int, memcmp(fake->out, "HTTP/1.1 200 OK\r\n", 17), 0));
        cr_assert(eq(int, memcmp(fake->out + fake->out_len - 7, "\r\n\r\nok\n", 7), 0));
        cr_assert(eq(sz, fake->out_len, stat_read(&reactor->stats.sent_bytes[STAT_HTTP])));
        static size_t first_len;
        cr_assert(cut == 0 || fake->out_len == first_len);
        first_len = fake->out_len;
        teardown();
    }
}

Test(sender, leaves_no_reference_behind)
{
    setup(8);
    subscribe(websocket_request);
    fake->room = 10;
    fake->refill = 0;
    for (unsigned i = 0; i < 3; i++)
        publish(i);
    turns(1);
    cr_assert(ne(ptr, reactor->conns[0].cut, NULL));
    teardown(); /* the leak checker of the sanitized build judges */
}

/* Every topic was last matched for that pattern: for others, looking at it costs more. */
static void judge_for(struct bytes pattern)
{
    const struct history *h = &reactor->subscriptions.history;
    struct set *set = subscriptions_get(&reactor->subscriptions, &pattern, 1);
    for (uint64_t seq = h->first_seq; seq < h->next_seq; seq++)
        (void)set_matches(set, history_topic_at(h, seq));
    subscriptions_release(&reactor->subscriptions, set);
}

static void judge_for_another(void)
{
    judge_for(BYTES_LITERAL("*"));
}

Test(sender, a_cut_is_found_again_whatever_others_looked_at_meanwhile)
{
    setup(65536);
    subscribe("GET /t?topic=t.%23 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n");
    fake->room = 0;
    fake->refill = 0;
    publish_to("t.a", 0);
    for (unsigned i = 0; i < 6000; i++) {
        char topic[16];
        snprintf(topic, sizeof(topic), "other.%u", i);
        publish_to(topic, i);
    }
    publish_to("t.b", 1);
    publish_to("t.c", 30);
    turns(8);
    judge_for(BYTES_LITERAL("t.#"));
    fake->on_send = judge_for_another;
    fake->room = 400; /* ends in the last one */
    push_event(fake, IO_WRITABLE);
    turns(1);
    cr_assert(ne(ptr, reactor->conns[0].cut, NULL));
    cr_assert(eq(u64, reactor->conns[0].position, 6003));
    fake->on_send = NULL;
    fake->room = fake->refill = SIZE_MAX;
    push_event(fake, IO_WRITABLE);
    turns(3);
    fake->out[fake->out_len] = '\0';
    cr_assert(eq(uint, occurrences("data: "), 3));
    cr_assert(eq(uint, occurrences("event: gap"), 0));
    teardown();
}
