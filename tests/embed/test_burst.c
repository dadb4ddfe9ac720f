/* The end in the midst of a burst: every call ends well, everybody who was to be told is told once,
 * every body that was taken is given back once. Allocations that fail are test_starved.c's. */
#include "embed.h"
#include "held.h"
#include "peer.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROUNDS = 15, PUBLISHERS = 3, FLIGHTS = 3000, CHAIN = 3, BODY = 16 };
enum call { PLAIN, TAKEN, MANY, CALLS };

/* One call, and what became of it. */
struct flight {
    enum call call;
    _Atomic unsigned accepted, done, released;
    char body[BODY];
};

struct burst {
    struct uproar *u;
    _Atomic bool last_call;    /* publishers: one more, which is held; subscribers: the last one */
    _Atomic bool ending;       /* uproar_free() may run */
    _Atomic bool ended;        /* uproar_free() has returned */
    _Atomic unsigned accepted; /* messages */
};

struct publisher {
    struct burst *b;
    unsigned index;
    pthread_t thread;
    struct flight flights[FLIGHTS + 2]; /* one is held, one is for all that are not told */
};

static struct publisher publishers[PUBLISHERS]; /* too large for a stack */

/* --- publishers ------------------------------------------------------------------------------- */

static void on_done(void *user, int err, struct uproar_cursor last)
{
    struct flight *f = user;
    CHECK(err == 0 || err == -ESHUTDOWN);
    CHECK(err != 0 || last.seq > 0);
    f->done++;
}

static void on_release(void *user, const void *body)
{
    struct flight *f = user;
    if (body == f->body)
        memset(f->body, 'x', BODY); /* it is ours again: nobody may look at it */
    else
        CHECK_EQ(((const char *)body)[0], 'h');
    f->released++;
}

/* Returns whether the server is open. */
static bool fly(struct publisher *p, struct flight *f, struct uproar_str body)
{
    const struct uproar_message m = {.topic = STR("t"), .kind = UPROAR_TEXT, .body = body};
    const struct uproar_message chain[CHAIN] = {m, m, m};
    int err = 0;
    if (f->call == PLAIN)
        err = uproar_publish(p->b->u, "t", body.at, body.len, UPROAR_TEXT);
    if (f->call == TAKEN)
        err = uproar_publish_taken(p->b->u, &m, on_release, f);
    if (f->call == MANY)
        err = uproar_publish_many(p->b->u, chain, CHAIN, on_done, f);
    CHECK(err == 0 || err == -EAGAIN || err == -ESHUTDOWN);
    f->accepted += err == 0;
    if (err == 0)
        p->b->accepted += f->call == MANY ? CHAIN : 1;
    return err != -ESHUTDOWN;
}

static void *run_publisher(void *arg)
{
    struct publisher *p = arg;
    unsigned at = 0;
    bool open = true;
    while (open && !p->b->last_call) {
        struct flight *f = &p->flights[at];
        open = fly(p, f, (struct uproar_str){f->body, BODY});
        at += f->accepted > 0 && at < FLIGHTS;
    }
    if (open)
        fly(p, &p->flights[FLIGHTS + 1], (struct uproar_str){held_bytes(p->index), held_len()});
    return NULL;
}

static void start_publisher(struct burst *b, unsigned index)
{
    struct publisher *p = &publishers[index];
    memset(p, 0, sizeof(*p));
    p->b = b;
    p->index = index;
    for (unsigned i = 0; i < FLIGHTS + 2; i++) {
        p->flights[i].call = i == FLIGHTS ? PLAIN : (enum call)((i + index) % CALLS);
        memset(p->flights[i].body, 'a', BODY);
    }
    CHECK_EQ(pthread_create(&p->thread, NULL, run_publisher, p), 0);
}

/* When nobody can hold anything any more. */
static void check_flights(const struct publisher *p)
{
    for (size_t i = 0; i < FLIGHTS + 2; i++) {
        const struct flight *f = &p->flights[i];
        CHECK_EQ(f->done, f->call == MANY ? f->accepted : 0);
        CHECK_EQ(f->released, f->call == TAKEN ? f->accepted : 0);
    }
}

/* --- subscribers ------------------------------------------------------------------------------ */

struct local {
    struct burst *b;
    struct uproar_sub *sub;
    pthread_t thread;
    uint64_t seq;         /* of the newest it knows of */
    _Atomic bool settled; /* it asks the server nothing any more */
};

/* Takes one; false: there is no more, or nothing now. Nothing is skipped without a word. */
static bool take_one(struct local *l, enum uproar_next *next)
{
    struct uproar_message m;
    struct uproar_gap gap;
    *next = uproar_sub_next(l->sub, &m, &gap);
    if (*next == UPROAR_MESSAGE) {
        CHECK(l->seq == 0 || m.cursor.seq == l->seq + 1);
        CHECK(m.body.at[0] == 'a' || m.body.at[0] == 'h');
        l->seq = m.cursor.seq;
    }
    if (*next == UPROAR_GAP) {
        CHECK(gap.after.seq <= gap.resumed.seq);
        CHECK(l->seq == 0 || gap.after.seq == l->seq);
        l->seq = gap.resumed.seq;
    }
    return *next == UPROAR_MESSAGE || *next == UPROAR_GAP;
}

static enum uproar_next take_all(struct local *l)
{
    enum uproar_next next;
    while (take_one(l, &next))
        continue;
    return next;
}

/* To its end, which is that of the server. */
static void *run_staying(void *arg)
{
    struct local *l = arg;
    WAIT_FOR(take_all(l) == UPROAR_END);
    return NULL;
}

/* One visit; the last one does not end. False: the server is closed to newcomers. */
static bool visit(struct local *l)
{
    enum uproar_next next;
    const int err = uproar_subscribe(l->b->u, "*", NULL, UPROAR_SLOW_SKIP, &l->sub);
    CHECK(err == 0 || err == -ESHUTDOWN);
    l->seq = 0;
    for (unsigned i = 0; l->sub && i < 100 && !l->b->last_call; i++)
        take_one(l, &next);
    return err == 0;
}

/* Comes and goes; the last time it goes while the server does. */
static void *run_leaving(void *arg)
{
    struct local *l = arg;
    while (visit(l) && !l->b->last_call)
        uproar_unsubscribe(&l->sub);
    l->settled = true;
    while (l->sub && !l->b->ending)
        take_all(l);
    uproar_unsubscribe(&l->sub);
    return NULL;
}

static void *run_websocket(void *arg)
{
    char text[64];
    int opcode;
    do
        opcode = ws_read(arg, text, sizeof(text));
    while (opcode != WS_GONE && opcode != WS_CLOSE);
    peer_close(arg);
    return NULL;
}

/* --- rounds ----------------------------------------------------------------------------------- */

struct round {
    struct burst b;
    struct local staying, leaving;
    struct peer *stream; /* one, so that it is told of the end at once */
    pthread_t freeing, reading;
};

static struct peer reader, witness;

static void *run_free(void *arg)
{
    struct burst *b = arg;
    b->ending = true;
    CHECK_EQ(uproar_free(&b->u), 0);
    b->ended = true;
    return NULL;
}

static void begin(struct round *r)
{
    struct uproar_options o = usual_options();
    o.history_count = 500;
    o.drain_ms = 20000; /* enough for all that was accepted */
    r->b.u = start(&o);
    r->staying.b = r->leaving.b = &r->b;
    CHECK_EQ(uproar_subscribe(r->b.u, "t", NULL, UPROAR_SLOW_SKIP, &r->staying.sub), 0);
    ws_open(r->stream, r->b.u, r->stream == &reader ? "/t/t" : "/t/quiet");
    CHECK_EQ(pthread_create(&r->staying.thread, NULL, run_staying, &r->staying), 0);
    CHECK_EQ(pthread_create(&r->leaving.thread, NULL, run_leaving, &r->leaving), 0);
    if (r->stream == &reader)
        CHECK_EQ(pthread_create(&r->reading, NULL, run_websocket, &reader), 0);
    for (unsigned i = 0; i < PUBLISHERS; i++)
        start_publisher(&r->b, i);
}

/* Between a few and rather many, so that the end meets all sorts of fillings. */
static void wait_for_traffic(const struct round *r, unsigned round)
{
    const unsigned enough = 1 + round * round * 40;
    WAIT_FOR(r->b.accepted >= enough);
}

static void finish(struct round *r)
{
    CHECK_EQ(pthread_join(r->freeing, NULL), 0);
    CHECK(r->b.u == NULL);
    CHECK_EQ(pthread_join(r->leaving.thread, NULL), 0);
    CHECK_EQ(pthread_join(r->staying.thread, NULL), 0);
    uproar_unsubscribe(&r->staying.sub);
    for (unsigned i = 0; i < PUBLISHERS; i++)
        check_flights(&publishers[i]);
}

/* Without uproar_stop(): the calls that are under way are held, so that they surely are. */
static void end_with_calls_under_way(unsigned round)
{
    static struct round r;
    memset(&r, 0, sizeof(r));
    held_init();
    r.stream = &witness;
    begin(&r);
    wait_for_traffic(&r, round);
    r.b.last_call = true;
    WAIT_FOR(held_count() == PUBLISHERS && r.leaving.settled);
    const unsigned accepted = r.b.accepted;
    CHECK_EQ(pthread_create(&r.freeing, NULL, run_free, &r.b), 0);
    ws_expect_close(&witness, 1001); /* so the end has begun */
    peer_close(&witness);
    usleep(20000); /* if it does not wait, this is time to find that out */
    CHECK(!r.b.ended);
    held_let_go();
    for (unsigned i = 0; i < PUBLISHERS; i++)
        CHECK_EQ(pthread_join(publishers[i].thread, NULL), 0);
    finish(&r);
    if (r.staying.seq < accepted || r.staying.seq > r.b.accepted)
        fail(__FILE__, __LINE__, "of %u messages, %u before the end, the last seen is %llu",
             r.b.accepted, accepted, (unsigned long long)r.staying.seq);
}

static void free_waits_for_the_calls_under_way(void)
{
    for (unsigned round = 0; round < ROUNDS; round++)
        end_with_calls_under_way(round);
}

/* Publishers at full speed until they are told: those that were accepted are in the log. */
static void end_by_stopping(unsigned round)
{
    static struct round r;
    memset(&r, 0, sizeof(r));
    held_init();
    held_let_go();
    r.stream = &reader;
    begin(&r);
    wait_for_traffic(&r, round);
    CHECK_EQ(uproar_stop(r.b.u), 0);
    for (unsigned i = 0; i < PUBLISHERS; i++)
        CHECK_EQ(pthread_join(publishers[i].thread, NULL), 0);
    r.b.last_call = true;
    WAIT_FOR(r.leaving.settled);
    CHECK_EQ(pthread_create(&r.freeing, NULL, run_free, &r.b), 0);
    CHECK_EQ(pthread_join(r.reading, NULL), 0);
    finish(&r);
    if (r.staying.seq != r.b.accepted)
        fail(__FILE__, __LINE__, "of %u messages the last seen is %llu", r.b.accepted,
             (unsigned long long)r.staying.seq);
}

static void publishers_are_told_of_the_end(void)
{
    for (unsigned round = 0; round < ROUNDS; round++)
        end_by_stopping(round);
}

/* --- one thing at a time ---------------------------------------------------------------------- */

static void count_release(void *user, const void *body)
{
    (void)body;
    ++*(_Atomic unsigned *)user;
}

static void what_a_local_subscription_shows_is_released_with_it(void)
{
    _Atomic unsigned released = 0;
    struct uproar *u = start_usual();
    struct uproar_sub *s = subscribe(u, "t");
    const struct uproar_message m = {.topic = STR("t"), .body = STR("kept"), .kind = UPROAR_TEXT};
    struct uproar_message shown;
    struct uproar_gap gap;
    for (unsigned i = 0; i < 100; i++)
        CHECK_EQ(uproar_publish_taken(u, &m, count_release, (void *)&released), 0);
    CHECK_EQ(next_waiting(s, &shown, &gap), UPROAR_MESSAGE);
    CHECK(shown.body.at == m.body.at); /* not copied */
    stop_and_free(&u);
    CHECK(released < 100);
    CHECK_TEXT(shown.body, "kept");
    uproar_unsubscribe(&s);
    CHECK_EQ(released, 100);
}

static struct uproar *publishing_callbacks;
static _Atomic unsigned told;

static void publish_again(void *user, int err, struct uproar_cursor last)
{
    const struct uproar_message m = {.topic = STR("t"), .body = STR("again"), .kind = UPROAR_TEXT};
    (void)user;
    (void)last;
    told++;
    if (err == 0)
        err = uproar_publish_many(publishing_callbacks, &m, 1, publish_again, NULL);
    CHECK(err == 0 || err == -EAGAIN || err == -ESHUTDOWN);
}

static void a_callback_may_publish_until_the_end(void)
{
    for (unsigned round = 0; round < 5; round++) {
        struct uproar *u = publishing_callbacks = start_usual();
        told = 0;
        publish_again(NULL, 0, (struct uproar_cursor){0});
        WAIT_FOR(told > 100 * round);
        stop_and_free(&u);
    }
}

static int free_err;

static void free_in_a_callback(void *user, int err, struct uproar_cursor last)
{
    struct uproar *u = publishing_callbacks;
    (void)err;
    (void)last;
    free_err = uproar_free(&u);
    CHECK(u == publishing_callbacks);
    ++*(_Atomic unsigned *)user;
}

static void a_callback_cannot_free(void)
{
    const struct uproar_message m = {.topic = STR("t"), .body = STR("x"), .kind = UPROAR_TEXT};
    _Atomic unsigned called = 0;
    struct uproar *u = publishing_callbacks = start_usual();
    CHECK_EQ(uproar_publish_many(u, &m, 1, free_in_a_callback, (void *)&called), 0);
    WAIT_FOR(called == 1);
    CHECK_EQ(free_err, -EDEADLK);
    publish(u, "t", "it goes on");
    stop_and_free(&u);
}

static const struct test tests[] = {
    {"free waits for the calls that are under way", free_waits_for_the_calls_under_way},
    {"publishers at full speed are told of the end", publishers_are_told_of_the_end},
    {"what a local subscription shows is released with it",
     what_a_local_subscription_shows_is_released_with_it},
    {"a callback may publish until the end", a_callback_may_publish_until_the_end},
    {"a callback cannot free", a_callback_cannot_free},
};

int main(int argc, char **argv)
{
    return RUN_TESTS(tests, argc, argv);
}
