/* Idle: what connections on which nothing happens cost in memory, the server's and the kernel's.
 * Sends nothing after they are open. */
#include "client_swarm.h"

#include "base/alloc.h"
#include "lib/net.h"
#include "lib/procstat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

struct memory {
    uint64_t pss, pss_anon, slab, unreclaimable, sockets;
};

static struct memory memory_now(pid_t pid)
{
    return (struct memory){procstat_pss_bytes(pid), procstat_pss_anon_bytes(pid),
                           procstat_slab_bytes(), procstat_unreclaimable_bytes(),
                           procstat_tcp_sockets()};
}

static double grown(uint64_t before, uint64_t after, uint32_t conns)
{
    return ((double)after - (double)before) / (conns ? (double)conns : 1);
}

struct idle {
    struct swarm swarm;
    double socket_bytes; /* a socket that was never connected: one end, and nothing but it */
    struct memory before, after;
};

/* Sockets that came (or went: negative) and are not ours. */
static int64_t foreign_sockets(const struct idle *i)
{
    return (int64_t)i->after.sockets - (int64_t)i->before.sockets - 2 * (int64_t)i->swarm.opened;
}

static void idle_print(const struct idle *i, bool ok)
{
    const struct swarm *s = &i->swarm;
    printf("{\"mode\":\"idle\",\"proto\":\"%s\",\"ok\":%s,\"conns\":%u,\"connect_failed\":%u"
           ",\"closed\":%u,\"pings\":%" PRIu64,
           s->options->sse ? "sse" : "ws", ok ? "true" : "false", s->opened, s->failed, s->closed,
           s->pings);
    printf(
        ",\"slab_bytes_per_conn\":%.1f,\"unreclaimable_bytes_per_conn\":%.1f,\"socket_bytes\":%.1f",
        grown(i->before.slab, i->after.slab, s->opened),
        grown(i->before.unreclaimable, i->after.unreclaimable, s->opened), i->socket_bytes);
    printf(",\"foreign_sockets\":%" PRId64, foreign_sockets(i));
    printf(",\"pss_before\":%" PRIu64 ",\"pss_after\":%" PRIu64 ",\"user_bytes_per_conn\":%.1f"
           ",\"anon_bytes_per_conn\":%.1f}\n",
           i->before.pss, i->after.pss, grown(i->before.pss, i->after.pss, s->opened),
           grown(i->before.pss_anon, i->after.pss_anon, s->opened));
}

/* Connections have two ends, and slab memory does not say whose it is. So one end is measured by
 * itself: as many sockets as there will be connections, which nobody connects. */
static int sockets_measure(struct idle *i, uint32_t count)
{
    int err = 0;
    uint32_t opened = 0;
    int *fds = alloc_zeroed(count * sizeof(*fds));
    if (!fds)
        return -ENOMEM;
    const uint64_t before = procstat_slab_bytes();
    while (err == 0 && opened < count) {
        fds[opened] = net_socket();
        if (fds[opened] < 0)
            err = fds[opened];
        else
            opened++;
    }
    i->socket_bytes = grown(before, procstat_slab_bytes(), opened);
    while (opened > 0)
        close(fds[--opened]);
    alloc_free(fds);
    return err;
}

/* Rests between the steps: the kernel gives back a moment later what was closed. */
static int idle_measure(struct idle *i, const struct client_options *o, struct loop *l)
{
    int err = loop_rest(l, o->settle_ms);
    if (err == 0)
        err = sockets_measure(i, o->conns);
    if (err == 0)
        err = loop_rest(l, o->settle_ms);
    i->before = memory_now(o->pid);
    if (err == 0)
        err = swarm_init(&i->swarm, o, l);
    if (err == 0)
        err = swarm_open(&i->swarm);
    if (err == 0)
        err = loop_rest(l, o->settle_ms);
    if (err == 0 && !swarm_is_whole(&i->swarm))
        err = -ECONNRESET;
    i->after = memory_now(o->pid);
    if (err == 0 && i->before.pss == 0)
        err = -EACCES; /* no memory figure without --pid, or without the right to look */
    return err;
}

int idle_run(const struct client_options *o, struct loop *l)
{
    struct idle i = {0};
    const int err = idle_measure(&i, o, l);
    if (i.swarm.options)
        idle_print(&i, err == 0);
    if (err != 0)
        fprintf(stderr, "client: idle: %s\n", strerror(-err));
    swarm_fini(&i.swarm);
    return err == 0 ? 0 : 1;
}
