/* A clock for everybody who asks: publishes the time each second, and knows nobody.
 * cc clock.c -o clock $(pkg-config --cflags --libs uproar)
 * ./clock 127.0.0.1:8080, then: curl -NH 'Accept: text/event-stream' http://127.0.0.1:8080/t/clock
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uproar.h>

/* Seconds until the next full one. */
static struct timespec until_next_second(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (struct timespec){.tv_nsec = 999999999 - now.tv_nsec};
}

int main(int argc, char **argv)
{
    struct uproar_listen at = {.address = argc > 1 ? argv[1] : "127.0.0.1:8080"};
    struct uproar_options o;
    struct uproar *u;
    char why[200], text[32];

    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL); /* the library's threads block every signal anyway */

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

    struct timespec wait = until_next_second();
    while (sigtimedwait(&ends, NULL, &wait) < 0) {
        const time_t now = time(NULL);
        strftime(text, sizeof(text), "%FT%TZ", gmtime(&now));
        const int err = uproar_publish(u, "clock", text, strlen(text), UPROAR_TEXT);
        if (err != 0)
            fprintf(stderr, "clock: %s\n", strerror(-err));
        wait = until_next_second();
    }
    return uproar_free(&u) == 0 ? 0 : 1;
}
