/* Sums over reactors, one metric after the other. */
#include "conn/metrics.h"

#include "base/clock.h"
#include "conn/callback.h"
#include "conn/reactor.h"
#include "io/process.h"

#include <inttypes.h>

static const char *const proto_names[STAT_PROTOS] = {"http", "poll", "sse", "ws", "local"};
static const char *const source_names[STAT_SOURCES] = {"http", "ws"};
#define NAME(name) #name,
static const char *const refused_names[REFUSED_COUNT] = {REFUSED_REASONS(NAME)};
static const char *const rejected_names[REJECTED_COUNT] = {REJECTED_REASONS(NAME)};
static const char *const callback_names[CALLBACK_COUNT] = {CALLBACKS(NAME)};
#undef NAME

static const char *const gap_names[GAP_REASONS] = {"epoch", "trimmed", "slow"};

static void add_head(struct text *out, const char *name, const char *type, const char *help)
{
    text_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_value(struct text *out, const char *name, uint64_t value)
{
    text_printf(out, "%s %" PRIu64 "\n", name, value);
}

/* offset: of the counter in struct stats. */
static uint64_t sum(const struct broker *b, size_t offset)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < b->reactor_count; i++) {
        const void *at = (const char *)&b->reactors[i].stats + offset;
        total += stat_read((const _Atomic uint64_t *)at);
    }
    return total;
}

struct family {
    const char *name, *type, *help;
    const char *label; /* NULL: one value */
    const char *const *values;
    size_t count;
    size_t offset; /* of the first counter in struct stats */
};

static void add_family(struct text *out, const struct broker *b, const struct family *f)
{
    add_head(out, f->name, f->type, f->help);
    if (!f->label) {
        add_value(out, f->name, sum(b, f->offset));
        return;
    }
    for (size_t i = 0; i < f->count; i++)
        text_printf(out, "%s{%s=\"%s\"} %" PRIu64 "\n", f->name, f->label, f->values[i],
                    sum(b, f->offset + i * sizeof(_Atomic uint64_t)));
}

#define AT(field) offsetof(struct stats, field)
static const struct family families[] = {
    {"uproar_accepts_total", "counter", "Connections accepted.", NULL, NULL, 0, AT(accepts)},
    {"uproar_refused_total", "counter", "Connections and requests refused.", "reason",
     refused_names, REFUSED_COUNT, AT(refused)},
    {"uproar_received_bytes_total", "counter", "Bytes received.", "proto", proto_names, STAT_PROTOS,
     AT(received_bytes)},
    {"uproar_sent_bytes_total", "counter", "Bytes handed to the kernel.", "proto", proto_names,
     STAT_PROTOS, AT(sent_bytes)},
    {"uproar_publish_rejected_total", "counter", "Publishes that were refused.", "reason",
     rejected_names, REJECTED_COUNT, AT(rejected)},
    {"uproar_deliveries_total", "counter", "Messages sent to a subscriber.", "proto", proto_names,
     STAT_PROTOS, AT(deliveries)},
    {"uproar_gaps_total", "counter", "Subscribers told that messages are missing.", "reason",
     gap_names, GAP_REASONS, AT(gaps)},
    {"uproar_deflate_compressions_total", "counter",
     "Messages compressed for subscribers: once for all of them, and once more for JSON.", NULL,
     NULL, 0, AT(deflate_compressions)},
    {"uproar_slow_closes_total", "counter", "Subscribers closed for not keeping up.", NULL, NULL, 0,
     AT(slow_closes)},
    {"uproar_callbacks_late_total", "counter", "Callbacks that kept their reactor waiting.",
     "callback", callback_names, CALLBACK_COUNT, AT(callbacks_late)},
    {"uproar_subscriptions", "gauge", "Subscriptions.", NULL, NULL, 0, AT(subscriptions)},
};

static void add_published(struct text *out, const struct broker *b)
{
    const char *name = "uproar_messages_published_total";
    add_head(out, name, "counter", "Messages accepted into the log.");
    for (size_t i = 0; i < STAT_SOURCES; i++)
        text_printf(out, "%s{source=\"%s\"} %" PRIu64 "\n", name, source_names[i],
                    sum(b, AT(published) + i * sizeof(_Atomic uint64_t)));
    text_printf(out, "%s{source=\"api\"} %" PRIu64 "\n", name, stat_read(&b->api_published));
}

static void add_connections(struct text *out, const struct broker *b)
{
    add_head(out, "uproar_connections", "gauge", "Connections by what they speak.");
    for (int p = 0; p < STAT_PROTOS; p++) {
        uint32_t total = 0;
        for (unsigned i = 0; i < b->reactor_count; i++)
            total +=
                atomic_load_explicit(&b->reactors[i].stats.connections[p], memory_order_relaxed);
        text_printf(out, "uproar_connections{proto=\"%s\"} %" PRIu32 "\n", proto_names[p], total);
    }
}

/* Every reactor retains the same log: the first one speaks for all. */
static void add_log(struct text *out, const struct broker *b)
{
    const struct stats *s = &b->reactors[0].stats;
    add_head(out, "uproar_history_bytes", "gauge", "Payload and 256 bytes for each message kept.");
    add_value(out, "uproar_history_bytes", stat_read(&s->history_bytes));
    add_head(out, "uproar_history_messages", "gauge", "Messages kept.");
    add_value(out, "uproar_history_messages", stat_read(&s->history_messages));
    add_head(out, "uproar_image_bytes", "gauge", "Wire images kept with messages.");
    add_value(out, "uproar_image_bytes",
              atomic_load_explicit(&b->image_bytes, memory_order_relaxed));
    add_head(out, "uproar_pinned_bytes", "gauge",
             "Messages that cut frames hold, by the same price, and their images.");
    add_value(out, "uproar_pinned_bytes",
              atomic_load_explicit(&b->pinned_bytes, memory_order_relaxed));
    add_head(out, "uproar_topics", "gauge", "Topics with a message or a subscriber.");
    uint64_t topics = 0;
    for (unsigned i = 0; i < b->reactor_count; i++) {
        const uint64_t own = stat_read(&b->reactors[i].stats.topics);
        topics = own > topics ? own : topics;
    }
    add_value(out, "uproar_topics", topics);
}

static void add_reactors(struct text *out, const struct broker *b)
{
    add_head(out, "uproar_reactor_ring_entries", "gauge", "Log entries a reactor has yet to take.");
    for (unsigned i = 0; i < b->reactor_count; i++)
        text_printf(out, "uproar_reactor_ring_entries{reactor=\"%u\"} %zu\n", i,
                    log_reactor_ring_len(b->log, i));
    add_head(out, "uproar_wakeups_total", "counter", "Times a sleeping reactor was woken.");
    for (unsigned i = 0; i < b->reactor_count; i++)
        text_printf(out, "uproar_wakeups_total{reactor=\"%u\"} %" PRIu64 "\n", i,
                    stat_read(&b->reactors[i].stats.wakeups));
}

/* Read while it blocks: by whoever asks on another thread. */
static void add_running(struct text *out, const struct broker *b)
{
    const char *name = "uproar_callback_running_seconds";
    add_head(out, name, "gauge", "How long a callback keeps its reactor waiting already.");
    for (unsigned i = 0; i < b->reactor_count; i++) {
        const uint64_t running = stat_read(&b->reactors[i].stats.callback);
        const uint64_t now_ns = clock_monotonic_ns(), since_ns = stat_callback_since(running);
        if (running == 0 || now_ns < since_ns + CALLBACK_LATE_MS * 1000000ull)
            continue;
        text_printf(out, "%s{reactor=\"%u\",callback=\"%s\"} %.3f\n", name, i,
                    callback_names[stat_callback_which(running)],
                    (double)(now_ns - since_ns) / 1e9);
    }
}

/* offset: of the histogram in struct stats. */
static const struct histogram *histogram_at(const struct broker *b, unsigned reactor, size_t offset)
{
    const void *at = (const char *)&b->reactors[reactor].stats + offset;
    return at;
}

static void add_histogram(struct text *out, const struct broker *b, const char *name,
                          const char *help, size_t offset)
{
    static const uint64_t bounds_us[] = {50,    100,   250,   500,    1000,   2500,    5000,
                                         10000, 25000, 50000, 100000, 250000, 1000000, 5000000};
    add_head(out, name, "histogram", help);
    for (size_t k = 0; k < sizeof(bounds_us) / sizeof(bounds_us[0]); k++) {
        uint64_t below = 0;
        for (unsigned i = 0; i < b->reactor_count; i++)
            below += histogram_count_below(histogram_at(b, i, offset), bounds_us[k] * 1000);
        text_printf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, (double)bounds_us[k] / 1e6,
                    below);
    }
    uint64_t total = 0, sum_ns = 0;
    for (unsigned i = 0; i < b->reactor_count; i++) {
        total += histogram_total(histogram_at(b, i, offset));
        sum_ns += stat_read(&histogram_at(b, i, offset)->sum_ns);
    }
    text_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.9f\n%s_count %" PRIu64 "\n",
                name, total, name, (double)sum_ns / 1e9, name, total);
}

static void add_process(struct text *out)
{
    struct process_usage u;
    process_usage(&u);
    add_head(out, "process_cpu_seconds_total", "counter", "User and system CPU time.");
    text_printf(out, "process_cpu_seconds_total %.6f\n", (double)u.cpu_ns / 1e9);
    add_head(out, "process_resident_memory_bytes", "gauge", "Resident memory.");
    add_value(out, "process_resident_memory_bytes", u.resident_bytes);
    add_head(out, "process_virtual_memory_bytes", "gauge", "Address space, reserved included.");
    add_value(out, "process_virtual_memory_bytes", u.virtual_bytes);
    add_head(out, "process_max_fds", "gauge", "RLIMIT_NOFILE.");
    add_value(out, "process_max_fds", u.fd_count_max);
    add_head(out, "process_start_time_seconds", "gauge", "Unix time of the process' start.");
    text_printf(out, "process_start_time_seconds %.2f\n", (double)u.start_ms / 1e3);
}

void metrics_add(struct text *out, const struct broker *b)
{
    add_head(out, "uproar_build_info", "gauge", "What runs.");
    text_printf(out, "uproar_build_info{version=\"%s\",io=\"%s\"} 1\n", b->version, b->io_name);
    add_connections(out, b);
    add_published(out, b);
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        add_family(out, b, &families[i]);
    add_log(out, b);
    add_reactors(out, b);
    add_running(out, b);
    add_histogram(out, b, "uproar_publish_to_send_seconds",
                  "From publish to the first send on each reactor.", AT(publish_to_send));
    add_histogram(
        out, b, "uproar_turn_seconds",
        "What a reactor's turn took, its sleep apart: how long others wait for their own.",
        AT(turn));
    add_process(out);
}
