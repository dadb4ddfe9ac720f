/* A callback that blocks: who waits, who does not, and who says so. The names of metrics and the
 * words of log lines are kept in one place, below. */
#include "embed.h"
#include "peer.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* While it runs: seconds, absent or 0 otherwise. */
#define RUNNING "uproar_callback_running_seconds{reactor=\"%u\",callback=\"on_publish\"}"
#define LATE    "uproar_callbacks_late_total{callback=\"on_publish\"}"
#define WORD    "on_publish" /* of the log line, which has the seconds too */

enum { REACTORS = 2, SLEEP_MS = 1000 };

static struct {
    struct uproar *u;
    _Atomic int reactor_of[100]; /* by the number that a peer has in its query; 1 + index */
    _Atomic bool sleeping, go;
    _Atomic int lines;
    char line[400];
} late;

static _Thread_local int this_reactor = -1;

static void on_thread(void *user, unsigned index, bool starting)
{
    (void)user;
    this_reactor = starting ? (int)index : -1;
}

static enum uproar_verdict on_open(void *user, const struct uproar_peer_info *info,
                                   struct uproar_ticket t)
{
    (void)user;
    (void)t;
    CHECK(this_reactor >= 0);
    if (info->query.at)
        late.reactor_of[atoi(info->query.at + 2)] = 1 + this_reactor; /* n=7 */
    return UPROAR_ALLOW;
}

/* A second, and until all was seen. */
static enum uproar_verdict on_publish(void *user, const struct uproar_peer_info *info,
                                      const struct uproar_message *m, struct uproar_ticket t)
{
    const int64_t until = now_ms() + SLEEP_MS;
    (void)user;
    (void)info;
    (void)t;
    if (m->body.len != 5 || memcmp(m->body.at, "sleep", 5) != 0)
        return UPROAR_ALLOW;
    late.sleeping = true;
    while (now_ms() < until || !late.go)
        usleep(1000);
    late.sleeping = false;
    return UPROAR_ALLOW;
}

static void on_log(void *user, int level, const char *line)
{
    (void)user;
    if (level > 4 || !strstr(line, WORD))
        return;
    if (late.lines == 0)
        snprintf(late.line, sizeof(late.line), "%s", line);
    late.lines++;
}

/* A metric's value; -1: it is not there. */
static double metric(const char *name)
{
    static char text[100000];
    const int len = uproar_metrics(late.u, text, sizeof(text));
    CHECK(len > 0 && len < (int)sizeof(text));
    const char *at = strstr(text, name);
    return at ? strtod(at + strlen(name), NULL) : -1;
}

static double seconds_running(int reactor)
{
    char name[100];
    snprintf(name, sizeof(name), RUNNING, (unsigned)reactor);
    return metric(name);
}

/* --- the tests -------------------------------------------------------------------------------- */

static void start_late(void)
{
    struct uproar_options o = usual_options();
    o.thread_count = REACTORS;
    o.on = (struct uproar_callbacks){
        .on_open = on_open, .on_publish = on_publish, .on_log = on_log, .on_thread = on_thread};
    late.u = start(&o);
}

/* Opens WebSockets until each reactor has one. Returns the first of that reactor. */
static void open_on_each(struct peer *of)
{
    bool has[REACTORS] = {false};
    for (int n = 1; !has[0] || !has[1]; n++) {
        static struct peer p;
        char target[30];
        CHECK(n < 100); /* SO_REUSEPORT gives each its share */
        snprintf(target, sizeof(target), "/t/t?n=%d", n);
        ws_open(&p, late.u, target);
        const int reactor = late.reactor_of[n] - 1;
        CHECK(reactor == 0 || reactor == 1);
        if (has[reactor])
            peer_close(&p);
        else
            of[reactor] = p;
        has[reactor] = true;
    }
}

static void look_while_it_sleeps(int reactor, struct peer *other)
{
    WAIT_FOR(late.sleeping);
    WAIT_FOR(seconds_running(reactor) > 0);
    CHECK(seconds_running(1 - reactor) <= 0);
    publish(late.u, "t", "meanwhile");
    ws_expect(other, "meanwhile"); /* the other reactor serves its peers */
    ws_say(other, "and takes theirs");
    ws_expect(other, "and takes theirs");
    CHECK(late.sleeping);
    CHECK(seconds_running(reactor) > 0);
}

static void it_is_named_while_it_sleeps_and_afterwards(void)
{
    static struct peer of[REACTORS];
    start_late();
    open_on_each(of);
    for (int reactor = 0; reactor < REACTORS; reactor++) {
        CHECK(seconds_running(reactor) <= 0);
        late.go = false;
        ws_say(&of[reactor], "sleep");
        look_while_it_sleeps(reactor, &of[1 - reactor]);
        late.go = true;
        ws_expect(&of[reactor], "meanwhile");
        ws_expect(&of[reactor], "and takes theirs");
        ws_expect(&of[reactor], "sleep");
        ws_expect(&of[1 - reactor], "sleep");
        CHECK(seconds_running(reactor) <= 0);
        CHECK(metric(LATE) == reactor + 1);
    }
    WAIT_FOR(late.lines > 0);
    CHECK(strpbrk(late.line, "123456789") != NULL); /* how long */
    CHECK(!strpbrk(late.line, "\r\n"));
    peer_close(&of[0]);
    peer_close(&of[1]);
    stop_and_free(&late.u);
}

static void one_that_is_quick_is_not_named(void)
{
    static struct peer p;
    start_late();
    ws_open(&p, late.u, "/t/t?n=1");
    for (int i = 0; i < 100; i++)
        ws_say(&p, "quick");
    for (int i = 0; i < 100; i++)
        ws_expect(&p, "quick");
    CHECK(seconds_running(0) <= 0 && seconds_running(1) <= 0);
    CHECK_EQ(late.lines, 0);
    peer_close(&p);
    stop_and_free(&late.u);
}

/* Its reactor's ring fills up, then the log: publishers are told, and nothing is lost. */
static void publishing_ends_in_eagain_and_goes_on_afterwards(void)
{
    static struct peer of[REACTORS];
    unsigned accepted = 0;
    int err = 0;
    start_late();
    open_on_each(of);
    peer_close(&of[1]);
    struct uproar_sub *s;
    CHECK_EQ(uproar_subscribe(late.u, "#", NULL, UPROAR_SLOW_SKIP, &s), 0);
    ws_say(&of[0], "sleep");
    WAIT_FOR(late.sleeping);
    for (; err == 0; accepted += err == 0) {
        CHECK(accepted < 1000000);
        err = uproar_publish(late.u, "count", "x", 1, UPROAR_TEXT);
    }
    CHECK_EQ(err, -EAGAIN);
    late.go = true;
    WAIT_FOR(uproar_publish(late.u, "count", "x", 1, UPROAR_TEXT) == 0);
    accepted++;
    ws_expect(&of[0], "sleep");
    for (uint64_t seen = 0; seen < accepted + 1;) { /* with the one that slept */
        struct uproar_message m;
        struct uproar_gap gap;
        const enum uproar_next next = next_waiting(s, &m, &gap);
        CHECK(next == UPROAR_MESSAGE || next == UPROAR_GAP);
        seen = next == UPROAR_MESSAGE ? m.cursor.seq : gap.resumed.seq;
    }
    uproar_unsubscribe(&s);
    peer_close(&of[0]);
    stop_and_free(&late.u);
}

static const struct test tests[] = {
    {"it is named while it sleeps and afterwards", it_is_named_while_it_sleeps_and_afterwards},
    {"one that is quick is not named", one_that_is_quick_is_not_named},
    {"publishing ends in EAGAIN and goes on afterwards",
     publishing_ends_in_eagain_and_goes_on_afterwards},
};

int main(int argc, char **argv)
{
    return RUN_TESTS(tests, argc, argv);
}
