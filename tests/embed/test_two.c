/* Two servers in one process: they share nothing, and one ends while the other works on. How a
 * single one ends is test_burst.c's. */
#include "embed.h"
#include "peer.h"

#include <pthread.h>
#include <sched.h>

static void what_is_published_to_one_reaches_nobody_at_the_other(void)
{
    static struct peer of_a, of_b;
    struct uproar *a = start_usual(), *b = start_usual();
    CHECK(uproar_port(a, 0) != uproar_port(b, 0));
    struct uproar_sub *sub_a = subscribe(a, "#"), *sub_b = subscribe(b, "#");
    ws_open(&of_a, a, "/t/t");
    sse_open(&of_b, b, "/t/t");
    for (int i = 0; i < 100; i++) {
        publish(a, "t", "to a");
        publish(b, "t", "to b");
    }
    for (int i = 0; i < 100; i++) {
        ws_expect(&of_a, "to a");
        sse_expect(&of_b, "to b");
        expect_message(sub_a, "to a");
        expect_message(sub_b, "to b");
    }
    uproar_unsubscribe(&sub_a);
    uproar_unsubscribe(&sub_b);
    peer_close(&of_a);
    peer_close(&of_b);
    stop_and_free(&a);
    stop_and_free(&b);
}

/* What one server names means nothing to the other. */
static void a_place_or_a_peer_of_one_is_none_of_the_other(void)
{
    struct uproar *a = start_usual(), *b = start_usual();
    struct uproar_sub *of_a = subscribe(a, "t"), *of_b;
    struct uproar_message m;
    struct uproar_gap gap;
    publish(a, "t", "1");
    publish(b, "t", "2");
    CHECK_EQ(next_waiting(of_a, &m, &gap), UPROAR_MESSAGE);
    const struct uproar_cursor place = m.cursor;
    CHECK_EQ(uproar_subscribe(b, "t", &place, UPROAR_SLOW_SKIP, &of_b), 0);
    CHECK_EQ(next_waiting(of_b, &m, &gap), UPROAR_GAP);
    CHECK(gap.after.epoch == place.epoch);
    CHECK(gap.resumed.epoch != place.epoch);
    expect_message(of_b, "2");
    uproar_unsubscribe(&of_a);
    uproar_unsubscribe(&of_b);
    stop_and_free(&a);
    stop_and_free(&b);
}

struct talk {
    struct uproar *u;
    _Atomic bool enough;
    _Atomic unsigned said, heard;
};

/* As fast as it goes, but never further ahead than what the history keeps. */
static void *keep_talking(void *arg)
{
    struct talk *t = arg;
    while (!t->enough) {
        const unsigned n = t->said;
        if (n >= t->heard + 1000) {
            sched_yield();
            continue;
        }
        publish_numbers(t->u, "t", n, n + 1);
        t->said = n + 1;
    }
    return NULL;
}

static void one_is_started_and_freed_while_the_other_works_on(void)
{
    static struct peer p;
    struct talk t = {.u = start_usual()};
    struct uproar_sub *s = subscribe(t.u, "t");
    pthread_t thread;
    ws_open(&p, t.u, "/t/t");
    CHECK_EQ(pthread_create(&thread, NULL, keep_talking, &t), 0);
    for (int i = 0; i < 5; i++) {
        struct uproar *other = start_usual();
        publish(other, "t", "nobody hears this");
        stop_and_free(&other);
        WAIT_FOR(t.said > t.heard);
        const unsigned to = t.said;
        ws_expect_numbers(&p, t.heard, to);
        expect_numbers(s, t.heard, to);
        t.heard = to;
    }
    t.enough = true;
    CHECK_EQ(pthread_join(thread, NULL), 0);
    uproar_unsubscribe(&s);
    peer_close(&p);
    stop_and_free(&t.u);
}

static const struct test tests[] = {
    {"what is published to one server reaches nobody at the other",
     what_is_published_to_one_reaches_nobody_at_the_other},
    {"a place in the log of one server is none of the other",
     a_place_or_a_peer_of_one_is_none_of_the_other},
    {"one server is started and freed while the other works on",
     one_is_started_and_freed_while_the_other_works_on},
};

int main(int argc, char **argv)
{
    return RUN_TESTS(tests, argc, argv);
}
