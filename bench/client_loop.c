/* The client's event loop and its stopwatch on the server.
 * Does not know what is being measured. */
#define _GNU_SOURCE /* epoll_pwait2 */
#include "client.h"

#include "base/clock.h"
#include "lib/net.h"
#include "lib/procstat.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { TURN_EVENTS_MAX = 1024 };

int loop_init(struct loop *l, uint32_t timeout_s)
{
    l->deadline_ns = clock_monotonic_ns() + timeout_s * UINT64_C(1000000000);
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return l->epoll_fd == -1 ? -errno : 0;
}

void loop_fini(struct loop *l)
{
    close(l->epoll_fd);
}

int loop_add(struct loop *l, int fd, uint32_t events, struct watch *w)
{
    return net_watch(l->epoll_fd, fd, NET_WATCH_ADD, events, (uint64_t)(uintptr_t)w);
}

int loop_change(struct loop *l, int fd, uint32_t events, struct watch *w)
{
    return net_watch(l->epoll_fd, fd, NET_WATCH_CHANGE, events, (uint64_t)(uintptr_t)w);
}

static struct timespec time_until(uint64_t wake_ns, uint64_t now_ns)
{
    const uint64_t left = wake_ns > now_ns ? wake_ns - now_ns : 0;
    return (struct timespec){.tv_sec = (time_t)(left / 1000000000u),
                             .tv_nsec = (long)(left % 1000000000u)};
}

int loop_turn(struct loop *l, uint64_t wake_ns)
{
    struct epoll_event events[TURN_EVENTS_MAX];
    const uint64_t now_ns = clock_monotonic_ns();
    if (now_ns >= l->deadline_ns)
        return -ETIME;
    if (wake_ns > l->deadline_ns)
        wake_ns = l->deadline_ns;
    const struct timespec wait = time_until(wake_ns, now_ns);
    const int count = epoll_pwait2(l->epoll_fd, events, TURN_EVENTS_MAX, &wait, NULL);
    if (count < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) {
        struct watch *w = (struct watch *)(uintptr_t)events[i].data.u64;
        w->ready(w, events[i].events);
    }
    return 0;
}

int loop_rest(struct loop *l, uint32_t rest_ms)
{
    const uint64_t until_ns = clock_monotonic_ns() + rest_ms * UINT64_C(1000000);
    int err = 0;
    while (err == 0 && clock_monotonic_ns() < until_ns)
        err = loop_turn(l, until_ns);
    return err;
}

static uint64_t cpu_or_zero(pid_t pid)
{
    return pid > 0 ? procstat_cpu_ns(pid) : 0;
}

void measure_begin(struct measure *m, const struct client_options *o)
{
    char softirqd[32];
    snprintf(softirqd, sizeof(softirqd), "ksoftirqd/%d", o->server_core);
    m->pid = o->pid;
    m->softirqd = o->server_core >= 0 ? procstat_find(softirqd) : 0;
    m->cpu_ns = cpu_or_zero(m->pid);
    m->softirqd_ns = cpu_or_zero(m->softirqd);
    m->wall_ns = clock_monotonic_ns();
}

void measure_end(struct measure *m)
{
    m->wall_ns = clock_monotonic_ns() - m->wall_ns;
    m->cpu_ns = cpu_or_zero(m->pid) - m->cpu_ns;
    m->softirqd_ns = cpu_or_zero(m->softirqd) - m->softirqd_ns;
}
