/* Every allocation fails in turn: whatever is done then ends with an error or goes on; nothing is
 * lost without a word, nothing is left, and afterwards the server is as good as new. What else may
 * be wrong with descriptors is test_leftovers.c's. */
#include "embed.h"
#include "peer.h"
#include "starve.h"

#include <errno.h>
#include <stdio.h>

enum { AT_MAX = 3000 }; /* more allocations than anything here makes */

/* --- a world ---------------------------------------------------------------------------------- */

/* A server with two who listen to all of it from before. */
static struct world {
    struct uproar *u;
    struct uproar_sub *sub;
    struct peer ws;
    unsigned accepted;           /* for sure */
    _Atomic unsigned told, owed; /* done and release */
    _Atomic unsigned opened, closed;
    struct uproar_ticket tickets[8];
    _Atomic unsigned ticket_count;
    _Atomic uint64_t newest; /* peer */
    const char *body;        /* that of the round */
} world;

static bool is_later(const struct uproar_peer_info *info)
{
    return info->query.len >= 5 && memcmp(info->query.at, "later", 5) == 0;
}

static enum uproar_verdict put_off(struct uproar_ticket t)
{
    const unsigned at = world.ticket_count;
    CHECK(at < 8);
    world.tickets[at] = t;
    world.ticket_count = at + 1;
    return UPROAR_LATER;
}

static enum uproar_verdict on_open(void *user, const struct uproar_peer_info *info,
                                   struct uproar_ticket t)
{
    (void)user;
    (void)t;
    world.opened++;
    world.newest = info->peer.id;
    return UPROAR_ALLOW;
}

static enum uproar_verdict on_subscribe(void *user, const struct uproar_peer_info *info,
                                        struct uproar_str pattern, struct uproar_ticket t)
{
    (void)user;
    (void)pattern;
    return is_later(info) ? put_off(t) : UPROAR_ALLOW;
}

static enum uproar_verdict on_publish(void *user, const struct uproar_peer_info *info,
                                      const struct uproar_message *m, struct uproar_ticket t)
{
    (void)user;
    (void)m;
    return is_later(info) ? put_off(t) : UPROAR_ALLOW;
}

static void on_close(void *user, const struct uproar_peer_info *info, int code,
                     struct uproar_str reason)
{
    (void)user;
    (void)info;
    (void)code;
    (void)reason;
    world.closed++;
}

static struct uproar_options world_options(void)
{
    struct uproar_options o = usual_options();
    o.thread_count = 1; /* so that what is allocated depends on little */
    o.connection_count_max = 50;
    o.drain_ms = 2000;
    o.on = (struct uproar_callbacks){.on_open = on_open,
                                     .on_subscribe = on_subscribe,
                                     .on_publish = on_publish,
                                     .on_close = on_close};
    return o;
}

static void world_begin(void)
{
    const struct uproar_options o = world_options();
    memset(&world, 0, sizeof(world));
    world.u = start(&o);
    world.sub = subscribe(world.u, "#");
    ws_open(&world.ws, world.u, "/t/t");
}

/* The subscriber is given all that was accepted, or told of the gap, or of its end. */
static void check_subscriber(void)
{
    struct uproar_message m;
    struct uproar_gap gap;
    unsigned seen = 0;
    bool told = false;
    for (bool more = true; more;) {
        const enum uproar_next next = next_waiting(world.sub, &m, &gap);
        if (next == UPROAR_MESSAGE)
            seen++;
        told |= next != UPROAR_MESSAGE;
        more = next != UPROAR_END &&
               !(next == UPROAR_MESSAGE && m.body.len == 4 && memcmp(m.body.at, "last", 4) == 0);
    }
    if (!told && seen < world.accepted)
        fail(__FILE__, __LINE__, "of %u messages only %u came, without a word", world.accepted,
             seen);
}

/* So is the peer, but that its end is all it can be told. */
static void check_peer(void)
{
    char text[4096];
    unsigned seen = 0;
    int opcode;
    while ((opcode = ws_read(&world.ws, text, sizeof(text))) == WS_TEXT) {
        seen++;
        if (strcmp(text, "last") == 0)
            break;
    }
    if (opcode == WS_TEXT && seen < world.accepted)
        fail(__FILE__, __LINE__, "a peer got %u of %u messages", seen, world.accepted);
}

/* There is memory again: everything works, what was begun ends. */
static void world_check(void)
{
    static struct peer p;
    publish(world.u, "t", "last");
    world.accepted++;
    check_subscriber();
    check_peer();
    ws_open(&p, world.u, "/t/t");
    CHECK_EQ(post(world.u, "/t/t", "as new"), 201);
    ws_expect(&p, "as new");
    peer_close(&p);
}

static void world_end(void)
{
    peer_close(&world.ws);
    if (world.u)
        stop_and_free(&world.u);
    uproar_unsubscribe(&world.sub);
    CHECK_EQ(world.told, world.owed);
    CHECK_EQ(world.closed, world.opened);
}

/* Does it with the at-th allocation failing; false: there are not so many. */
static bool try_at(void (*act)(void), unsigned at, unsigned count)
{
    const struct belongings before = take_stock();
    const long held = starve_held();
    world_begin();
    starve(at, count);
    act();
    const bool hit = starve_end();
    if (world.u)
        world_check();
    world_end();
    if (starve_held() != held)
        fail(__FILE__, __LINE__, "allocation %u of %u failed: %ld pieces are left", at, count,
             starve_held() - held);
    expect_nothing_left(before);
    return hit;
}

/* One allocation, then several in a row. */
static void try_all(void (*act)(void))
{
    static const unsigned counts[] = {1, 5};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        for (unsigned at = 1; try_at(act, at, counts[i]); at++)
            CHECK(at < AT_MAX);
}

/* Counts a publish. */
static bool note(int err)
{
    CHECK(err == 0 || err == -ENOMEM || err == -EAGAIN);
    world.accepted += err == 0;
    return err == 0;
}

/* --- the acts --------------------------------------------------------------------------------- */

static void on_done(void *user, int err, struct uproar_cursor last)
{
    (void)user;
    (void)last;
    CHECK(err == 0 || err == -ESHUTDOWN);
    world.told++;
}

static void on_release(void *user, const void *body)
{
    (void)user;
    (void)body;
    world.told++;
}

static void act_publish(void)
{
    const struct uproar_header headers[] = {{STR("name"), STR("value")}};
    struct uproar_message m[2] = {
        {.topic = STR("t"), .body = STR("body"), .event = STR("e"), .kind = UPROAR_TEXT}};
    m[0].headers = headers;
    m[0].header_count = 1;
    m[1] = m[0];
    for (int i = 0; i < 2; i++) {
        note(uproar_publish(world.u, "t", "body", 4, UPROAR_TEXT));
        if (note(uproar_publish_taken(world.u, &m[0], on_release, NULL)))
            world.owed++;
        if (note(uproar_publish_many(world.u, m, 2, on_done, NULL))) {
            world.accepted++;
            world.owed++;
        }
    }
}

static void act_subscribe(void)
{
    struct uproar_sub *s;
    struct uproar_message m;
    struct uproar_gap gap;
    const struct uproar_header headers[] = {{STR("name"), STR("value")}};
    const struct uproar_message with = {.topic = STR("a.b"),
                                        .body = STR("body"),
                                        .kind = UPROAR_TEXT,
                                        .headers = headers,
                                        .header_count = 1};
    const int err = uproar_subscribe(world.u, "a.*", NULL, UPROAR_SLOW_SKIP, &s);
    CHECK(err == 0 || err == -ENOMEM);
    CHECK_EQ(s != NULL, err == 0);
    /* The peer listens to another topic. */
    const bool accepted = uproar_publish_many(world.u, &with, 1, NULL, NULL) == 0;
    if (s && accepted && next_waiting(s, &m, &gap) == UPROAR_MESSAGE)
        CHECK_TEXT(m.body, "body");
    uproar_unsubscribe(&s);
}

/* One of those, or nothing at all. */
static void expect_one_of(int status, const int *these)
{
    for (; *these; these++)
        if (status == *these)
            return;
    if (status != 0)
        fail(__FILE__, __LINE__, "an unexpected status: %d", status);
}
#define EXPECT_ONE_OF(status, ...) expect_one_of(status, (const int[]){__VA_ARGS__, 0})

static void act_post(void)
{
    const int status = post(world.u, "/t/t?event=e", "a body");
    EXPECT_ONE_OF(status, 201, 500, 503);
    world.accepted += status == 201;
}

static void act_websocket(void)
{
    static struct peer p;
    char text[4096];
    const int status = ws_try(&p, world.u, "/t/t?format=json", "Origin: http://x\r\n");
    EXPECT_ONE_OF(status, 101, 500, 503);
    if (status == 101) {
        ws_say(&p, "said");
        ws_read(&p, text, sizeof(text)); /* its own, or its end */
    }
    peer_close(&p);
}

static void act_stream(void)
{
    static struct peer p;
    char text[4096];
    const int status = sse_try(&p, world.u, "/t?topic=t&topic=u.*&last=10", "");
    EXPECT_ONE_OF(status, 200, 500, 503);
    if (note(uproar_publish(world.u, "t", "body", 4, UPROAR_TEXT)) && status == 200)
        sse_read(&p, text, sizeof(text));
    peer_close(&p);
}

/* What it asks for is JSON. */
static void act_fetch(void)
{
    static const char body[] = "{\"topics\":[\"t\",\"u\"],\"after\":\"earliest\"}";
    static struct peer p;
    char text[4096];
    const bool accepted = note(uproar_publish(world.u, "t", "body", 4, UPROAR_TEXT));
    peer_connect(&p, world.u);
    peer_say(&p,
             "POST /t HTTP/1.0\r\nHost: x\r\nAccept: text/event-stream\r\n"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             sizeof(body) - 1, body);
    const int status = peer_status(&p);
    EXPECT_ONE_OF(status, 200, 400, 500, 503); /* 400: the parser cannot tell why it failed */
    if (status == 200 && accepted)
        sse_read(&p, text, sizeof(text));
    peer_close(&p);
}

static void act_poll(void)
{
    static struct peer p;
    peer_connect(&p, world.u);
    note(uproar_publish(world.u, "t", "body", 4, UPROAR_TEXT));
    peer_say(&p, "GET /t/t?after=earliest&wait=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_ONE_OF(peer_status(&p), 200, 204, 410, 500, 503);
    peer_close(&p);
}

static void answer_as_they_come(struct peer *p)
{
    char text[4096];
    for (unsigned i = 0; i < 2; i++) {
        const int64_t until = now_ms() + 300; /* perhaps nobody asks */
        while (world.ticket_count <= i && now_ms() < until)
            continue;
        if (world.ticket_count <= i)
            return;
        int err;
        do /* without memory the question stays open */
            err = uproar_answer(world.u, world.tickets[i], UPROAR_ALLOW);
        while (err == -ENOMEM);
        CHECK(err == 0 || err == -ENOENT);
        if (i == 0 && peer_status(p) != 101)
            return;
        if (i == 0)
            ws_say(p, "asks");
        else
            ws_read(p, text, sizeof(text));
    }
}

static void act_later(void)
{
    static struct peer p;
    peer_connect(&p, world.u);
    ws_ask(&p, "/t/t?later", "");
    answer_as_they_come(&p);
    peer_close(&p);
}

static void act_send(void)
{
    const struct uproar_peer to = {world.newest}; /* the one who listens */
    for (int i = 0; i < 3; i++) {
        const int err = uproar_send(world.u, to, "only you", 8, UPROAR_TEXT);
        CHECK(err == 0 || err == -ENOMEM || err == -EAGAIN || err == -ENOENT);
    }
}

static void act_close(void)
{
    const int err = uproar_close(world.u, (struct uproar_peer){world.newest}, 4000, "because");
    CHECK(err == 0 || err == -ENOMEM || err == -EAGAIN || err == -ENOENT);
}

static void act_metrics(void)
{
    static char text[100000];
    const int len = uproar_metrics(world.u, text, sizeof(text));
    CHECK(len == -ENOMEM || (len > 0 && strlen(text) == (size_t)len));
    EXPECT_ONE_OF(ask(world.u, "GET", "/metrics", "", ""), 200, 500, 503);
}

/* With things on their way. */
static void act_free(void)
{
    const struct uproar_message m = {.topic = STR("t"), .body = STR("body"), .kind = UPROAR_TEXT};
    if (note(uproar_publish_many(world.u, &m, 1, on_done, NULL)))
        world.owed++;
    CHECK_EQ(uproar_stop(world.u), 0);
    peer_close(&world.ws);
    stop_and_free(&world.u);
}

#define TEST_OF(name)                                                                              \
    static void try_##name(void)                                                                   \
    {                                                                                              \
        try_all(act_##name);                                                                       \
    }
TEST_OF(publish)
TEST_OF(subscribe)
TEST_OF(post)
TEST_OF(websocket)
TEST_OF(stream)
TEST_OF(fetch)
TEST_OF(poll)
TEST_OF(later)
TEST_OF(send)
TEST_OF(close)
TEST_OF(metrics)
TEST_OF(free)

/* --- the start -------------------------------------------------------------------------------- */

static void a_start(void)
{
    const struct uproar_options o = world_options();
    const struct belongings before = take_stock();
    for (unsigned at = 1, hit = 1; hit; at++) {
        struct uproar *u;
        char why[256];
        CHECK(at < AT_MAX);
        starve(at, 1);
        const int err = uproar_start(&o, &u, why, sizeof(why));
        hit = starve_end();
        if (err != 0 && (!hit || (err != -ENOMEM && err != -EAGAIN)))
            fail(__FILE__, __LINE__, "allocation %u failed: %d, %s", at, err, why);
        CHECK_EQ(u != NULL, err == 0);
        if (u)
            stop_and_free(&u);
        CHECK_EQ(starve_held(), 0);
        expect_nothing_left(before);
    }
}

/* Or the library's memory does not come from here, and nothing was tested. */
static void it_is_the_librarys_memory_that_fails(void)
{
    world_begin();
    CHECK(starve_held() > 0);
    starve(1, 1);
    CHECK_EQ(uproar_publish(world.u, "t", "x", 1, UPROAR_TEXT), -ENOMEM);
    CHECK(starve_end());
    CHECK_EQ(uproar_publish(world.u, "t", "x", 1, UPROAR_TEXT), 0);
    world_end();
    CHECK_EQ(starve_held(), 0);
}

static const struct test tests[] = {
    {"it is the library's memory that fails", it_is_the_librarys_memory_that_fails},
    {"no memory for a start", a_start},
    {"no memory to publish", try_publish},
    {"no memory for a local subscription", try_subscribe},
    {"no memory for a POST", try_post},
    {"no memory for a WebSocket", try_websocket},
    {"no memory for an event stream", try_stream},
    {"no memory for a stream of fetch", try_fetch},
    {"no memory for a poll", try_poll},
    {"no memory for what is answered later", try_later},
    {"no memory to send", try_send},
    {"no memory to close", try_close},
    {"no memory for metrics", try_metrics},
    {"no memory to end", try_free},
};

int main(int argc, char **argv)
{
    return RUN_TESTS(tests, argc, argv);
}
