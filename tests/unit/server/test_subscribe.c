/* Subscribing in the process itself: what comes, when the descriptor says so, and how it ends. */
#include "uproar.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct uproar *broker;

static void start_with(uint32_t history_count)
{
    struct uproar_options o;
    char why[256];
    uproar_options_init(&o, sizeof(o));
    o.thread_count = 2;
    o.drain_ms = 200;
    o.history_count = history_count;
    cr_assert(eq(int, uproar_start(&o, &broker, why, sizeof(why)), 0), "%s", why);
}

static void start(void)
{
    start_with(0);
}

static void stop(void)
{
    cr_assert(eq(int, uproar_free(&broker), 0));
}

TestSuite(subscribe, .init = start, .fini = stop, .timeout = 60);

static struct uproar_sub *subscribe(const char *pattern, enum uproar_slow slow)
{
    struct uproar_sub *s;
    cr_assert(eq(int, uproar_subscribe(broker, pattern, NULL, slow, &s), 0));
    return s;
}

static void publish(const char *topic, unsigned number)
{
    char body[16];
    const int len = snprintf(body, sizeof(body), "%u", number);
    while (uproar_publish(broker, topic, body, (size_t)len, UPROAR_TEXT) == -EAGAIN)
        continue;
}

static bool is_readable(const struct uproar_sub *s, int timeout_ms)
{
    struct pollfd p = {.fd = uproar_sub_fd(s), .events = POLLIN};
    return poll(&p, 1, timeout_ms) == 1;
}

/* The next that is not NONE, waited for as a loop would. */
static enum uproar_next wait_next(struct uproar_sub *s, struct uproar_message *m,
                                  struct uproar_gap *gap)
{
    for (;;) {
        const enum uproar_next next = uproar_sub_next(s, m, gap);
        if (next != UPROAR_NONE)
            return next;
        cr_assert(is_readable(s, 30000));
    }
}

static unsigned number_of(const struct uproar_message *m)
{
    char text[16] = "";
    memcpy(text, m->body.at, m->body.len);
    return (unsigned)strtoul(text, NULL, 10);
}

static void expect_number(struct uproar_sub *s, unsigned number)
{
    struct uproar_message m;
    struct uproar_gap gap;
    cr_assert(eq(int, wait_next(s, &m, &gap), UPROAR_MESSAGE));
    cr_assert(eq(u32, number_of(&m), number));
}

Test(subscribe, refuses_what_is_no_pattern)
{
    struct uproar_sub *s = (struct uproar_sub *)&s;
    cr_assert(eq(int, uproar_subscribe(broker, NULL, NULL, 0, &s), -EINVAL));
    cr_assert(eq(int, uproar_subscribe(broker, "", NULL, 0, &s), -EINVAL));
    cr_assert(eq(ptr, s, NULL));
    cr_assert(eq(int, uproar_subscribe(broker, "a..b", NULL, 0, &s), -EINVAL));
    cr_assert(eq(int, uproar_subscribe(broker, "#.a", NULL, 0, &s), -EINVAL));
    cr_assert(eq(int, uproar_subscribe(broker, "a", NULL, (enum uproar_slow)9, &s), -EINVAL));
    cr_assert(eq(int, uproar_stop(broker), 0));
    cr_assert(eq(int, uproar_subscribe(broker, "a", NULL, 0, &s), -ESHUTDOWN));
}

Test(subscribe, gets_what_is_published_after_it_and_nothing_else)
{
    publish("t", 1);
    struct uproar_sub *s = subscribe("t", 0);
    publish("other", 2);
    for (unsigned i = 3; i < 100; i++)
        publish("t", i);
    for (unsigned i = 3; i < 100; i++)
        expect_number(s, i);
    uproar_unsubscribe(&s);
    cr_assert(eq(ptr, s, NULL));
    uproar_unsubscribe(&s);
}

Test(subscribe, shows_every_field)
{
    const struct uproar_header headers[] = {{{"a", 1}, {"1", 1}}, {{"b", 1}, {"", 0}}};
    const struct uproar_message sent = {.topic = {"x.y", 3},
                                        .body = {"\xff\0z", 3},
                                        .event = {"e", 1},
                                        .content_type = {"image/png", 9},
                                        .kind = UPROAR_BINARY,
                                        .headers = headers,
                                        .header_count = 2};
    struct uproar_message m;
    struct uproar_gap gap;
    struct uproar_sub *s = subscribe("x.#", 0);
    cr_assert(eq(int, uproar_publish_many(broker, &sent, 1, NULL, NULL), 0));
    cr_assert(eq(int, wait_next(s, &m, &gap), UPROAR_MESSAGE));
    cr_assert(eq(sz, m.topic.len, 3));
    cr_assert(eq(int, memcmp(m.topic.at, "x.y", 3), 0));
    cr_assert(eq(sz, m.body.len, 3));
    cr_assert(eq(int, memcmp(m.body.at, "\xff\0z", 3), 0));
    cr_assert(eq(int, memcmp(m.event.at, "e", m.event.len), 0));
    cr_assert(eq(sz, m.content_type.len, 9));
    cr_assert(eq(int, m.kind, UPROAR_BINARY));
    cr_assert(eq(sz, m.header_count, 2));
    cr_assert(eq(int, memcmp(m.headers[1].name.at, "b", 1), 0));
    cr_assert(eq(u64, m.cursor.seq, 1));
    cr_assert(ne(u64, m.cursor.epoch, 0));
    cr_assert(gt(i64, m.time_ms, 1600000000000));
    cr_assert(eq(u64, m.from.id, 0));
    uproar_unsubscribe(&s);
}

Test(subscribe, resumes_behind_a_cursor)
{
    struct uproar_sub *s = subscribe("t", 0), *again;
    struct uproar_message m;
    struct uproar_gap gap;
    for (unsigned i = 1; i <= 5; i++)
        publish("t", i);
    expect_number(s, 1);
    cr_assert(eq(int, wait_next(s, &m, &gap), UPROAR_MESSAGE));
    cr_assert(eq(int, uproar_subscribe(broker, "t", &m.cursor, 0, &again), 0));
    for (unsigned i = 3; i <= 5; i++)
        expect_number(again, i);
    uproar_unsubscribe(&s);
    uproar_unsubscribe(&again);
}

Test(subscribe, tells_a_gap_behind_a_foreign_cursor)
{
    struct uproar_sub *s;
    struct uproar_message m;
    struct uproar_gap gap;
    const struct uproar_cursor foreign = {.epoch = 1, .seq = 77};
    publish("t", 1);
    cr_assert(eq(int, uproar_subscribe(broker, "t", &foreign, 0, &s), 0));
    cr_assert(eq(int, wait_next(s, &m, &gap), UPROAR_GAP));
    cr_assert(eq(u64, gap.after.seq, 77));
    cr_assert(eq(u64, gap.resumed.seq, 0));
    expect_number(s, 1);
    uproar_unsubscribe(&s);
}

Test(subscribe, has_a_descriptor_that_is_readable_while_there_is_something)
{
    struct uproar_message m;
    struct uproar_gap gap;
    struct uproar_sub *s = subscribe("t", 0);
    cr_assert(not(is_readable(s, 0)));
    for (unsigned round = 0; round < 1000; round++) {
        publish("t", 1);
        publish("t", 2);
        cr_assert(is_readable(s, 30000));
        expect_number(s, 1);
        cr_assert(is_readable(s, 30000));
        expect_number(s, 2);
        while (is_readable(s, 0)) /* a last wake may be on its way */
            cr_assert(eq(int, uproar_sub_next(s, &m, &gap), UPROAR_NONE));
    }
    uproar_unsubscribe(&s);
}

/* More than its ring holds by bytes; it comes as there is room. */
Test(subscribe, gets_large_messages_whole_and_all_of_them)
{
    enum { LARGE = 1 << 20, COUNT = 12 };
    static char body[LARGE];
    struct uproar_message m;
    struct uproar_gap gap;
    struct uproar_sub *s = subscribe("t", 0);
    for (int i = 0; i < COUNT; i++) {
        memset(body, 'a' + i, sizeof(body));
        cr_assert(eq(int, uproar_publish(broker, "t", body, sizeof(body), UPROAR_TEXT), 0));
    }
    for (int i = 0; i < COUNT; i++) {
        cr_assert(eq(int, wait_next(s, &m, &gap), UPROAR_MESSAGE));
        cr_assert(eq(sz, m.body.len, LARGE));
        cr_assert(eq(int, m.body.at[LARGE - 1], 'a' + i));
    }
    uproar_unsubscribe(&s);
}

/* --- those that are slow ---------------------------------------------------------------------- */

enum { HISTORY = 2000, FLOOD = 20000 };

/* More than ring and history hold. A second subscriber shows that all of it has come. */
static struct uproar_sub *flooded(enum uproar_slow slow)
{
    struct uproar_message m;
    struct uproar_gap gap;
    stop();
    start_with(HISTORY);
    struct uproar_sub *s = subscribe("t.*", slow), *same = subscribe("t.*", UPROAR_SLOW_SKIP);
    struct uproar_sub *other = subscribe("t.*", UPROAR_SLOW_SKIP);
    for (unsigned i = 0; i < FLOOD; i++)
        publish(i % 2 ? "t.odd" : "t.even", i);
    struct uproar_sub *subs[] = {same, other}; /* one on each reactor */
    for (int i = 0; i < 2; i++) {
        do
            cr_assert(ne(int, wait_next(subs[i], &m, &gap), UPROAR_END));
        while (m.cursor.seq != FLOOD);
        uproar_unsubscribe(&subs[i]);
    }
    return s;
}

/* Takes everything; returns how many messages are missing without a word. */
static unsigned unexplained(struct uproar_sub *s, enum uproar_next until, unsigned *gaps,
                            unsigned *messages)
{
    struct uproar_message m;
    struct uproar_gap gap;
    uint64_t at = 0;
    unsigned missing = 0;
    for (*gaps = *messages = 0;;) {
        const enum uproar_next next = wait_next(s, &m, &gap);
        if (next == until && (next == UPROAR_END))
            return missing;
        if (next == UPROAR_GAP) {
            missing += gap.after.seq != at;
            at = gap.resumed.seq;
            (*gaps)++;
            continue;
        }
        cr_assert(eq(int, next, UPROAR_MESSAGE));
        missing += m.cursor.seq != at + 1;
        at = m.cursor.seq;
        (*messages)++;
        if (at == FLOOD && until == UPROAR_MESSAGE)
            return missing;
    }
}

Test(subscribe, skips_with_a_gap)
{
    unsigned gaps, messages;
    struct uproar_sub *s = flooded(UPROAR_SLOW_SKIP);
    cr_assert(eq(u32, unexplained(s, UPROAR_MESSAGE, &gaps, &messages), 0));
    cr_assert(ge(u32, gaps, 1));
    cr_assert(ge(u32, messages, HISTORY));
    cr_assert(lt(u32, messages, FLOOD));
    uproar_unsubscribe(&s);
}

Test(subscribe, gets_the_latest_of_each_topic)
{
    unsigned gaps, messages;
    struct uproar_sub *s = flooded(UPROAR_SLOW_LATEST);
    cr_assert(eq(u32, unexplained(s, UPROAR_MESSAGE, &gaps, &messages), 0));
    cr_assert(le(u32, messages, 1024 + 2));
    publish("t.odd", 1);
    expect_number(s, 1);
    uproar_unsubscribe(&s);
}

Test(subscribe, ends_when_it_is_too_slow)
{
    unsigned gaps, messages;
    struct uproar_sub *s = flooded(UPROAR_SLOW_CLOSE);
    cr_assert(eq(u32, unexplained(s, UPROAR_END, &gaps, &messages), 0));
    cr_assert(eq(u32, gaps, 0));
    struct uproar_message m;
    struct uproar_gap gap;
    cr_assert(eq(int, uproar_sub_next(s, &m, &gap), UPROAR_END));
    uproar_unsubscribe(&s);
}

/* --- the end ---------------------------------------------------------------------------------- */

Test(subscribe, outlives_the_server_with_what_it_was_given)
{
    struct uproar_message m;
    struct uproar_gap gap;
    struct uproar_sub *s = subscribe("t", 0);
    for (unsigned i = 0; i < 10; i++)
        publish("t", i);
    stop();
    for (unsigned i = 0; i < 10; i++)
        expect_number(s, i);
    cr_assert(eq(int, wait_next(s, &m, &gap), UPROAR_END));
    uproar_unsubscribe(&s);
}

Test(subscribe, is_told_what_the_end_of_the_server_cost_it)
{
    struct uproar_message m;
    struct uproar_gap gap;
    unsigned taken = 0;
    enum uproar_next next;
    struct uproar_sub *s = subscribe("t", 0);
    for (unsigned i = 0; i < 5000; i++)
        publish("t", i);
    stop();
    while ((next = wait_next(s, &m, &gap)) == UPROAR_MESSAGE)
        taken++;
    cr_assert(lt(u32, taken, 5000));
    cr_assert(eq(int, next, UPROAR_GAP));
    cr_assert(eq(u64, gap.after.seq, taken));
    cr_assert(eq(u64, gap.resumed.seq, 5000));
    cr_assert(eq(int, wait_next(s, &m, &gap), UPROAR_END));
    uproar_unsubscribe(&s);
}

static void stall(void *user, int err, struct uproar_cursor last)
{
    (void)user;
    (void)err;
    (void)last;
    usleep(300000);
}

/* Its reactor finds these in its ring behind others when the drain has begun. */
static struct uproar_sub *subscribe_behind_a_stall(unsigned count)
{
    const struct uproar_message m = {.topic = {"other", 5}, .body = {"", 0}, .kind = UPROAR_TEXT};
    struct uproar_sub *s = subscribe("t", 0);
    cr_assert(eq(int, uproar_publish_many(broker, &m, 1, stall, NULL), 0));
    for (unsigned i = 0; i < 100; i++)
        publish("other", i);
    for (unsigned i = 0; i < count; i++)
        publish("t", i);
    return s;
}

Test(subscribe, gets_what_was_accepted_before_the_drain)
{
    struct uproar_message m;
    struct uproar_gap gap;
    struct uproar_sub *s = subscribe_behind_a_stall(500);
    stop();
    for (unsigned i = 0; i < 500; i++)
        expect_number(s, i);
    cr_assert(eq(int, wait_next(s, &m, &gap), UPROAR_END));
    uproar_unsubscribe(&s);
}

Test(subscribe, is_told_what_its_reactor_never_came_to)
{
    struct uproar_message m;
    struct uproar_gap gap;
    struct uproar_sub *s = subscribe_behind_a_stall(500);
    cr_assert(eq(int, uproar_stop(broker), 0));
    cr_assert(eq(int, uproar_stop(broker), 0)); /* now */
    stop();
    cr_assert(eq(int, wait_next(s, &m, &gap), UPROAR_GAP));
    cr_assert(eq(u64, gap.resumed.seq, 601));
    cr_assert(eq(int, wait_next(s, &m, &gap), UPROAR_END));
    uproar_unsubscribe(&s);
}

Test(subscribe, ends_at_once_when_the_server_ended_before_it_joined)
{
    struct uproar_message m;
    struct uproar_gap gap;
    for (int i = 0; i < 50; i++) {
        struct uproar_sub *s = subscribe("t", 0);
        stop();
        cr_assert(eq(int, wait_next(s, &m, &gap), UPROAR_END));
        uproar_unsubscribe(&s);
        start();
    }
}

/* --- many ------------------------------------------------------------------------------------- */

enum { THREADS = 4, EACH = 20000 };

static void *take_all(void *arg)
{
    struct uproar_sub *s = arg;
    for (unsigned i = 0; i < EACH; i++)
        expect_number(s, i);
    uproar_unsubscribe(&s);
    return NULL;
}

Test(subscribe, serves_threads_that_keep_up_at_their_own_pace)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, take_all, subscribe("t", 0));
    for (unsigned i = 0; i < EACH; i++)
        publish("t", i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static _Atomic bool over;

static void *publish_on(void *arg)
{
    (void)arg;
    for (unsigned i = 0; !over; i++)
        publish(i % 2 ? "a.b" : "c", i);
    return NULL;
}

Test(subscribe, may_come_and_go_during_a_burst)
{
    pthread_t thread;
    struct uproar_message m;
    struct uproar_gap gap;
    pthread_create(&thread, NULL, publish_on, NULL);
    for (int i = 0; i < 2000; i++) {
        struct uproar_sub *s = subscribe(i % 3 ? "a.#" : "c", UPROAR_SLOW_SKIP);
        for (int k = 0; k < i % 7; k++)
            (void)wait_next(s, &m, &gap);
        uproar_unsubscribe(&s);
    }
    over = true;
    pthread_join(thread, NULL);
}
