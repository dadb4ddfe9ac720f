/* A worker that takes jobs out of the broker in its own epoll loop, beside its other descriptors,
 * and publishes what came of them.
 * cc worker.c -o worker $(pkg-config --cflags --libs uproar)
 * ./worker 127.0.0.1:8080, then: curl -d 'paint the fence' http://127.0.0.1:8080/t/jobs.garden
 * and watch: curl -NH 'Accept: text/event-stream' 'http://127.0.0.1:8080/t/done.%23' */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <uproar.h>

/* "jobs.garden" is answered on "done.garden". */
static void work(struct uproar *broker, const struct uproar_message *job)
{
    char topic[UPROAR_TOPIC_MAX + 1], body[256];
    snprintf(topic, sizeof(topic), "done%.*s", (int)(job->topic.len - strlen("jobs")),
             job->topic.at + strlen("jobs"));
    const int len = snprintf(body, sizeof(body), "%zu bytes of work done", job->body.len);
    const int err = uproar_publish(broker, topic, body, (size_t)len, UPROAR_TEXT);
    if (err != 0)
        fprintf(stderr, "worker: %s: %s\n", topic, strerror(-err));
}

/* The descriptor is readable until there is nothing left. False: nothing more will come. */
static bool take_jobs(struct uproar *broker, struct uproar_sub *sub)
{
    struct uproar_message m;
    struct uproar_gap gap;
    for (;;)
        switch (uproar_sub_next(sub, &m, &gap)) {
        case UPROAR_MESSAGE:
            work(broker, &m);
            break;
        case UPROAR_GAP:
            fprintf(stderr, "worker: jobs between %lu and %lu are lost\n",
                    (unsigned long)gap.after.seq, (unsigned long)gap.resumed.seq);
            break;
        case UPROAR_NONE:
            return true;
        case UPROAR_END:
            return false;
        }
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void loop(struct uproar *broker, struct uproar_sub *sub, int signals)
{
    struct epoll_event event;
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, signals);
    watch(epoll, uproar_sub_fd(sub));
    for (bool goes_on = true; goes_on;) {
        if (epoll_wait(epoll, &event, 1, -1) < 1)
            continue;
        goes_on = event.data.fd != signals && take_jobs(broker, sub);
    }
    close(epoll);
}

int main(int argc, char **argv)
{
    struct uproar_listen at = {.address = argc > 1 ? argv[1] : "127.0.0.1:8080"};
    struct uproar_options o;
    struct uproar *broker;
    struct uproar_sub *sub;
    char why[200] = "";
    sigset_t ends;

    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    uproar_options_init(&o, sizeof(o));
    o.listen = &at;
    o.listen_count = 1;
    o.drain_ms = 1000;
    int err = uproar_start(&o, &broker, why, sizeof(why));
    if (err == 0)
        err = uproar_subscribe(broker, "jobs.#", NULL, UPROAR_SLOW_SKIP, &sub);
    if (err != 0) {
        fprintf(stderr, "worker: %s (%s)\n", why, strerror(-err));
        return 1;
    }
    printf("http://127.0.0.1:%d/t/jobs.any\n", uproar_port(broker, 0));
    fflush(stdout);

    const int signals = signalfd(-1, &ends, SFD_CLOEXEC);
    loop(broker, sub, signals);
    close(signals);
    uproar_unsubscribe(&sub);
    return uproar_free(&broker) == 0 ? 0 : 1;
}
