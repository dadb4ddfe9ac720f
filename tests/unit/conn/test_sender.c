/* What a subscriber gets when its sends are cut at any byte: the same stream, whole and in order.
 * The reactor under test is the real one; the kernel below it takes as many bytes as a test says.
 */
#define _GNU_SOURCE /* memmem */
#include "base/alloc.h"
#include "conn/reactor.h"
#include "io/io_internal.h"
#include "log/cursor.h"
#include "ws/ws.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLOTS = 4, STREAM_MAX = 2 << 20, INPUT_MAX = 4096 };

/* A kernel for one connection: slot 0. */
struct fake_io {
    struct io io;
    struct io_event events[16];
    unsigned event_count;
    struct io_result results[IO_BATCH_MAX];
    unsigned result_count;
    bool fresh; /* the next operation begins a new batch of results */
    uint8_t input[INPUT_MAX];
    size_t input_len;
    size_t room;   /* bytes it takes until the next IO_WRITABLE */
    size_t refill; /* 0: the test says when it is writable again */
    bool closed, shut;
    unsigned last_count; /* pieces of the last send */
    unsigned sends_in_batch;
    size_t out_len;
    uint8_t out[STREAM_MAX];
};

static struct fake_io *fake_of(const struct io *io)
{
    return (struct fake_io *)(uintptr_t)io;
}

static void push_event(struct fake_io *f, enum io_kind kind)
{
    f->events[f->event_count++] = (struct io_event){.kind = kind, .slot = 0};
}

static void begin_batch(struct fake_io *f)
{
    if (f->fresh)
        f->result_count = 0;
    f->fresh = false;
}

static void fake_poll_arm(struct io *io, uint32_t slot, enum io_poll what)
{
    struct fake_io *f = fake_of(io);
    cr_assert(eq(u32, slot, 0));
    if (what == IO_OUT && f->refill > 0) {
        f->room = f->refill;
        push_event(f, IO_WRITABLE);
    } else if (what == IO_IN && f->input_len > 0) {
        push_event(f, IO_READABLE);
    }
}

static void fake_recv(struct io *io, uint32_t slot, uint32_t tag, struct span buf)
{
    struct fake_io *f = fake_of(io);
    begin_batch(f);
    const int32_t n = f->input_len ? (int32_t)f->input_len : -EAGAIN;
    memcpy(buf.at, f->input, f->input_len);
    f->input_len = 0;
    f->results[f->result_count++] = (struct io_result){slot, tag, n};
}

static void fake_send_vec(struct io *io, uint32_t slot, uint32_t tag, const struct iovec *vec,
                          unsigned count)
{
    struct fake_io *f = fake_of(io);
    size_t total = 0, taken = 0;
    begin_batch(f);
    cr_assert(eq(u32, f->sends_in_batch++, 0), "two sends of one connection between two reaps");
    f->last_count = count;
    for (unsigned i = 0; i < count; i++) {
        const size_t n = vec[i].iov_len < f->room ? vec[i].iov_len : f->room;
        memcpy(f->out + f->out_len, vec[i].iov_base, n);
        f->out_len += n;
        f->room -= n;
        taken += n;
        total += vec[i].iov_len;
    }
    cr_assert(ge(sz, total, 1), "an empty send");
    if (taken < total)
        f->results[f->result_count++] =
            (struct io_result){slot, tag, taken ? (int32_t)taken : -EAGAIN};
}

static void fake_send(struct io *io, uint32_t slot, uint32_t tag, struct bytes b)
{
    const struct iovec vec = {(void *)(uintptr_t)b.at, b.len};
    fake_send_vec(io, slot, tag, &vec, 1);
}

static void fake_submit(struct io *io)
{
    begin_batch(fake_of(io));
    fake_of(io)->fresh = true;
    fake_of(io)->sends_in_batch = 0;
}

static const struct io_result *fake_results(const struct io *io, unsigned *count)
{
    *count = fake_of(io)->result_count;
    return fake_of(io)->results;
}

static unsigned fake_wait(struct io *io, uint64_t timeout_ns, const struct io_event **events)
{
    static struct io_event given[16];
    struct fake_io *f = fake_of(io);
    const unsigned count = f->event_count;
    (void)timeout_ns;
    memcpy(given, f->events, sizeof(given));
    f->event_count = 0;
    *events = given;
    return count;
}

static void fake_close(struct io *io, uint32_t slot, enum io_close how)
{
    (void)slot;
    (void)how;
    fake_of(io)->closed = true;
    push_event(fake_of(io), IO_CLOSED);
}

static void fake_shutdown(struct io *io, uint32_t slot)
{
    (void)slot;
    fake_of(io)->shut = true;
}

static void fake_destroy(struct io *io)
{
    free(io);
}

static const struct io_impl fake_impl = {
    .destroy = fake_destroy,
    .poll_arm = fake_poll_arm,
    .recv = fake_recv,
    .send = fake_send,
    .send_vec = fake_send_vec,
    .shutdown = fake_shutdown,
    .close = fake_close,
    .submit = fake_submit,
    .results = fake_results,
    .wait = fake_wait,
};

/* --- a reactor with one subscriber ------------------------------------------------------------ */

static struct broker *broker;
static struct reactor *reactor;
static struct fake_io *fake;

static void never_wake(void *user, unsigned index)
{
    (void)user;
    (void)index;
}

static void setup(uint32_t history_count)
{
    broker = alloc_reserve(sizeof(*broker));
    reactor = alloc_reserve(sizeof(*reactor));
    fake = calloc(1, sizeof(*fake));
    io_attach(&fake->io, &fake_impl);
    broker->settings = (struct broker_settings){.conn_count_max = SLOTS,
                                                .message_bytes_max = 1 << 20,
                                                .body_bytes_max = 1 << 20,
                                                .history_count = history_count,
                                                .history_bytes = 64 << 20,
                                                .history_ms = 300000,
                                                .heartbeat_ms = 15000,
                                                .ping_ms = 25000,
                                                .drain_ms = 1000};
    broker->reactors = reactor;
    broker->reactor_count = 1;
    const struct log_options o = {.reactor_count = 1,
                                  .history_count = history_count,
                                  .history_bytes = 64 << 20,
                                  .wake = never_wake};
    cr_assert(eq(int, log_new(&broker->log, &o), 0));
    struct io *io = &fake->io;
    cr_assert(eq(int, reactor_init(reactor, broker, 0, &io, SLOTS), 0));
}

static void teardown(void)
{
    reactor_fini(reactor);
    log_free(&broker->log);
    alloc_release(reactor, sizeof(*reactor));
    alloc_release(broker, sizeof(*broker));
}

static void turns(int count)
{
    for (int i = 0; i < count; i++)
        cr_assert(reactor_turn(reactor));
}

static void say(const char *text)
{
    fake->input_len = strlen(text);
    memcpy(fake->input, text, fake->input_len);
    push_event(fake, IO_READABLE);
}

static void subscribe(const char *request)
{
    fake->room = SIZE_MAX;
    push_event(fake, IO_ACCEPTED);
    turns(1);
    say(request);
    turns(2);
    cr_assert(ge(sz, fake->out_len, 1), "an answer");
    fake->out_len = 0;
}

static void publish_to(const char *topic, unsigned number)
{
    uint8_t payload[700];
    memset(payload, 'a' + (int)(number % 26), sizeof(payload));
    const struct message_options o = {.topic = bytes_from(topic),
                                      .payload = {payload, 1 + number * 37 % sizeof(payload)},
                                      .kind = MESSAGE_TEXT,
                                      .origin = {.reactor = ORIGIN_NONE}};
    struct message *m = message_new(&o);
    cr_assert(eq(int, log_append(broker->log, &m), 0));
}

static void publish(unsigned number)
{
    publish_to("t", number);
}

static const char websocket_request[] =
    "GET /t/t HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

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

/* --- places ----------------------------------------------------------------------------------- */

/* Receiving comes before consuming: what is published here is in the log, and not yet known to the
 * reactor when it reads the request. */
static void subscribe_while_behind(unsigned count, const char *query)
{
    char request[400];
    fake->room = SIZE_MAX;
    push_event(fake, IO_ACCEPTED);
    turns(1);
    for (unsigned i = 0; i < count; i++)
        publish(i);
    snprintf(request, sizeof(request), "GET /t/t?%s HTTP/1.1\r\nHost: x\r\n%s\r\n", query,
             "Accept: text/event-stream\r\n");
    say(request);
    turns(3);
    fake->out[fake->out_len] = '\0';
}

static unsigned occurrences(const char *what)
{
    unsigned count = 0;
    for (const char *at = (const char *)fake->out; (at = strstr(at, what)) != NULL; at++)
        count++;
    return count;
}

Test(sender, a_cursor_ahead_of_the_reactor_is_exact)
{
    for (uint64_t seq = 0; seq <= 5; seq++) {
        char query[64], cursor[CURSOR_TEXT_MAX];
        setup(64);
        cursor_format((struct cursor){log_epoch(broker->log), seq}, cursor);
        snprintf(query, sizeof(query), "after=%s", cursor);
        subscribe_while_behind(5, query);
        cr_assert(eq(uint, occurrences("event: gap"), 0));
        cr_assert(eq(uint, occurrences("data: "), (unsigned)(5 - seq)));
        publish(9);
        turns(1);
        fake->out[fake->out_len] = '\0';
        cr_assert(eq(uint, occurrences("data: "), (unsigned)(6 - seq)), "and then the live ones");
        teardown();
    }
}

Test(sender, a_cursor_ahead_of_the_log_is_told)
{
    char query[64], cursor[CURSOR_TEXT_MAX];
    setup(64);
    cursor_format((struct cursor){log_epoch(broker->log), 6}, cursor);
    snprintf(query, sizeof(query), "after=%s", cursor);
    subscribe_while_behind(5, query);
    cr_assert(eq(uint, occurrences("event: gap"), 1));
    cr_assert(eq(uint, occurrences("\"reason\":\"epoch\""), 1));
    cr_assert(eq(uint, occurrences("data: "), 1 + 5), "from the oldest retained");
    teardown();
}

Test(sender, now_is_the_head_of_the_log_whatever_the_reactor_knows)
{
    setup(64);
    subscribe_while_behind(5, "after=now");
    cr_assert(eq(uint, occurrences("data: "), 0));
    cr_assert(eq(uint, occurrences("-5\r\n"), 1), "the opening cursor says so");
    publish(9);
    turns(1);
    fake->out[fake->out_len] = '\0';
    cr_assert(eq(uint, occurrences("data: "), 1));
    teardown();
}

Test(sender, a_poll_that_does_not_wait_is_not_empty_while_the_log_has_a_message_for_it)
{
    char request[300], cursor[CURSOR_TEXT_MAX];
    setup(64);
    fake->room = SIZE_MAX;
    push_event(fake, IO_ACCEPTED);
    turns(1);
    cursor_format((struct cursor){log_epoch(broker->log), 2}, cursor);
    snprintf(request, sizeof(request), "GET /t/t?wait=0&after=%s HTTP/1.1\r\nHost: x\r\n\r\n",
             cursor);
    for (unsigned i = 0; i < 5; i++)
        publish(i); /* not yet consumed when the request is read, as if held elsewhere */
    say(request);
    turns(3);
    fake->out[fake->out_len] = '\0';
    cr_assert(eq(uint, occurrences("HTTP/1.1 200"), 1));
    cr_assert(eq(uint, occurrences("\"data\""), 3));
    teardown();
}

/* --- policies --------------------------------------------------------------------------------- */

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

/* It takes `room` bytes first; the history keeps 4 of the 12. */
static void fall_behind(size_t room, unsigned topics)
{
    fake->room = room;
    stall(12, topics);
}

Test(sender, skip_finishes_the_cut_frame_and_tells_the_gap_wherever_it_was_cut)
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

Test(sender, latest_sends_the_newest_of_each_topic_and_tells_what_it_skipped)
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

Test(sender, latest_tells_what_was_trimmed_when_nothing_else_was_skipped)
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

Test(sender, latest_skips_nothing_of_what_is_retained_once_it_has_caught_up)
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

Test(sender, latest_is_silent_on_a_raw_websocket)
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

Test(sender, skip_closes_a_raw_websocket_with_4410_behind_the_cut_frame)
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

Test(sender, old_messages_are_sent_from_images_that_nobody_keeps)
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
