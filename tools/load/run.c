/* Setting up a run, and the turns that all modes take. */
#include "load/run.h"

#include "base/clock.h"
#include "io/process.h"
#include "load/interrupt.h"
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

static int read_urls(struct run *r, char *why)
{
    const struct options *o = r->options;
    const char *wrong = url_parse(o->url, &r->url);
    if (wrong)
        return give_up(why, EXIT_USAGE, "%.120s: %s", o->url, wrong);
    if (o->mode == LOAD_ECHO && r->url.scheme != URL_WS)
        return give_up(why, EXIT_USAGE, "%.120s: an event stream has no echo: give ws://", o->url);
    if (o->subprotocol && r->url.scheme != URL_WS)
        return give_up(why, EXIT_USAGE, "--subprotocol is for ws://");
    if (o->mode == LOAD_FANOUT && url_has_number(&r->url))
        return give_up(why, EXIT_USAGE, "fanout: all subscribers share one path, without {n}");
    r->publish_url = r->url;
    r->publish_url.target = url_path(&r->url);
    wrong = o->publish ? url_parse(o->publish, &r->publish_url) : NULL;
    if (wrong)
        return give_up(why, EXIT_USAGE, "--publish %.120s: %s", o->publish, wrong);
    if (o->publish && r->publish_url.scheme != URL_HTTP)
        return give_up(why, EXIT_USAGE, "--publish %.120s: messages are POSTed: give http://",
                       o->publish);
    return 0;
}

static int choose_sources(struct run *r, char *why)
{
    const struct options *o = r->options;
    struct sources *s = &r->plan.sources;
    if (!o->source)
        return sources_spread(s, &r->plan.remote, o->connections) == 0
                   ? 0
                   : give_up(why, EXIT_FAILED, "out of memory");
    const char *wrong = sources_parse(s, o->source);
    if (wrong)
        return give_up(why, EXIT_USAGE, "--source %.120s: %s", o->source, wrong);
    if (s->at[0].any.sa_family != r->plan.remote.any.sa_family)
        return give_up(why, EXIT_USAGE, "--source %.120s: the target is %s", o->source,
                       r->plan.remote.any.sa_family == AF_INET ? "IPv4" : "IPv6");
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
    report->url = o->url;
    report->is_sse = r->url.scheme == URL_HTTP;
    report->is_local = source_is_loopback(&r->plan.remote) || o->pid != 0;
    report->payload_len = o->payload_len;
    report->asked = o->connections;
    report->pid = o->pid;
    report->failures = &r->swarm.failures;
    report->handshake = &r->swarm.handshake;
    report->latency = &r->latency;
    report->checker = (struct checker){.run = r->id, .payload_len = o->payload_len};
}

static int prepare(struct run *r, char *why)
{
    const struct options *o = r->options;
    int status = read_urls(r, why);
    if (status == 0)
        status = find_host(&r->url, &r->plan.remote, why);
    if (status == 0)
        status = choose_sources(r, why);
    if (status == 0 && o->mode == LOAD_FANOUT)
        status = find_host(&r->publish_url, &r->publish_remote, why);
    if (status == 0 && o->pid && !usage_process_exists(o->pid))
        return give_up(why, EXIT_USAGE, "--pid %llu: there is no such process",
                       (unsigned long long)o->pid);
    return status;
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
    if (handshake_init(&r->plan.handshake, &r->url, o->subprotocol) != 0 ||
        swarm_init(&r->swarm, &r->engine, &r->plan, with_user) != 0)
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

/* --- turns ------------------------------------------------------------------------------------ */

static void show(struct run *r, const char *what, uint64_t done, uint64_t total)
{
    struct text more = {0};
    const struct failures *f = &r->swarm.failures;
    for (size_t i = 0; i < f->count && i < 3; i++)
        text_printf(&more, ", %llu x %s", (unsigned long long)f->at[i].count, f->at[i].what);
    progress_show(&r->progress, what, done, total, text_bytes(&more));
    text_fini(&more);
}

bool run_turn(struct run *r, uint64_t until_ns, const char *what, uint64_t done, uint64_t total)
{
    swarm_turn(&r->swarm, until_ns);
    if (progress_is_due(&r->progress, r->engine.now_ns))
        show(r, what, done, total);
    r->report.interrupted = interrupt_came();
    return !r->report.interrupted;
}

bool run_open(struct run *r)
{
    const struct swarm *s = &r->swarm;
    bool goes_on = true;
    while (goes_on && !swarm_is_settled(s))
        goes_on = run_turn(r, UINT64_MAX, "connected", s->opened, s->plan->count);
    r->report.connect_ns = clock_monotonic_ns() - s->began_ns;
    if (swarm_is_hopeless(s) && s->dialed < s->plan->count)
        failures_add_many(&r->swarm.failures, "not tried: there was no hope",
                          s->plan->count - s->dialed);
    progress_end(&r->progress);
    return goes_on;
}

bool run_rest(struct run *r, uint64_t seconds, const char *what)
{
    const uint64_t began_ns = clock_monotonic_ns();
    const uint64_t until_ns = began_ns + seconds * NS_PER_S;
    bool goes_on = !r->report.interrupted;
    while (goes_on && r->engine.now_ns < until_ns)
        goes_on = run_turn(r, until_ns, what, (r->engine.now_ns - began_ns) / NS_PER_S, seconds);
    progress_end(&r->progress);
    return goes_on;
}

void run_work_begins(struct run *r)
{
    usage_take(r->options->pid, &r->before);
}

void run_work_ends(struct run *r)
{
    struct usage now;
    usage_take(r->options->pid, &now);
    r->report.cpu_ns = now.cpu_ns - r->before.cpu_ns;
}

void run_measure_memory(struct run *r)
{
    struct usage now;
    const double open = (double)r->swarm.open;
    if (r->swarm.open == 0)
        return;
    usage_take(r->options->pid, &now);
    r->report.has_memory = true;
    r->report.pss_each = ((double)now.pss_bytes - (double)r->fresh.pss_bytes) / open;
    r->report.kernel_each = ((double)now.kernel_bytes - (double)r->fresh.kernel_bytes) / open;
}
