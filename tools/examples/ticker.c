/* Market data at full speed: bodies from a fixed pool, published without copying and given back by
 * the library, and a local subscriber that watches them pass.
 * cc ticker.c -o ticker $(pkg-config --cflags --libs uproar) -lpthread
 * ./ticker 3 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
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
    struct tick pool[POOL];
    _Atomic unsigned long released;
};

/* Any thread of the library: the last subscriber and the history are through with it. */
static void release(void *user, const void *body)
{
    struct ticker *t = user;
    const size_t offset = (size_t)((const char *)body - (const char *)t->pool);
    t->pool[offset / sizeof(struct tick)].is_out = false;
    t->released++;
}

static void wait_a_little(void)
{
    const struct timespec ten_us = {.tv_nsec = 10000};
    nanosleep(&ten_us, NULL);
}

static int publish(struct ticker *t, unsigned long number)
{
    static const char *const topics[SYMBOLS] = {"tick.oak", "tick.elm", "tick.ash", "tick.yew"};
    struct tick *tick = &t->pool[number % POOL];
    while (tick->is_out)
        wait_a_little(); /* the pool is the limit of what is under way */
    const char *topic = topics[number % SYMBOLS];
    const int len = snprintf(tick->text, sizeof(tick->text), "%lu %ld.%02lu", number,
                             100 + random() % 10, number % 100);
    const struct uproar_message m = {
        .topic = {topic, strlen(topic)}, .body = {tick->text, (size_t)len}, .kind = UPROAR_TEXT};
    tick->is_out = true;
    const int err = uproar_publish_taken(t->broker, &m, release, t);
    if (err != 0)
        tick->is_out = false; /* nothing was taken */
    return err;
}

struct watcher {
    struct uproar_sub *sub;
    unsigned long seen, missed;
};

/* Pulls until the server is gone. */
static void *watch(void *arg)
{
    struct watcher *w = arg;
    struct uproar_message m;
    struct uproar_gap gap;
    struct pollfd wait = {.fd = uproar_sub_fd(w->sub), .events = POLLIN};
    for (enum uproar_next next; (next = uproar_sub_next(w->sub, &m, &gap)) != UPROAR_END;) {
        if (next == UPROAR_MESSAGE)
            w->seen++;
        else if (next == UPROAR_GAP) /* too slow for what the history keeps, and told so */
            w->missed += gap.resumed.seq - gap.after.seq;
        else
            poll(&wait, 1, -1);
    }
    uproar_unsubscribe(&w->sub); /* what it still held is released */
    return NULL;
}

int main(int argc, char **argv)
{
    static struct ticker t;
    const time_t end = time(NULL) + (argc > 1 ? strtol(argv[1], NULL, 10) : 3);
    unsigned long published = 0, full = 0;
    struct uproar_options o;
    struct watcher w = {0};
    pthread_t watcher;
    char why[200];

    uproar_options_init(&o, sizeof(o)); /* no listeners: a broker inside this process */
    o.history_count = POOL / 2;         /* what it keeps is not in the pool */
    int err = uproar_start(&o, &t.broker, why, sizeof(why));
    if (err == 0)
        err = uproar_subscribe(t.broker, "tick.*", NULL, UPROAR_SLOW_SKIP, &w.sub);
    if (err != 0) {
        fprintf(stderr, "ticker: %s %s\n", why, strerror(-err));
        return 1;
    }
    pthread_create(&watcher, NULL, watch, &w);
    while (time(NULL) < end) {
        err = publish(&t, published);
        published += err == 0;
        full += err == -EAGAIN;
        if (err == -EAGAIN)
            wait_a_little();
    }
    uproar_free(&t.broker);
    pthread_join(watcher, NULL);
    printf("published %lu, released %lu, seen %lu, missed %lu, the log was full %lu times\n",
           published, (unsigned long)t.released, w.seen, w.missed, full);
    return t.released == published && w.seen + w.missed == published ? 0 : 1;
}
