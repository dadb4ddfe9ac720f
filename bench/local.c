/* What a message costs on its way to subscribers in the same process: the library beside the least
 * that one could write by hand, a ring and an eventfd for each subscriber. One thread publishes,
 * one takes for all. Not here: sockets, patterns, slow subscribers. usage: local [MESSAGES] */
#include "base/mpsc_ring.h"
#include "uproar.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { SUBS_MAX = 64, BODY = 64, RUNS = 9, RING = 1024, WINDOW = 512, FULL_NS = 20000 };
static const unsigned sub_counts[] = {1, 8, SUBS_MAX};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "local: %s\n", what);
    exit(2);
}

static double seconds(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void wait_a_little(void)
{
    const struct timespec t = {.tv_nsec = FULL_NS};
    (void)nanosleep(&t, NULL);
}

/* --- one way: how it publishes and takes -------------------------------------------------------
 */

struct way {
    const char *name;
    void (*open)(unsigned sub_count);
    void (*publish)(const char *body);
    /* Everything subscriber i has; returns how many messages. */
    unsigned (*take)(unsigned i);
    int (*fd)(unsigned i);
    void (*close)(unsigned sub_count);
};

struct race {
    const struct way *way;
    unsigned sub_count;
    uint64_t messages;
    _Atomic uint64_t taken; /* by all together */
};

static void *take_all(void *arg)
{
    struct race *race = arg;
    struct epoll_event events[SUBS_MAX];
    const uint64_t wanted = race->messages * race->sub_count;
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < race->sub_count; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, race->way->fd(i), &e) != 0)
            fail("epoll_ctl");
    }
    while (race->taken < wanted) {
        const int count = epoll_wait(epoll, events, SUBS_MAX, 10000);
        if (count == 0)
            fail("a message did not come");
        for (int k = 0; k < count; k++)
            race->taken += race->way->take(events[k].data.u32);
    }
    close(epoll);
    return NULL;
}

/* Nobody falls behind: so many messages are under way at most. */
static void publish_all(struct race *race)
{
    char body[BODY];
    memset(body, 'x', sizeof(body));
    for (uint64_t i = 0; i < race->messages; i++) {
        while (race->taken + WINDOW * race->sub_count < i * race->sub_count)
            wait_a_little();
        race->way->publish(body);
    }
}

struct cost {
    double cpu_ns, per_second; /* a delivery; messages */
};

static struct cost run(const struct way *way, unsigned sub_count, uint64_t messages)
{
    struct race race = {.way = way, .sub_count = sub_count, .messages = messages};
    pthread_t taker;
    way->open(sub_count);
    const double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
    if (pthread_create(&taker, NULL, take_all, &race) != 0)
        fail("pthread_create");
    publish_all(&race);
    pthread_join(taker, NULL);
    const double deliveries = (double)messages * sub_count;
    const struct cost cost = {
        .cpu_ns = (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / deliveries * 1e9,
        .per_second = (double)messages / (seconds(CLOCK_MONOTONIC) - wall),
    };
    way->close(sub_count);
    return cost;
}

/* --- by hand -----------------------------------------------------------------------------------
 */

struct note {
    _Atomic unsigned refs;
    char body[BODY];
};

static struct {
    struct mpsc_ring ring;
    int fd;
    _Atomic bool idle;
} hands[SUBS_MAX];
static unsigned hand_count;

static void hand_open(unsigned sub_count)
{
    hand_count = sub_count;
    for (unsigned i = 0; i < sub_count; i++) {
        hands[i].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        hands[i].idle = true;
        if (mpsc_ring_init(&hands[i].ring, RING) != 0 || hands[i].fd < 0)
            fail("no ring");
    }
}

static void hand_close(unsigned sub_count)
{
    for (unsigned i = 0; i < sub_count; i++) {
        mpsc_ring_fini(&hands[i].ring);
        close(hands[i].fd);
    }
}

static void hand_publish(const char *body)
{
    struct note *n = malloc(sizeof(*n));
    n->refs = hand_count;
    memcpy(n->body, body, BODY);
    for (unsigned i = 0; i < hand_count; i++) {
        while (!mpsc_ring_push(&hands[i].ring, n))
            wait_a_little();
        if (hands[i].idle && atomic_exchange(&hands[i].idle, false))
            (void)eventfd_write(hands[i].fd, 1);
    }
}

static unsigned hand_take_ring(unsigned i)
{
    unsigned count = 0;
    for (struct note *n; (n = mpsc_ring_pop(&hands[i].ring)); count++) {
        if (n->body[BODY - 1] != 'x')
            fail("not what was published");
        if (atomic_fetch_sub(&n->refs, 1) == 1)
            free(n);
    }
    return count;
}

static unsigned hand_take(unsigned i)
{
    eventfd_t unused;
    const unsigned count = hand_take_ring(i);
    (void)eventfd_read(hands[i].fd, &unused);
    hands[i].idle = true;
    return count + hand_take_ring(i);
}

static int hand_fd(unsigned i)
{
    return hands[i].fd;
}

/* --- the library -------------------------------------------------------------------------------
 */

static struct uproar *broker;
static struct uproar_sub *subs[SUBS_MAX];

static void library_open(unsigned sub_count)
{
    struct uproar_options o;
    char why[256];
    uproar_options_init(&o, sizeof(o));
    o.thread_count = 1;
    if (uproar_start(&o, &broker, why, sizeof(why)) != 0)
        fail(why);
    for (unsigned i = 0; i < sub_count; i++)
        if (uproar_subscribe(broker, "ticks", NULL, UPROAR_SLOW_SKIP, &subs[i]) != 0)
            fail("uproar_subscribe");
}

static void library_close(unsigned sub_count)
{
    for (unsigned i = 0; i < sub_count; i++)
        uproar_unsubscribe(&subs[i]);
    if (uproar_free(&broker) != 0)
        fail("uproar_free");
}

static void library_publish(const char *body)
{
    int err;
    while ((err = uproar_publish(broker, "ticks", body, BODY, UPROAR_TEXT)) == -EAGAIN)
        wait_a_little();
    if (err != 0)
        fail(strerror(-err));
}

static unsigned library_take(unsigned i)
{
    struct uproar_message m;
    struct uproar_gap gap;
    unsigned count = 0;
    for (enum uproar_next next; (next = uproar_sub_next(subs[i], &m, &gap)) != UPROAR_NONE; count++)
        if (next != UPROAR_MESSAGE || m.body.len != BODY || m.body.at[BODY - 1] != 'x')
            fail("not what was published");
    return count;
}

static int library_fd(unsigned i)
{
    return uproar_sub_fd(subs[i]);
}

/* --- both, in turn -----------------------------------------------------------------------------
 */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, RUNS, sizeof(*values), compare);
    return values[RUNS / 2];
}

static void report(unsigned sub_count, uint64_t messages)
{
    static const struct way hand = {"by hand", hand_open, hand_publish,
                                    hand_take, hand_fd,   hand_close};
    static const struct way library = {"uproar",     library_open, library_publish,
                                       library_take, library_fd,   library_close};
    double floor_ns[RUNS], library_ns[RUNS], ratio[RUNS], rate[RUNS];
    for (int i = 0; i < RUNS; i++) {
        const struct cost least = run(&hand, sub_count, messages);
        const struct cost ours = run(&library, sub_count, messages);
        floor_ns[i] = least.cpu_ns;
        library_ns[i] = ours.cpu_ns;
        ratio[i] = ours.cpu_ns / least.cpu_ns;
        rate[i] = ours.per_second;
    }
    printf(
        "%2u subscribers: uproar %.0f ns CPU a delivery, by hand %.0f: %.2f x; %.0f messages/s\n",
        sub_count, median(library_ns), median(floor_ns), median(ratio), median(rate));
}

int main(int argc, char **argv)
{
    const uint64_t messages = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    if (argc > 2 || messages == 0 || messages > 100000000) {
        fprintf(stderr, "usage: local [MESSAGES]\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof(sub_counts) / sizeof(sub_counts[0]); i++)
        report(sub_counts[i], messages / sub_counts[i] + 1000);
    return 0;
}
