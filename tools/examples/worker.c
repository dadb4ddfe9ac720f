/* A worker that takes jobs out of the broker in its own epoll loop, beside other descriptors.
 * cc worker.c -o worker $(pkg-config --cflags --libs uproar) && ./worker 127.0.0.1:8080, then
 * curl -NH 'Accept: text/event-stream' 'http://127.0.0.1:8080/t/done.%23', and beside it
 * curl -d 'paint the fence' http://127.0.0.1:8080/t/jobs.garden */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <uproar.h>

/* "jobs.garden" is answered on "done.garden". */
static void work(struct uproar *broker, const struct uproar_message *job)
{
    const struct uproar_str name = {job->topic.at + strlen("jobs"),
                                    job->topic.len - strlen("jobs")};
    char topic[UPROAR_TOPIC_MAX + 1], body[64];
    snprintf(topic, sizeof(topic), "done%.*s", (int)name.len, name.at);
    const int len = snprintf(body, sizeof(body), "%zu bytes of work done", job->body.len);
    const int err = uproar_publish(broker, topic, body, (size_t)len, UPROAR_TEXT);
    if (err != 0)
        fprintf(stderr, "worker: %s: %s\n", topic, strerror(-err));
}

/* Takes all there is: the descriptor is readable until then. False: nothing more will come. */
static bool take_jobs(struct uproar *broker, struct uproar_sub *sub)
{
    struct uproar_message m;
    struct uproar_gap gap;
    for (;;)
        switch (uproar_sub_next(sub, &m, &gap)) {
        case UPROAR_MESSAGE:
            work(broker, &m);
            break;
        case UPROAR_GAP: /* too slow for what the history keeps */
            fprintf(stderr, "worker: jobs from %" PRIu64 " to %" PRIu64 " may be lost\n",
                    gap.after.seq + 1, gap.resumed.seq);
            break;
        case UPROAR_NONE:
            return true;
        case UPROAR_END:
            puts("no more jobs");
            return false;
        }
}

static void add(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* A signal stops the broker. It hands out what it has, and then says that it is over. */
static void loop(struct uproar *broker, struct uproar_sub *sub, int signals)
{
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct signalfd_siginfo signal;
    struct epoll_event event;
    add(epoll, signals);
    add(epoll, uproar_sub_fd(sub));
    for (bool goes_on = true; goes_on;) {
        if (epoll_wait(epoll, &event, 1, -1) < 1)
            continue;
        if (event.data.fd != signals)
            goes_on = take_jobs(broker, sub);
        else if (read(signals, &signal, sizeof(signal)) > 0)
            uproar_stop(broker);
    }
    close(epoll);
}

int main(int argc, char **argv)
{
    const struct uproar_listen at = {.address = argc > 1 ? argv[1] : "127.0.0.1:8080"};
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
    if (err != 0)
        return fprintf(stderr, "worker: %s (%s)\n", why, strerror(-err)), 1;
    printf("http://127.0.0.1:%d/t/jobs.any\n", uproar_port(broker, 0));
    fflush(stdout);

    const int signals = signalfd(-1, &ends, SFD_CLOEXEC);
    loop(broker, sub, signals);
    close(signals);
    uproar_unsubscribe(&sub);
    return uproar_free(&broker) == 0 ? 0 : 1;
}
