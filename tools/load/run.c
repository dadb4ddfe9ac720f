/* Setting up a run: addresses, io, report. What then happens is in run_turns.c. */
#include "load/run.h"

#include "base/clock.h"
#include "io/process.h"
#include "load/resolve.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>

enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    SLOTS_SPARE = 64, /* the publisher, and sockets that are closing */
    FDS_SPARE = 32,   /* descriptors that are no connections */
};

#define NS_PER_S UINT64_C(1000000000)

static int PRINTF_LIKE(3, 4) give_up(char *why, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, RUN_WHY_MAX, format, args);
    va_end(args);
    return status;
}

/* --- addresses -------------------------------------------------------------------------------- */

static int find_host(const struct url *url, union io_address *out, char *why)
{
    const char *wrong = resolve(url, out);
    return wrong ? give_up(why, EXIT_FAILED, "%.*s: %s", (int)url->host.len,
                           (const char *)url->host.at, wrong)
                 : 0;
}

static int read_url(const struct options *o, const char *text, struct url *out, char *why)
{
    const char *wrong = url_parse(text, out);
    if (wrong)
        return give_up(why, EXIT_USAGE, "%.120s: %s", text, wrong);
    if (o->mode == LOAD_ECHO && out->scheme != URL_WS)
        return give_up(why, EXIT_USAGE, "%.120s: an event stream has no echo: give ws://", text);
    if (o->subprotocol && out->scheme != URL_WS)
        return give_up(why, EXIT_USAGE, "--subprotocol is for ws://");
    if (o->mode == LOAD_FANOUT && url_has_number(out))
        return give_up(why, EXIT_USAGE, "fanout: all subscribers share one path, without {n}");
    return 0;
}

static int read_urls(struct run *r, char *why)
{
    const struct options *o = r->options;
    int status = 0;
    for (uint64_t i = 0; i < o->url_count && status == 0; i++)
        status = read_url(o, o->urls[i], &r->urls[i], why);
    if (status != 0)
        return status;
    r->publish_url = r->urls[0];
    r->publish_url.target = url_path(&r->urls[0]);
    const char *wrong = o->publish ? url_parse(o->publish, &r->publish_url) : NULL;
    if (wrong)
        return give_up(why, EXIT_USAGE, "--publish %.120s: %s", o->publish, wrong);
    if (o->publish && r->publish_url.scheme != URL_HTTP)
        return give_up(why, EXIT_USAGE, "--publish %.120s: messages are POSTed: give http://",
                       o->publish);
    return 0;
}

static int find_targets(struct run *r, char *why)
{
    int status = 0;
    r->plan.target_count = (uint32_t)r->options->url_count;
    for (uint32_t i = 0; i < r->plan.target_count && status == 0; i++)
        status = find_host(&r->urls[i], &r->plan.targets[i].remote, why);
    return status;
}

static int choose_sources(struct run *r, char *why)
{
    const struct options *o = r->options;
    const union io_address *remote = &r->plan.targets[0].remote;
    struct sources *s = &r->plan.sources;
    for (uint32_t i = 1; i < r->plan.target_count; i++)
        if (r->plan.targets[i].remote.any.sa_family != remote->any.sa_family)
            return give_up(why, EXIT_USAGE, "some of the URLs are IPv4 and some IPv6");
    if (!o->source)
        return sources_spread(s, remote, o->connections) == 0
                   ? 0
                   : give_up(why, EXIT_FAILED, "out of memory");
    const char *wrong = sources_parse(s, o->source);
    if (wrong)
        return give_up(why, EXIT_USAGE, "--source %.120s: %s", o->source, wrong);
    if (s->at[0].any.sa_family != remote->any.sa_family)
        return give_up(why, EXIT_USAGE, "--source %.120s: the target is %s", o->source,
                       remote->any.sa_family == AF_INET ? "IPv4" : "IPv6");
    if (o->mode != LOAD_CONNECT && s->count < sources_needed(o->connections))
        return give_up(why, EXIT_USAGE, "--source: %llu connections need %u addresses, not %u",
                       (unsigned long long)o->connections, sources_needed(o->connections),
                       s->count);
    return 0;
}

/* --- the io ----------------------------------------------------------------------------------- */

static void raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* The backend that was asked for, or the better one that works. */
static int choose_backend(const struct options *o, enum io_backend *backend, struct io_probe *probe,
                          char *why)
{
    *backend = o->io == IO_EPOLL ? IO_EPOLL : IO_URING;
    io_probe(*backend, probe);
    if (!probe->usable && o->io == 0) {
        *backend = IO_EPOLL;
        io_probe(*backend, probe);
    }
    if (probe->usable)
        return 0;
    return give_up(why, EXIT_FAILED, "--io %s does not work here: %.150s",
                   io_backend_name(*backend), probe->why);
}

/* Sockets at once. */
static uint64_t sockets_wanted(const struct options *o)
{
    const uint64_t held = o->mode == LOAD_CONNECT ? 2 * SWARM_OPENING_MAX : o->connections;
    return (held < o->connections ? held : o->connections) + SLOTS_SPARE;
}

static ON_REACTOR int open_io(struct run *r, char *why)
{
    const struct options *o = r->options;
    enum io_backend backend;
    struct io_probe probe;
    raise_fd_limit();
    if (choose_backend(o, &backend, &probe, why) != 0)
        return EXIT_FAILED;
    const uint64_t limit = process_fd_limit(), wanted = sockets_wanted(o);
    if (probe.slot_is_fd && wanted + FDS_SPARE > limit)
        return give_up(why, EXIT_FAILED,
                       "%llu connections need as many open files, and the limit is %llu: "
                       "uproar-load doctor -n %llu says what to do",
                       (unsigned long long)o->connections, (unsigned long long)limit,
                       (unsigned long long)o->connections);
    const uint64_t slots = probe.slot_is_fd ? limit : wanted;
    const int err = engine_init(&r->engine, backend, (uint32_t)slots);
    if (err != 0)
        return give_up(why, EXIT_FAILED, "%llu sockets with %s: %s", (unsigned long long)slots,
                       io_backend_name(backend), strerror(-err));
    r->report.io = io_backend_name(backend);
    return 0;
}

/* --- beginning and end ------------------------------------------------------------------------ */

static void begin_report(struct run *r)
{
    const struct options *o = r->options;
    struct report *report = &r->report;
    report->mode = o->mode;
    report->urls = o->urls;
    report->url_count = o->url_count;
    for (uint64_t i = 0; i < o->url_count; i++)
        *(r->urls[i].scheme == URL_WS ? &report->has_ws : &report->has_sse) = true;
    report->is_local = source_is_loopback(&r->plan.targets[0].remote) || o->pid != 0;
    report->payload_len = o->payload_len;
    report->asked = o->connections;
    report->pid = o->pid;
    report->failures = &r->swarm.failures;
    report->handshake = &r->swarm.handshake;
    report->latency = &r->latency;
    report->checker = (struct checker){.run = r->id, .payload_len = o->payload_len};
}

/* Before the run rather than after it. */
static int try_file(const char *path, char *why)
{
    FILE *file = fopen(path, "ae");
    if (!file)
        return give_up(why, EXIT_USAGE, "--json %.150s: %s", path, strerror(errno));
    fclose(file);
    return 0;
}

static int prepare(struct run *r, char *why)
{
    const struct options *o = r->options;
    int status = read_urls(r, why);
    if (status == 0)
        status = find_targets(r, why);
    if (status == 0)
        status = choose_sources(r, why);
    if (status == 0 && o->mode == LOAD_FANOUT)
        status = find_host(&r->publish_url, &r->publish_remote, why);
    if (status == 0 && o->pid && !usage_process_exists(o->pid))
        return give_up(why, EXIT_USAGE, "--pid %llu: there is no such process",
                       (unsigned long long)o->pid);
    return status == 0 && o->json ? try_file(o->json, why) : status;
}

static int init_handshakes(struct run *r)
{
    int err = 0;
    for (uint32_t i = 0; i < r->plan.target_count && err == 0; i++)
        err = handshake_init(&r->plan.targets[i].handshake, &r->urls[i], r->options->subprotocol);
    return err;
}

int run_init(struct run *r, const struct options *o, const struct swarm_hooks *hooks,
             char why[static RUN_WHY_MAX])
{
    struct swarm_hooks with_user = *hooks;
    r->options = o;
    int status = prepare(r, why);
    if (status == 0)
        status = open_io(r, why);
    if (status != 0)
        return status;
    with_user.user = r;
    r->plan.count = (uint32_t)o->connections;
    r->plan.rate = o->rate;
    r->plan.timeout_ns = o->timeout_s * NS_PER_S;
    if (init_handshakes(r) != 0 || swarm_init(&r->swarm, &r->engine, &r->plan, with_user) != 0)
        return give_up(why, EXIT_FAILED, "out of memory");
    publisher_init(&r->publisher, &r->engine, &r->publish_url, &r->publish_remote);
    r->publisher.timeout_ns = r->plan.timeout_ns;
    clock_random_bytes(&r->id, sizeof(r->id));
    r->id &= PAYLOAD_RUN_MAX;
    r->zero_ns = clock_monotonic_ns();
    progress_init(&r->progress);
    begin_report(r);
    usage_take(o->pid, &r->fresh);
    if (o->pid && (r->fresh.cpu_ns == 0 || r->fresh.pss_bytes == 0))
        return give_up(why, EXIT_USAGE, "--pid %llu: not allowed to look at it, or it ended",
                       (unsigned long long)o->pid);
    return 0;
}

void run_fini(struct run *r)
{
    progress_end(&r->progress);
    if (r->engine.io)
        engine_fini(&r->engine);
    swarm_fini(&r->swarm);
    publisher_fini(&r->publisher);
    sources_fini(&r->plan.sources);
}
