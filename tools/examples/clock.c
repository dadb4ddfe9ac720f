/* A clock for everybody who asks: publishes the time each second, and knows nobody.
 * cc clock.c -o clock $(pkg-config --cflags --libs uproar) && ./clock 127.0.0.1:8080, then
 * curl -NH 'Accept: text/event-stream' http://127.0.0.1:8080/t/clock */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uproar.h>

/* Not time(): it may lag by some milliseconds, and those are when we look. */
static struct timespec now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t;
}

static void publish_time(struct uproar *u)
{
    const struct timespec t = now();
    char text[32];
    const size_t len = strftime(text, sizeof(text), "%FT%TZ", gmtime(&t.tv_sec));
    const int err = uproar_publish(u, "clock", text, len, UPROAR_TEXT);
    if (err != 0)
        fprintf(stderr, "clock: %s\n", strerror(-err));
}

/* False: a signal came before the second was over. */
static bool wait_for_next_second(const sigset_t *ends)
{
    for (;;) {
        const struct timespec rest = {.tv_nsec = 999999999 - now().tv_nsec};
        if (sigtimedwait(ends, NULL, &rest) > 0)
            return false;
        if (errno == EAGAIN) /* not EINTR, which is neither */
            return true;
    }
}

int main(int argc, char **argv)
{
    const struct uproar_listen at = {.address = argc > 1 ? argv[1] : "127.0.0.1:8080"};
    struct uproar_options o;
    struct uproar *u;
    char why[200];

    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);

    uproar_options_init(&o, sizeof(o));
    o.listen = &at;
    o.listen_count = 1;
    o.drain_ms = 1000;
    if (uproar_start(&o, &u, why, sizeof(why)) != 0) {
        fprintf(stderr, "clock: %s\n", why);
        return 1;
    }
    printf("http://127.0.0.1:%d/t/clock\n", uproar_port(u, 0));
    fflush(stdout);
    while (wait_for_next_second(&ends))
        publish_time(u);
    return uproar_free(&u) == 0 ? 0 : 1;
}
