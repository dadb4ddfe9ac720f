/* A run's figures in words. Every figure stands with its unit, and what it is a figure of. */
#include "load/report.h"

#include "base/assert.h"
#include "load/words.h"

#define NS_PER_S 1e9

void report_sample(struct report_samples *s, uint64_t ns)
{
    if (s->count < REPORT_SAMPLES_MAX)
        s->ns[s->count++] = ns;
}

uint64_t report_failed(const struct report *r)
{
    /* Whoever was not tried because of Ctrl-C has not failed. */
    uint64_t counted = 0;
    if (!r->interrupted)
        return r->asked - r->opened;
    for (size_t i = 0; i < r->failures->count; i++)
        counted += r->failures->at[i].count;
    return counted > r->dropped ? counted - r->dropped : 0;
}

uint64_t report_lost(const struct report *r)
{
    return checker_lost(&r->checker, r->expected);
}

bool report_is_clean(const struct report *r)
{
    const bool did_something = !r->interrupted || r->opened > 0;
    return did_something && report_failed(r) == 0 && r->dropped == 0 && !r->trouble &&
           r->told == r->drain_count && checker_is_clean(&r->checker, r->expected);
}

static double per_second(uint64_t count, uint64_t ns)
{
    return ns > 0 ? (double)count * NS_PER_S / (double)ns : 0;
}

/* --- the table -------------------------------------------------------------------------------- */

static void add_quantiles(struct text *out, const char *name, const struct latency *l)
{
    static const struct {
        const char *name;
        double q;
    } quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};
    if (l->total == 0)
        return;
    text_printf(out, "%-12s", name);
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
        text_printf(out, "%s%s ", i > 0 ? ", " : "", quantiles[i].name);
        words_add_duration(out, latency_quantile(l, quantiles[i].q));
    }
    text_add_byte(out, '\n');
}

static void add_named_count(struct text *out, uint64_t count, const char *name)
{
    text_add_str(out, ", ");
    words_add_count(out, count);
    text_printf(out, " %s", name);
}

static void add_connections(struct text *out, const struct report *r)
{
    text_printf(out, "%-12s", "connections");
    words_add_count(out, r->opened);
    text_add_str(out, " of ");
    words_add_count(out, r->asked);
    text_add_str(out, " in ");
    words_add_duration(out, r->connect_ns);
    text_add_str(out, " (");
    words_add_count(out, (uint64_t)per_second(r->opened, r->connect_ns));
    text_add_str(out, "/s)");
    add_named_count(out, report_failed(r), "failed");
    add_named_count(out, r->dropped, "dropped");
    add_named_count(out, r->pings, "pings answered");
    text_add_byte(out, '\n');
    for (size_t i = 0; i < r->failures->count; i++) {
        text_printf(out, "%-12s", i == 0 ? "failures" : "");
        words_add_count(out, r->failures->at[i].count);
        text_printf(out, " x %s\n", r->failures->at[i].what);
    }
}

static void add_messages(struct text *out, const struct report *r)
{
    if (r->mode != LOAD_FANOUT && r->mode != LOAD_ECHO)
        return;
    text_printf(out, "%-12s", "messages");
    words_add_count(out, r->published);
    text_printf(out, " of %llu B", (unsigned long long)r->payload_len);
    if (r->retried > 0)
        add_named_count(out, r->retried, "tried again");
    text_printf(out, "\n%-12s", "deliveries");
    words_add_count(out, r->checker.delivered);
    text_add_str(out, " of ");
    words_add_count(out, r->expected);
    text_add_str(out, " in ");
    words_add_duration(out, r->talking_ns);
    text_add_str(out, " (");
    words_add_count(out, (uint64_t)per_second(r->checker.delivered, r->talking_ns));
    text_add_str(out, "/s)");
    add_named_count(out, report_lost(r), "lost");
    add_named_count(out, r->checker.duplicated, "twice");
    add_named_count(out, r->checker.disordered, "out of order");
    add_named_count(out, r->checker.corrupt, "corrupt");
    if (r->checker.foreign > 0)
        add_named_count(out, r->checker.foreign, "of somebody else");
    text_add_byte(out, '\n');
}

static void add_trouble(struct text *out, const struct report *r)
{
    if (r->trouble)
        text_printf(out, "%-12s%s\n", "trouble", r->trouble);
}

/* What the server's CPU time is divided by. */
static uint64_t work_of(const struct report *r)
{
    return r->mode == LOAD_CONNECT ? r->opened : r->checker.delivered;
}

static void add_server(struct text *out, const struct report *r)
{
    if (r->pid == 0 || r->mode == LOAD_IDLE)
        return;
    text_printf(out, "%-12s", "server CPU");
    words_add_duration(out, r->cpu_ns);
    if (work_of(r) > 0)
        text_printf(out, ", %.2f us per %s", (double)r->cpu_ns / 1000 / (double)work_of(r),
                    r->mode == LOAD_CONNECT ? "connection" : "delivery");
    text_add_byte(out, '\n');
}

static void add_idle_server(struct text *out, const struct report *r)
{
    if (r->pid == 0 || r->held_ns == 0)
        return;
    text_printf(out, "%-12s", "idle CPU");
    words_add_duration(out, r->held_cpu_ns);
    text_printf(out, " of the server's, %.2f %% of a core\n",
                100.0 * (double)r->held_cpu_ns / (double)r->held_ns);
}

static void add_drain(struct text *out, const struct report *r)
{
    if (!r->has_drain)
        return;
    text_printf(out, "%-12s", "drain");
    words_add_count(out, r->told);
    text_add_str(out, " of ");
    words_add_count(out, r->drain_count);
    text_add_str(out, " told to leave, in ");
    words_add_duration(out, r->drain_ns);
    text_add_byte(out, '\n');
}

static void add_memory(struct text *out, const struct report *r)
{
    if (!r->has_memory)
        return;
    text_printf(out, "%-12s", "memory");
    if (r->pid != 0) {
        words_add_size(out, r->pss_each);
        text_add_str(out, " of the server's (PSS), ");
    }
    words_add_size(out, r->kernel_each);
    text_printf(out, " of the kernel's (Slab, KernelStack, PageTables; %s) per connection\n",
                r->is_local ? "both ends" : "this end");
}

void report_add_text(struct text *out, const struct report *r)
{
    text_printf(out, "%-12s", options_mode_name(r->mode));
    for (uint64_t i = 0; i < r->url_count; i++)
        text_printf(out, "%s%s", i > 0 ? " " : "", r->urls[i]);
    text_add_byte(out, '\n');
    add_connections(out, r);
    add_quantiles(out, "handshake", r->handshake);
    add_idle_server(out, r);
    add_memory(out, r);
    add_messages(out, r);
    add_quantiles(out, "latency", r->latency);
    add_server(out, r);
    add_drain(out, r);
    add_trouble(out, r);
    report_add_sentence(out, r);
    text_add_byte(out, '\n');
}

/* --- the sentence ----------------------------------------------------------------------------- */

static const char *protocol(const struct report *r)
{
    if (r->has_ws && r->has_sse)
        return "WebSocket and event-stream";
    return r->has_sse ? "event-stream" : "WebSocket";
}

static void say_idle(struct text *out, const struct report *r)
{
    words_add_count(out, r->opened);
    text_printf(out, " %s connections held for ", protocol(r));
    words_add_duration(out, r->held_ns);
    text_add_str(out, ": ");
    words_add_count(out, report_failed(r));
    text_add_str(out, " failed");
    add_named_count(out, r->dropped, "lost");
    if (!r->has_memory)
        return;
    text_add_str(out, ", ");
    words_add_size(out, r->kernel_each);
    text_printf(out, " of kernel memory%s", r->is_local ? " (both ends)" : "");
    if (r->pid != 0) {
        text_add_str(out, " and ");
        words_add_size(out, r->pss_each);
        text_add_str(out, " of the server's own");
    }
    text_add_str(out, " each");
}

static void say_faults(struct text *out, const struct report *r)
{
    text_add_str(out, ": ");
    words_add_count(out, report_lost(r));
    text_add_str(out, " lost");
    add_named_count(out, r->checker.duplicated, "twice");
    add_named_count(out, r->checker.disordered, "out of order");
    add_named_count(out, r->checker.corrupt, "corrupt");
    if (report_failed(r) + r->dropped > 0)
        add_named_count(out, report_failed(r) + r->dropped, "connections failed");
}

static void say_latency(struct text *out, const struct latency *l)
{
    if (l->total == 0)
        return;
    text_add_str(out, "; p50 ");
    words_add_duration(out, latency_quantile(l, 0.5));
    text_add_str(out, ", p99 ");
    words_add_duration(out, latency_quantile(l, 0.99));
}

static void say_cpu(struct text *out, const struct report *r)
{
    if (r->pid == 0 || work_of(r) == 0)
        return;
    text_add_str(out, ", ");
    words_add_duration(out, r->cpu_ns / work_of(r));
    text_add_str(out, " of server CPU each");
}

static void say_fanout(struct text *out, const struct report *r)
{
    words_add_count(out, r->published);
    text_printf(out, " messages of %llu B to ", (unsigned long long)r->payload_len);
    words_add_count(out, r->opened);
    text_printf(out, " %s subscribers", protocol(r));
    say_faults(out, r);
    say_latency(out, r->latency);
    say_cpu(out, r);
}

static void say_echo(struct text *out, const struct report *r)
{
    words_add_count(out, r->published);
    text_printf(out, " echoes of %llu B on ", (unsigned long long)r->payload_len);
    words_add_count(out, r->opened);
    text_add_str(out, " WebSocket connections, ");
    words_add_count(out, (uint64_t)per_second(r->checker.delivered, r->talking_ns));
    text_add_str(out, "/s");
    say_faults(out, r);
    say_latency(out, r->latency);
    say_cpu(out, r);
}

static void say_connect(struct text *out, const struct report *r)
{
    words_add_count(out, r->opened);
    text_printf(out, " %s handshakes in ", protocol(r));
    words_add_duration(out, r->connect_ns);
    text_add_str(out, ", ");
    words_add_count(out, (uint64_t)per_second(r->opened, r->connect_ns));
    text_add_str(out, "/s: ");
    words_add_count(out, report_failed(r) + r->dropped);
    text_add_str(out, " failed");
    say_latency(out, r->handshake);
    say_cpu(out, r);
}

static void say_drain(struct text *out, const struct report *r)
{
    if (!r->has_drain)
        return;
    text_add_str(out, "; ");
    words_add_count(out, r->told);
    text_add_str(out, " told to leave in ");
    words_add_duration(out, r->drain_ns);
}

void report_add_sentence(struct text *out, const struct report *r)
{
    switch (r->mode) {
    case LOAD_IDLE:
        say_idle(out, r);
        break;
    case LOAD_FANOUT:
        say_fanout(out, r);
        break;
    case LOAD_ECHO:
        say_echo(out, r);
        break;
    case LOAD_CONNECT:
        say_connect(out, r);
        break;
    case LOAD_DOCTOR:
    case LOAD_COMPARE:
        UNREACHABLE("they have reports of their own");
    }
    say_drain(out, r);
    text_add_str(out, r->interrupted ? " (interrupted)." : ".");
}
