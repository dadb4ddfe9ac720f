/* Local subscriptions: the log's order, patterns, places, gaps, the descriptor, and the end. Bursts
 * are test_burst.c's. */
#include "embed.h"
#include "peer.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

/* A broker inside the process: no socket. */
static struct uproar *start_broker(void)
{
    struct uproar_options o = usual_options();
    o.listen_count = 0;
    return start(&o);
}

/* With a short history, and one reactor: what one subscriber has seen, all have been offered. */
static struct uproar *start_forgetful(uint32_t history_count)
{
    struct uproar_options o = usual_options();
    o.listen_count = 0;
    o.thread_count = 1;
    o.history_count = history_count;
    return start(&o);
}

/* --- order ------------------------------------------------------------------------------------ */

static void everybody_gets_the_same_order(void)
{
    enum { COUNT = 500, POSTS = 20 };
    static struct peer ws, sse;
    struct uproar *u = start_usual();
    struct uproar_sub *s = subscribe(u, "t");
    struct uproar_message m;
    struct uproar_gap gap;
    char text[64];
    uint64_t seq = 0;
    ws_open(&ws, u, "/t/t");
    sse_open(&sse, u, "/t/t");
    for (unsigned i = 0; i < COUNT; i++) {
        publish_numbers(u, "t", i, i + 1);
        if (i % (COUNT / POSTS) == 0)
            ws_say(&ws, "from a peer");
    }
    for (unsigned i = 0; i < COUNT + POSTS; i++) {
        CHECK_EQ(next_waiting(s, &m, &gap), UPROAR_MESSAGE);
        CHECK(m.cursor.seq > seq);
        seq = m.cursor.seq;
        snprintf(text, sizeof(text), "%.*s", (int)m.body.len, m.body.at);
        ws_expect(&ws, text);
        sse_expect(&sse, text);
    }
    uproar_unsubscribe(&s);
    peer_close(&ws);
    peer_close(&sse);
    stop_and_free(&u);
}

static void all_of_a_message_is_shown(void)
{
    const struct uproar_header headers[] = {{STR("a"), STR("1")}, {STR("b"), STR("")}};
    struct uproar *u = start_broker();
    struct uproar_sub *s = subscribe(u, "t");
    struct uproar_message is, m = {.topic = STR("t"), .body = STR("\xff\0z"), .event = STR("e")};
    struct uproar_gap gap;
    m.content_type = STR("image/png");
    m.kind = UPROAR_BINARY;
    m.headers = headers;
    m.header_count = 2;
    CHECK_EQ(uproar_publish_many(u, &m, 1, NULL, NULL), 0);
    CHECK_EQ(next_waiting(s, &is, &gap), UPROAR_MESSAGE);
    CHECK_TEXT(is.topic, "t");
    CHECK(is.body.len == 3 && memcmp(is.body.at, "\xff\0z", 3) == 0);
    CHECK_TEXT(is.event, "e");
    CHECK_TEXT(is.content_type, "image/png");
    CHECK_EQ(is.kind, UPROAR_BINARY);
    CHECK_EQ(is.header_count, 2);
    CHECK_TEXT(is.headers[0].name, "a");
    CHECK_TEXT(is.headers[0].value, "1");
    CHECK_TEXT(is.headers[1].name, "b");
    CHECK_EQ(is.headers[1].value.len, 0);
    CHECK(is.cursor.epoch != 0 && is.cursor.seq == 1);
    CHECK(is.time_ms > 1600000000000);
    CHECK_EQ(is.from.id, 0);
    publish(u, "t", "plain");
    CHECK_EQ(next_waiting(s, &is, &gap), UPROAR_MESSAGE);
    CHECK(!is.event.at && !is.content_type.at && is.header_count == 0);
    uproar_unsubscribe(&s);
    stop_and_free(&u);
}

static void patterns_choose(void)
{
    struct uproar *u = start_broker();
    struct uproar_sub *exact = subscribe(u, "a.b"), *star = subscribe(u, "a.*"),
                      *hash = subscribe(u, "a.#"), *all = subscribe(u, "#"), *none;
    CHECK_EQ(uproar_subscribe(u, "a..b", NULL, 0, &none), -EINVAL);
    CHECK(none == NULL);
    CHECK_EQ(uproar_subscribe(u, "#.a", NULL, 0, &none), -EINVAL);
    CHECK_EQ(uproar_subscribe(u, "", NULL, 0, &none), -EINVAL);
    CHECK_EQ(uproar_subscribe(u, "t", NULL, (enum uproar_slow)9, &none), -EINVAL);
    publish(u, "b", "1");
    publish(u, "a", "2");
    publish(u, "a.c", "3");
    publish(u, "a.b.c", "4");
    publish(u, "a.b", "5");
    expect_message(exact, "5");
    expect_message(star, "3");
    expect_message(star, "5");
    expect_numbers(hash, 2, 6);
    expect_numbers(all, 1, 6);
    uproar_unsubscribe(&exact);
    uproar_unsubscribe(&star);
    uproar_unsubscribe(&hash);
    uproar_unsubscribe(&all);
    stop_and_free(&u);
}

/* --- places ----------------------------------------------------------------------------------- */

static void it_goes_on_behind_a_cursor(void)
{
    struct uproar *u = start_broker();
    struct uproar_sub *first = subscribe(u, "t"), *again;
    struct uproar_message m;
    struct uproar_gap gap;
    publish_numbers(u, "t", 0, 20);
    expect_numbers(first, 0, 9);
    CHECK_EQ(next_waiting(first, &m, &gap), UPROAR_MESSAGE);
    const struct uproar_cursor after = m.cursor;
    uproar_unsubscribe(&first);
    CHECK_EQ(uproar_subscribe(u, "t", &after, 0, &again), 0);
    expect_numbers(again, 10, 20);
    publish_numbers(u, "t", 20, 25);
    expect_numbers(again, 20, 25);
    uproar_unsubscribe(&again);
    stop_and_free(&u);
}

static void what_was_trimmed_behind_a_cursor_is_a_gap(void)
{
    struct uproar *u = start_forgetful(10);
    struct uproar_sub *witness = subscribe(u, "t"), *s;
    struct uproar_message m;
    struct uproar_gap gap;
    publish_numbers(u, "t", 0, 1);
    CHECK_EQ(next_waiting(witness, &m, &gap), UPROAR_MESSAGE);
    const struct uproar_cursor after = m.cursor;
    publish_numbers(u, "t", 1, 50);
    expect_numbers(witness, 1, 50);
    CHECK_EQ(uproar_subscribe(u, "t", &after, UPROAR_SLOW_CLOSE, &s), 0);
    CHECK_EQ(next_waiting(s, &m, &gap), UPROAR_GAP);
    CHECK_EQ(gap.after.seq, after.seq);
    CHECK(gap.resumed.seq > after.seq && gap.resumed.epoch == after.epoch);
    CHECK_EQ(next_waiting(s, &m, &gap), UPROAR_MESSAGE);
    expect_numbers(s, (unsigned)m.cursor.seq, 50); /* the first is number 0 with seq 1 */
    uproar_unsubscribe(&witness);
    uproar_unsubscribe(&s);
    stop_and_free(&u);
}

/* --- slow ones -------------------------------------------------------------------------------- */

enum { FAR = 40000, SMALL = 100 };

/* Far behind: a witness has seen that all was ordered. */
static struct uproar_sub *fall_behind(struct uproar *u, enum uproar_slow slow)
{
    struct uproar_sub *s, *witness;
    CHECK_EQ(uproar_subscribe(u, "#", NULL, slow, &s), 0);
    witness = subscribe(u, "other");
    for (unsigned i = 0; i < FAR; i++)
        publish(u, i % 2 ? "odd" : "even", "x");
    publish(u, "other", "last");
    expect_message(witness, "last");
    uproar_unsubscribe(&witness);
    return s;
}

/* Takes all there is. Returns the messages; each gap is where something is missing. */
static unsigned take_with_gaps(struct uproar_sub *s, unsigned *gaps, uint64_t *seq)
{
    struct uproar_message m;
    struct uproar_gap gap;
    unsigned messages = 0;
    while (*seq < FAR + 1) {
        const enum uproar_next next = next_waiting(s, &m, &gap);
        CHECK(next == UPROAR_MESSAGE || next == UPROAR_GAP);
        if (next == UPROAR_MESSAGE) {
            CHECK_EQ(m.cursor.seq, *seq + 1);
            messages++;
            *seq = m.cursor.seq;
        } else {
            CHECK_EQ(gap.after.seq, *seq);
            CHECK(gap.resumed.seq > *seq);
            *seq = gap.resumed.seq;
            ++*gaps;
        }
    }
    return messages;
}

static void skip_tells_the_gap_and_goes_on(void)
{
    struct uproar *u = start_forgetful(SMALL);
    struct uproar_sub *s = fall_behind(u, UPROAR_SLOW_SKIP);
    unsigned gaps = 0;
    uint64_t seq = 0;
    CHECK(take_with_gaps(s, &gaps, &seq) >= SMALL / 2);
    CHECK_EQ(seq, FAR + 1);
    CHECK_EQ(gaps, 1);
    publish(u, "t", "on");
    expect_message(s, "on");
    uproar_unsubscribe(&s);
    stop_and_free(&u);
}

static void latest_gives_the_newest_of_each_topic(void)
{
    struct uproar *u = start_forgetful(SMALL);
    struct uproar_sub *s = fall_behind(u, UPROAR_SLOW_LATEST);
    struct uproar_message m;
    struct uproar_gap gap;
    uint64_t seq = 0, tail[3] = {0};
    while (seq < FAR + 1) {
        const enum uproar_next next = next_waiting(s, &m, &gap);
        CHECK(next == UPROAR_MESSAGE || next == UPROAR_GAP);
        const uint64_t at = next == UPROAR_MESSAGE ? m.cursor.seq : gap.resumed.seq;
        CHECK(at > seq);
        seq = at;
        if (next == UPROAR_MESSAGE) {
            tail[0] = tail[1];
            tail[1] = tail[2];
            tail[2] = at;
        }
    }
    /* The newest of `even`, of `odd`, of `other`, in the log's order. */
    CHECK(tail[0] == FAR - 1 && tail[1] == FAR && tail[2] == FAR + 1);
    publish(u, "t", "on");
    expect_message(s, "on");
    uproar_unsubscribe(&s);
    stop_and_free(&u);
}

static void close_ends_it(void)
{
    struct uproar *u = start_forgetful(SMALL);
    struct uproar_sub *s = fall_behind(u, UPROAR_SLOW_CLOSE);
    struct uproar_message m;
    struct uproar_gap gap;
    uint64_t seq = 0;
    enum uproar_next next;
    while ((next = next_waiting(s, &m, &gap)) == UPROAR_MESSAGE)
        CHECK_EQ(m.cursor.seq, ++seq);
    CHECK_EQ(next, UPROAR_END);
    CHECK(seq < FAR);
    expect_end(s);
    uproar_unsubscribe(&s);
    stop_and_free(&u);
}

/* --- the descriptor --------------------------------------------------------------------------- */

static void the_descriptor_is_readable_if_there_is_something(void)
{
    struct uproar *u = start_broker();
    struct uproar_sub *s = subscribe(u, "t");
    struct uproar_message m;
    struct uproar_gap gap;
    const int fd = uproar_sub_fd(s);
    CHECK_EQ(uproar_sub_next(s, &m, &gap), UPROAR_NONE);
    CHECK(!is_readable(fd));
    publish(u, "other", "not for it");
    publish_numbers(u, "t", 0, 3);
    for (unsigned i = 0; i < 3; i++) {
        WAIT_FOR(is_readable(fd));
        expect_numbers(s, i, i + 1);
        CHECK_EQ(uproar_sub_fd(s), fd);
    }
    CHECK_EQ(uproar_sub_next(s, &m, &gap), UPROAR_NONE);
    CHECK(!is_readable(fd));
    publish_numbers(u, "t", 3, 4);
    WAIT_FOR(is_readable(fd)); /* without a call in between */
    expect_numbers(s, 3, 4);
    while (uproar_sub_next(s, &m, &gap) != UPROAR_NONE)
        continue;
    stop_and_free(&u);
    CHECK(is_readable(fd)); /* there is an end */
    expect_end(s);
    uproar_unsubscribe(&s);
}

struct talker {
    struct uproar *u;
    unsigned count;
    _Atomic unsigned *taken;
    pthread_t thread;
};

/* Never far ahead: the other side goes to sleep all the time. */
static void *talk(void *arg)
{
    const struct talker *t = arg;
    for (unsigned i = 0; i < t->count; i++) {
        while (*t->taken + 3 < i)
            sched_yield();
        publish_numbers(t->u, "t", i, i + 1);
    }
    return NULL;
}

/* next_waiting() sleeps on the descriptor: a wake-up that is lost is one that fails here. */
static void no_wake_up_is_lost(void)
{
    _Atomic unsigned taken = 0;
    struct talker t = {.u = start_broker(), .count = 5000, .taken = &taken};
    struct uproar_sub *s = subscribe(t.u, "t");
    CHECK_EQ(pthread_create(&t.thread, NULL, talk, &t), 0);
    for (unsigned i = 0; i < t.count; i++) {
        expect_numbers(s, i, i + 1);
        taken = i;
    }
    CHECK_EQ(pthread_join(t.thread, NULL), 0);
    uproar_unsubscribe(&s);
    stop_and_free(&t.u);
}

static void *come_and_go(void *arg)
{
    struct uproar *u = arg;
    struct uproar_message m;
    struct uproar_gap gap;
    for (unsigned i = 0; i < 4000; i++) {
        struct uproar_sub *s = subscribe(u, i % 3 ? "t" : "#");
        for (unsigned k = 0; k < i % 50; k++)
            uproar_sub_next(s, &m, &gap);
        uproar_unsubscribe(&s);
    }
    return NULL;
}

/* Also while its reactor is about to hear of it for the first time. */
static void it_may_be_left_at_any_moment(void)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct uproar *u = start_broker();
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, come_and_go, u), 0);
    for (int i = 0; i < 1000; i++)
        publish(u, "t", "x");
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    stop_and_free(&u);
}

/* --- many at once, and the end ---------------------------------------------------------------- */

struct listener {
    struct uproar *u;
    unsigned count;
    struct uproar_sub *s;
    pthread_t thread;
};

static void *listen_to_numbers(void *arg)
{
    struct listener *l = arg;
    expect_numbers(l->s, 0, l->count);
    uproar_unsubscribe(&l->s);
    return NULL;
}

static void threads_have_one_each(void)
{
    enum { THREADS = 4, COUNT = 3000 };
    struct listener listeners[THREADS];
    struct uproar *u = start_broker();
    for (int i = 0; i < THREADS; i++) {
        listeners[i] = (struct listener){u, COUNT, subscribe(u, i % 2 ? "t" : "#"), 0};
        CHECK_EQ(pthread_create(&listeners[i].thread, NULL, listen_to_numbers, &listeners[i]), 0);
    }
    publish_numbers(u, "t", 0, COUNT);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(listeners[i].thread, NULL), 0);
    stop_and_free(&u);
}

static void a_finished_topic_has_an_end(void)
{
    struct uproar_options o = usual_options();
    o.admin_token = "token";
    struct uproar *u = start(&o);
    struct uproar_sub *s = subscribe(u, "t"), *all = subscribe(u, "#");
    struct uproar_message m;
    struct uproar_gap gap;
    publish_numbers(u, "t", 0, 10);
    CHECK_EQ(ask(u, "DELETE", "/t/t", "Authorization: Bearer token\r\n", ""), 200);
    expect_numbers(s, 0, 10);
    expect_end(s);
    publish(u, "other", "it goes on");
    expect_numbers(all, 0, 10);
    expect_message(all, "it goes on");
    CHECK_EQ(uproar_sub_next(all, &m, &gap), UPROAR_NONE);
    uproar_unsubscribe(&s);
    uproar_unsubscribe(&all);
    stop_and_free(&u);
}

/* Whatever of it the reactors had not seen yet. */
static void what_was_accepted_comes_before_the_end(void)
{
    for (unsigned round = 0; round < 40; round++) {
        struct uproar_options o = usual_options();
        o.listen_count = 0;
        o.drain_ms = 20000;
        struct uproar *u = start(&o);
        struct uproar_sub *a = subscribe(u, "t"), *b = subscribe(u, "#");
        publish_numbers(u, "t", 0, round * 25);
        stop_and_free(&u);
        expect_numbers(a, 0, round * 25);
        expect_numbers(b, 0, round * 25);
        expect_end(a);
        expect_end(b);
        uproar_unsubscribe(&a);
        uproar_unsubscribe(&b);
    }
}

/* Who takes nothing is not waited for longer than the drain lasts. */
static void what_it_lacks_is_a_gap_before_the_end(void)
{
    struct uproar *u = start_broker();
    struct uproar_sub *s = subscribe(u, "t");
    struct uproar_message m;
    struct uproar_gap gap;
    uint64_t seq = 0;
    enum uproar_next next;
    publish_numbers(u, "t", 0, FAR);
    stop_and_free(&u);
    while ((next = next_waiting(s, &m, &gap)) == UPROAR_MESSAGE)
        CHECK_EQ(m.cursor.seq, ++seq);
    if (next == UPROAR_GAP) {
        CHECK_EQ(gap.after.seq, seq);
        seq = gap.resumed.seq;
    }
    CHECK_EQ(seq, FAR);
    expect_end(s);
    uproar_unsubscribe(&s);
}

static void it_outlives_the_server(void)
{
    struct uproar *u = start_usual();
    struct uproar_sub *s = subscribe(u, "t"), *unread = subscribe(u, "t"), *late;
    struct uproar_message m;
    struct uproar_gap gap;
    publish_numbers(u, "t", 0, 5);
    CHECK_EQ(next_waiting(s, &m, &gap), UPROAR_MESSAGE);
    CHECK_EQ(uproar_stop(u), 0);
    CHECK_EQ(uproar_subscribe(u, "t", NULL, 0, &late), -ESHUTDOWN);
    CHECK(late == NULL);
    stop_and_free(&u);
    CHECK_TEXT(m.topic, "t"); /* until the next call */
    CHECK_TEXT(m.body, "0");
    expect_numbers(s, 1, 5);
    expect_end(s);
    uproar_unsubscribe(&s);
    uproar_unsubscribe(&unread);
    CHECK(unread == NULL);
}

static const struct test tests[] = {
    {"everybody gets the same order", everybody_gets_the_same_order},
    {"all of a message is shown", all_of_a_message_is_shown},
    {"patterns choose", patterns_choose},
    {"it goes on behind a cursor", it_goes_on_behind_a_cursor},
    {"what was trimmed behind a cursor is a gap", what_was_trimmed_behind_a_cursor_is_a_gap},
    {"skip tells the gap and goes on", skip_tells_the_gap_and_goes_on},
    {"latest gives the newest of each topic", latest_gives_the_newest_of_each_topic},
    {"close ends it", close_ends_it},
    {"the descriptor is readable if there is something",
     the_descriptor_is_readable_if_there_is_something},
    {"no wake-up is lost", no_wake_up_is_lost},
    {"it may be left at any moment", it_may_be_left_at_any_moment},
    {"threads have one each", threads_have_one_each},
    {"a finished topic has an end", a_finished_topic_has_an_end},
    {"what was accepted comes before the end", what_was_accepted_comes_before_the_end},
    {"what it lacks is a gap before the end", what_it_lacks_is_a_gap_before_the_end},
    {"it outlives the server", it_outlives_the_server},
};

int main(int argc, char **argv)
{
    return RUN_TESTS(tests, argc, argv);
}
