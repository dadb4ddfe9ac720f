/* The real reactor with one connection, over a kernel that takes as many bytes as a test says:
 * shared by the tests of conn/. Asserts by itself; holds no expectations of its own. */
#pragma once

#include "base/alloc.h"
#include "base/clock.h"
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
    void (*on_send)(void); /* what others do while it is under way */
    size_t out_len;
    uint8_t out[STREAM_MAX];
};

static inline struct fake_io *fake_of(const struct io *io)
{
    return (struct fake_io *)(uintptr_t)io;
}

static inline void push_event(struct fake_io *f, enum io_kind kind)
{
    f->events[f->event_count++] = (struct io_event){.kind = kind, .slot = 0};
}

static inline void begin_batch(struct fake_io *f)
{
    if (f->fresh)
        f->result_count = 0;
    f->fresh = false;
}

static inline void fake_poll_arm(struct io *io, uint32_t slot, enum io_poll what)
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

static inline void fake_recv(struct io *io, uint32_t slot, uint32_t tag, struct span buf)
{
    struct fake_io *f = fake_of(io);
    begin_batch(f);
    const int32_t n = f->input_len ? (int32_t)f->input_len : -EAGAIN;
    memcpy(buf.at, f->input, f->input_len);
    f->input_len = 0;
    f->results[f->result_count++] = (struct io_result){slot, tag, n};
}

static inline void fake_send_vec(struct io *io, uint32_t slot, uint32_t tag,
                                 const struct iovec *vec, unsigned count)
{
    struct fake_io *f = fake_of(io);
    size_t total = 0, taken = 0;
    begin_batch(f);
    cr_assert(eq(u32, f->sends_in_batch++, 0), "two sends of one connection between two reaps");
    f->last_count = count;
    if (f->on_send)
        f->on_send();
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

static inline void fake_send(struct io *io, uint32_t slot, uint32_t tag, struct bytes b)
{
    const struct iovec vec = {(void *)(uintptr_t)b.at, b.len};
    fake_send_vec(io, slot, tag, &vec, 1);
}

static inline void fake_submit(struct io *io)
{
    begin_batch(fake_of(io));
    fake_of(io)->fresh = true;
    fake_of(io)->sends_in_batch = 0;
}

static inline const struct io_result *fake_results(const struct io *io, unsigned *count)
{
    *count = fake_of(io)->result_count;
    return fake_of(io)->results;
}

static inline unsigned fake_wait(struct io *io, uint64_t timeout_ns, const struct io_event **events)
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

static inline void fake_close(struct io *io, uint32_t slot, enum io_close how)
{
    (void)slot;
    (void)how;
    fake_of(io)->closed = true;
    push_event(fake_of(io), IO_CLOSED);
}

static inline void fake_keepalive(struct io *io, uint32_t slot)
{
    (void)io;
    (void)slot;
}

static inline void fake_shutdown(struct io *io, uint32_t slot)
{
    (void)slot;
    fake_of(io)->shut = true;
}

static inline void fake_destroy(struct io *io)
{
    free(io);
}

static const struct io_impl fake_impl = {
    .destroy = fake_destroy,
    .poll_arm = fake_poll_arm,
    .recv = fake_recv,
    .send = fake_send,
    .send_vec = fake_send_vec,
    .keepalive = fake_keepalive,
    .shutdown = fake_shutdown,
    .close = fake_close,
    .submit = fake_submit,
    .results = fake_results,
    .wait = fake_wait,
};

/* --- a clock that only the test moves --------------------------------------------------------- */

/* A turn's slice ends by what the turn did, not by what else the machine was busy with. */
static uint64_t rig_ns;
static uint64_t rig_look_ns; /* so long does a look at the clock take */

static inline uint64_t rig_monotonic_ns(void)
{
    return rig_ns += rig_look_ns;
}

static inline int64_t rig_realtime_ms(void)
{
    return 1700000000000;
}

static inline void rig_random(void *out, size_t len)
{
    memset(out, 7, len);
}

static const struct clock_source rig_clock = {rig_monotonic_ns, rig_realtime_ms, rig_random};

/* --- a reactor with one subscriber ------------------------------------------------------------ */

static struct broker *broker;
static struct reactor *reactor;
static struct fake_io *fake;

static inline void never_wake(void *user, unsigned index)
{
    (void)user;
    (void)index;
}

static inline void setup(uint32_t history_count)
{
    clock_set_source(&rig_clock);
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

static inline void teardown(void)
{
    reactor_fini(reactor);
    log_free(&broker->log);
    alloc_release(reactor, sizeof(*reactor));
    alloc_release(broker, sizeof(*broker));
    clock_set_source(NULL);
}

static inline void turns(int count)
{
    for (int i = 0; i < count; i++)
        cr_assert(reactor_turn(reactor));
}

static inline void say(const char *text)
{
    fake->input_len = strlen(text);
    memcpy(fake->input, text, fake->input_len);
    push_event(fake, IO_READABLE);
}

static inline void subscribe(const char *request)
{
    fake->room = SIZE_MAX;
    push_event(fake, IO_ACCEPTED);
    turns(1);
    say(request);
    turns(2);
    cr_assert(ge(sz, fake->out_len, 1), "an answer");
    fake->out_len = 0;
}

static inline void publish_to(const char *topic, unsigned number)
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

/* DELETE, as any reactor would put it into the log. */
static inline void finish_topic(const char *topic)
{
    const struct message_options o = {
        .topic = bytes_from(topic), .kind = MESSAGE_END, .origin = {.reactor = ORIGIN_NONE}};
    struct message *m = message_new(&o);
    cr_assert(eq(int, log_append(broker->log, &m), 0));
}

static inline void publish(unsigned number)
{
    publish_to("t", number);
}

static const char websocket_request[] =
    "GET /t/t HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

static inline unsigned occurrences(const char *what)
{
    unsigned count = 0;
    for (const char *at = (const char *)fake->out; (at = strstr(at, what)) != NULL; at++)
        count++;
    return count;
}
