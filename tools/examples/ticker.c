/* Market data at full speed: bodies from a fixed pool that are published without copying, given
 * back by the library, and watched by a subscriber on another thread. No socket.
 * cc ticker.c -o ticker $(pkg-config --cflags --libs uproar) -lpthread && ./ticker 3 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uproar.h>

enum { POOL = 4096, SYMBOLS = 4 };

struct tick {
    _Atomic bool is_out; /* with the library */
    char text[48];
};

struct ticker {
    struct uproar *broker;
    struct tick pool[POOL]; /* used in turn */
    _Atomic unsigned long released;
    struct uproar_sub *sub; /* the watcher's */
    unsigned long seen, missed;
};

/* Any thread of the library: the last subscriber and the history are through with it. */
static void release(void *user, const void *body)
{
    struct ticker *t = user;
    const size_t offset = (size_t)((const char *)body - (const char *)t->pool);
    t->released++;
    t->pool[offset / sizeof(struct tick)].is_out = false;
}

/* -EAGAIN also when the pool is empty. */
static int publish(struct ticker *t, unsigned long number)
{
    static const char *const topics[SYMBOLS] = {"tick.oak", "tick.elm", "tick.ash", "tick.yew"};
    struct tick *tick = &t->pool[number % POOL];
    if (tick->is_out)
        return -EAGAIN;
    const int len =
        snprintf(tick->text, sizeof(tick->text), "%lu.%02lu", number / 100, number % 100);
    const struct uproar_message m = {.topic = {topics[number % SYMBOLS], strlen(topics[0])},
                                     .body = {tick->text, (size_t)len},
                                     .kind = UPROAR_TEXT};
    tick->is_out = true; /* before it is taken: the release may come at once */
    const int err = uproar_publish_taken(t->broker, &m, release, t);
    if (err != 0)
        tick->is_out = false; /* nothing was taken */
    return err;
}

/* Pulls until the server is gone. */
static void *watch(void *arg)
{
    struct ticker *t = arg;
    struct uproar_message m;
    struct uproar_gap gap;
    struct pollfd wait = {.fd = uproar_sub_fd(t->sub), .events = POLLIN};
    for (enum uproar_next next; (next = uproar_sub_next(t->sub, &m, &gap)) != UPROAR_END;) {
        if (next == UPROAR_MESSAGE)
            t->seen++;
        else if (next == UPROAR_GAP) /* too slow for what the history keeps, and told so */
            t->missed += gap.resumed.seq - gap.after.seq;
        else
            poll(&wait, 1, -1);
    }
    uproar_unsubscribe(&t->sub); /* what it still held is released */
    return NULL;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Publishes for so long, and returns how many. */
static unsigned long run(struct ticker *t, double seconds)
{
    const struct timespec moment = {.tv_nsec = 10000};
    const double end = now() + seconds;
    unsigned long count = 0;
    for (int err = 0; now() < end && (err == 0 || err == -EAGAIN);) {
        err = publish(t, count);
        if (err == 0)
            count++;
        else
            nanosleep(&moment, NULL);
    }
    return count;
}

int main(int argc, char **argv)
{
    static struct ticker t;
    const double seconds = argc > 1 ? strtod(argv[1], NULL) : 3;
    struct uproar_options o;
    pthread_t watcher;
    char why[200] = "";
    uproar_options_init(&o, sizeof(o)); /* no listeners: a broker inside this process */
    o.history_count = POOL / 2;         /* what it keeps is not in the pool */
    int err = uproar_start(&o, &t.broker, why, sizeof(why));
    if (err == 0)
        err = uproar_subscribe(t.broker, "tick.*", NULL, UPROAR_SLOW_SKIP, &t.sub);
    if (err != 0)
        return fprintf(stderr, "ticker: %s (%s)\n", why, strerror(-err)), 1;
    pthread_create(&watcher, NULL, watch, &t);
    const unsigned long published = run(&t, seconds);
    uproar_free(&t.broker);
    pthread_join(watcher, NULL);
    printf("published %lu, released %lu: %.0f a second\nseen %lu, missed %lu\n", published,
           (unsigned long)t.released, (double)published / seconds, t.seen, t.missed);
    return t.released == published && t.seen + t.missed == published ? 0 : 1;
}
