/* What becomes of those who do not keep up, by policy; told, wherever their frame was cut. */
#define _GNU_SOURCE /* memmem */
#include "conn/rig.h"

#include "conn/judge.h"

/* A JSON WebSocket's stream, read back: every message once and in order, or told to be missing. */
struct account {
    uint64_t seq; /* the last one accounted for */
    unsigned messages, gaps, closes;
};

static uint64_t seq_after(struct bytes text, const char *key)
{
    const char *at = memmem(text.at, text.len, key, strlen(key));
    cr_assert(ne(ptr, (void *)(uintptr_t)at, NULL), "%s", key);
    return strtoull(at + strlen(key) + 17, NULL, 10); /* behind EPOCH- */
}

static void account_for(struct account *a, struct bytes text)
{
    if (bytes_start_with(text, BYTES_LITERAL("{\"gap\":"))) {
        cr_assert(eq(u64, seq_after(text, "\"after\":\""), a->seq));
        a->seq = seq_after(text, "\"resumed\":\"");
        a->gaps++;
        return;
    }
    const uint64_t seq = seq_after(text, "{\"id\":\"");
    cr_assert(eq(u64, seq, a->seq + 1), "after a gap: %u", a->gaps);
    a->seq = seq;
    a->messages++;
}

static struct account account(void)
{
    struct account a = {0};
    const uint8_t *at = fake->out, *end = at + fake->out_len;
    while (at < end) {
        const uint64_t len = at[1] < 126 ? at[1] : load_be(at + 2, 2);
        const struct bytes text = {at + (at[1] < 126 ? 2 : 4), len};
        cr_assert(le(ptr, (void *)(uintptr_t)(text.at + len), (void *)(uintptr_t)end),
                  "the stream ends within a frame");
        if (at[0] == 0x81)
            account_for(&a, text);
        else
            a.closes++;
        at = text.at + len;
    }
    return a;
}

static void subscribe_json(const char *target)
{
    char request[400];
    snprintf(request, sizeof(request),
             "GET /t%s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
             target);
    subscribe(request);
}

/* It takes nothing more while so many messages come, on so many topics in turn. */
static void stall(unsigned count, unsigned topics)
{
    static const char *const names[] = {"t", "u", "v", "w"};
    fake->refill = 0;
    for (unsigned i = 0; i < count; i++) {
        publish_to(names[i % topics], i);
        turns(1);
    }
    fake->room = fake->refill = SIZE_MAX;
    push_event(fake, IO_WRITABLE);
    turns(12);
}

static void wait_ms(unsigned ms)
{
    rig_ns += ms * UINT64_C(1000000);
    turns(2);
}

/* It takes `room` bytes first; the history keeps 4 of the 12. */
static void fall_behind(size_t room, unsigned topics)
{
    fake->room = room;
    stall(12, topics);
}

Test(slow, skip_finishes_the_cut_frame_and_tells_the_gap_wherever_it_was_cut)
{
    for (size_t room = 0; room < 400; room += 3) {
        setup(4);
        broker->settings.slow = SLOW_SKIP;
        subscribe_json("?topic=t&topic=u");
        fall_behind(room, 2);
        const struct account a = account();
        cr_assert(eq(u64, a.seq, 12));
        cr_assert(eq(uint, a.gaps, 1));
        cr_assert(eq(u64, stat_read(&reactor->stats.gaps[GAP_SLOW]), 1));
        cr_assert(ge(uint, a.messages, 4));
        publish_to("t", 12);
        turns(2);
        cr_assert(eq(u64, account().seq, 13), "and goes on");
        teardown();
    }
}

/* Its timer was that of one that takes nothing. */
Test(slow, a_stream_that_takes_what_it_was_owed_has_its_next_heartbeat_in_time)
{
    setup(4);
    broker->settings.slow = SLOW_SKIP;
    subscribe("GET /t/t HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n");
    broker->settings.heartbeat_ms = 1000;
    fake->room = 5;
    fake->refill = 0;
    for (unsigned i = 0; i < 12; i++) {
        publish(i);
        turns(1);
    }
    wait_ms(1100);
    cr_assert(conn_has(&reactor->conns[0], CONN_LOST), "it was looked at, and took nothing");
    fake->room = fake->refill = SIZE_MAX;
    push_event(fake, IO_WRITABLE);
    turns(12);
    fake->out_len = 0;
    wait_ms(1100);
    fake->out[fake->out_len] = '\0';
    cr_assert(eq(uint, occurrences("2\r\n:\n\r\n"), 1));
    teardown();
}

static unsigned closed_with;

static void note_close(void *user, const struct peer *p, unsigned code, struct bytes reason)
{
    (void)user;
    (void)p;
    (void)reason;
    closed_with = code;
}

Test(slow, a_stream_that_is_reset_was_too_slow_and_did_not_vanish)
{
    static const struct judge_hooks hooks = {.close = note_close};
    setup(4);
    broker->settings.slow = SLOW_SKIP;
    broker->hooks = &hooks;
    subscribe("GET /t/t HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n");
    fake->room = 5;
    fake->refill = 0;
    for (unsigned i = 0; i < 12; i++) {
        publish(i);
        turns(1);
    }
    wait_ms(1100);
    wait_ms(5100);
    cr_assert(fake->closed);
    cr_assert(eq(u32, closed_with, WS_CLOSE_TRY_LATER));
    teardown();
}

/* The end of its age would give it five more seconds. */
Test(slow, a_stream_that_is_lost_and_old_is_reset_when_its_time_is_over)
{
    setup(4);
    broker->settings.slow = SLOW_SKIP;
    broker->settings.stream_max_ms = 4000;
    subscribe("GET /t/t HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n");
    fake->room = 5;
    fake->refill = 0;
    for (unsigned i = 0; i < 12; i++) {
        publish(i);
        turns(1);
    }
    wait_ms(1100);
    cr_assert(conn_has(&reactor->conns[0], CONN_LOST), "it was looked at, and took nothing");
    wait_ms(5100); /* for the cut frame */
    cr_assert(fake->closed);
    teardown();
}

Test(slow, latest_sends_the_newest_of_each_topic_and_tells_what_it_skipped)
{
    for (size_t room = 0; room < 400; room += 3) {
        setup(4);
        broker->settings.slow = SLOW_LATEST;
        subscribe_json("?topic=t&topic=u");
        fall_behind(room, 2);
        const struct account a = account();
        cr_assert(eq(u64, a.seq, 12));
        cr_assert(eq(uint, a.closes, 0));
        cr_assert(ge(uint, a.gaps, 1));
        cr_assert(not(conn_has(&reactor->conns[0], CONN_CONFLATING)), "it has caught up");
        publish_to("t", 12);
        turns(2);
        cr_assert(eq(u64, account().seq, 13), "and goes on");
        teardown();
    }
}

Test(slow, latest_tells_what_was_trimmed_when_nothing_else_was_skipped)
{
    setup(4);
    broker->settings.slow = SLOW_LATEST;
    subscribe_json("?topic=t&topic=u&topic=v&topic=w");
    fall_behind(0, 4); /* the four that are retained are the newest of their topics */
    const struct account a = account();
    cr_assert(eq(uint, a.gaps, 1));
    cr_assert(eq(uint, a.messages, 4));
    cr_assert(eq(u64, a.seq, 12));
    teardown();
}

Test(slow, latest_skips_nothing_of_what_is_retained_once_it_has_caught_up)
{
    setup(4);
    broker->settings.slow = SLOW_LATEST;
    subscribe_json("?topic=t&topic=u");
    fall_behind(0, 2);
    const struct account before = account();
    fake->room = 0;
    stall(3, 1);
    cr_assert(eq(uint, account().gaps, before.gaps));
    cr_assert(eq(uint, account().messages, before.messages + 3));
    teardown();
}

Test(slow, latest_is_silent_on_a_raw_websocket)
{
    setup(4);
    broker->settings.slow = SLOW_LATEST;
    subscribe(websocket_request);
    fake->room = fake->refill = 0;
    for (unsigned i = 0; i < 12; i++) {
        publish(i);
        turns(1);
    }
    fake->room = fake->refill = SIZE_MAX;
    push_event(fake, IO_WRITABLE);
    turns(12);
    cr_assert(eq(u8, fake->out[0], 0x81));
    cr_assert(eq(u8, fake->out[4], 'a' + 11), "the newest, and nothing else");
    cr_assert(eq(sz, fake->out_len, 4 + 1 + 11 * 37));
    teardown();
}

Test(slow, skip_closes_a_raw_websocket_with_4410_behind_the_cut_frame)
{
    setup(4);
    broker->settings.slow = SLOW_SKIP;
    subscribe(websocket_request);
    fake->room = 1;
    fake->refill = 0;
    for (unsigned i = 0; i < 12; i++) {
        publish(i);
        turns(1);
    }
    fake->room = SIZE_MAX;
    push_event(fake, IO_WRITABLE);
    turns(4);
    const size_t frame = 2 + 1; /* message 0 */
    cr_assert(eq(u8, fake->out[frame], 0x88));
    cr_assert(eq(u64, load_be(fake->out + frame + 2, 2), 4410));
    cr_assert(eq(int, memcmp(fake->out + frame + 4, "gap ", 4), 0));
    teardown();
}

Test(slow, old_messages_are_sent_from_images_that_nobody_keeps)
{
    setup(4096);
    subscribe_json("?topic=t&topic=u");
    fake->room = fake->refill = 0;
    for (unsigned i = 0; i < 3000; i++)
        publish(i % 5);
    turns(2);
    fake->room = fake->refill = SIZE_MAX;
    push_event(fake, IO_WRITABLE);
    turns(300);
    cr_assert(eq(u64, account().seq, 3000));
    cr_assert(eq(ptr, reactor->sender.transients, NULL));
    const uint64_t kept = atomic_load(&broker->image_bytes);
    cr_assert(ge(u64, kept, 1));
    cr_assert(lt(u64, kept, 1100 * 400), "only the newest keep theirs");
    teardown();
}

Test(slow, who_missed_the_end_of_a_topic_is_told_that_it_is_finished)
{
    static const enum slow_policy policies[] = {SLOW_SKIP, SLOW_LATEST};
    for (unsigned i = 0; i < 2; i++) {
        setup(8);
        broker->settings.slow = policies[i];
        subscribe("GET /t/t HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n");
        fake->room = 10;
        fake->refill = 0;
        publish(0);
        turns(1);
        finish_topic("t");
        for (unsigned k = 0; k < 20; k++)
            publish_to("u", k);
        turns(3);
        fake->room = fake->refill = SIZE_MAX;
        push_event(fake, IO_WRITABLE);
        turns(6);
        fake->out[fake->out_len] = '\0';
        cr_assert(eq(uint, occurrences("event: gap"), 0), "only the end was trimmed");
        cr_assert(fake->shut);
        teardown();
    }
}

static bool topic_fails;

static _Bool no_new_topic(void *user, size_t size)
{
    (void)user;
    const bool fails = topic_fails && size == sizeof(struct topic) + strlen("t.new");
    topic_fails = topic_fails && !fails;
    return !fails;
}

Test(slow, a_message_that_there_was_no_memory_for_is_told_once_and_closes_nobody)
{
    static const enum slow_policy policies[] = {SLOW_CLOSE, SLOW_SKIP, SLOW_LATEST};
    alloc_set_gate(no_new_topic, NULL);
    for (unsigned i = 0; i < 3; i++) {
        setup(64);
        broker->settings.slow = policies[i];
        subscribe("GET /t?topic=t.%23 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n");
        publish_to("t.a", 1);
        turns(2);
        topic_fails = true;
        publish_to("t.new", 2);
        turns(2);
        cr_assert(not(topic_fails), "the allocation was the topic's");
        fake->out[fake->out_len] = '\0';
        cr_assert(eq(uint, occurrences("event: gap"), 1), "told at once, not with the next one");
        publish_to("t.a", 3);
        turns(20);
        fake->out[fake->out_len] = '\0';
        cr_assert(eq(uint, occurrences("event: gap"), 1));
        cr_assert(eq(uint, occurrences("data: "), 1 + 2), "and each message once");
        cr_assert(not(fake->shut));
        teardown();
    }
    alloc_set_gate(NULL, NULL);
}
