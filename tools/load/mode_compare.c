/* compare: the same three times, with a topic for each transport. First everybody comes, one
 * transport after the other, so that the server's memory tells what each takes; then each gets its
 * messages; then each is cut, all of its subscribers at once, further messages are published, and
 * all come back from the place where they were.
 *
 * The place is the id that the publisher was told: a raw WebSocket frame has none, and how a client
 * remembers its place is not what is measured. */
#include "load/mode_compare.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "load/compare.h"
#include "load/interrupt.h"
#include "load/mode_fanout.h"

#include <errno.h>
#include <stdio.h>

enum {
    MISSED = 37,
    WARM_UP = 200,
    HOLD_S = 1,
    SETTLE_S = 1,
    EXIT_CLEAN = 0,
    EXIT_FAULTS = 1,
    EXIT_USAGE = 2
};

static const struct transport {
    const char *name, *scheme, *suffix;
    bool polls;
} transports[COMPARE_ROWS] = {{"WebSocket", "ws", ".websocket", false},
                              {"SSE", "http", ".sse", false},
                              {"long-poll", "http", ".poll", true}};
/* With a topic of its own: its subscribers are not to be counted in. */
static const struct transport warming = {"warm-up", "ws", ".warm-up", false};

/* One transport's run. */
struct contest {
    struct run run;
    struct options options;
    const struct transport *transport;
    struct text url, target; /* texts that others point into */
    struct url resumed;      /* where to come back */
    struct swarm_plan plan;
    uint64_t back_ns; /* when the cut ones begin to come back; 0: not yet */
    struct latency back;
    struct compare_row *row;
};

/* --- beginning -------------------------------------------------------------------------------- */

static void on_message(void *user, uint32_t slot, struct bytes message)
{
    struct run *r = user;
    struct contest *c = r->mode_state;
    const struct checker_place *place = &engine_peer(&r->engine, slot)->place;
    const uint32_t before = place->next;
    fanout_message(user, slot, message);
    if (c->back_ns != 0 && before < MISSED && place->next == MISSED)
        latency_record(&c->back, r->engine.now_ns - c->back_ns);
}

/* The topic of the URL, with a last part of its own: nobody gets the others' messages. */
static void make_url(struct contest *c, const struct url *base)
{
    text_printf(&c->url, "%s://", c->transport->scheme);
    url_add_authority(&c->url, base);
    text_add(&c->url, url_path(base));
    text_add_str(&c->url, c->transport->suffix);
    text_add_byte(&c->url, '\0');
}

static ON_REACTOR int begin(struct contest *c, const struct options *o, const struct url *base,
                            char *why)
{
    const struct swarm_hooks hooks = {.message = on_message};
    make_url(c, base);
    if (c->url.failed)
        return EXIT_FAULTS;
    c->options = *o;
    c->options.mode = LOAD_FANOUT;
    c->options.urls[0] = (const char *)c->url.at;
    c->options.json = NULL;
    c->run.mode_state = c;
    const int status = run_init(&c->run, &c->options, &hooks, why);
    c->run.plan.targets[0].handshake.polls = c->transport->polls;
    return status;
}

static ON_REACTOR void finish(struct contest *c)
{
    run_fini(&c->run);
    text_fini(&c->url);
    text_fini(&c->target);
}

/* --- figures ---------------------------------------------------------------------------------- */

static void add_books(struct contest *c)
{
    const struct run *r = &c->run;
    const struct checker *books = &r->report.checker;
    struct compare_row *row = c->row;
    row->lost += checker_lost(books, r->report.expected);
    row->twice += books->duplicated;
    row->disordered += books->disordered;
    row->corrupt += books->corrupt;
    row->failed += r->swarm.failed + r->swarm.dropped;
}

static void note_memory(struct contest *c)
{
    c->row->subscribers = c->run.swarm.open;
    c->row->has_memory = c->run.report.has_memory && c->run.report.pid != 0;
    c->row->memory_each = c->run.report.pss_each;
}

static void note_messages(struct contest *c, uint64_t received, uint64_t sent)
{
    const struct run *r = &c->run;
    const double deliveries = (double)r->report.checker.delivered;
    struct compare_row *row = c->row;
    row->messages = r->report.published;
    row->payload_len = r->report.payload_len;
    row->p50_ns = latency_quantile(&r->latency, 0.5);
    row->p99_ns = latency_quantile(&r->latency, 0.99);
    if (deliveries > 0) {
        row->received_each = (double)received / deliveries;
        row->sent_each = (double)sent / deliveries;
        row->has_cpu = r->report.pid != 0;
        row->cpu_each_ns = (double)r->report.cpu_ns / deliveries;
    }
    add_books(c);
}

/* --- the three parts -------------------------------------------------------------------------- */

static ON_REACTOR bool open_all(struct contest *c)
{
    const bool goes_on = run_open(&c->run) && run_hold(&c->run, HOLD_S);
    note_memory(c);
    if (c->run.swarm.open < c->options.connections)
        c->row->failed = c->options.connections - c->run.swarm.open;
    return goes_on && c->row->failed == 0;
}

static ON_REACTOR bool talk(struct contest *c)
{
    struct run *r = &c->run;
    if (!run_rest(r, SETTLE_S, "settling, seconds"))
        return false;
    const uint64_t received = r->engine.received_bytes[SWARM_KIND];
    const uint64_t sent = r->engine.sent_bytes[SWARM_KIND];
    if (!fanout_publish(r, r->swarm.open))
        return false;
    note_messages(c, r->engine.received_bytes[SWARM_KIND] - received,
                  r->engine.sent_bytes[SWARM_KIND] - sent);
    return r->publisher.state != PUBLISHER_BROKEN && !r->report.interrupted;
}

/* The target that comes back to that place. */
static bool make_target(struct contest *c, struct bytes place)
{
    c->resumed = c->run.urls[0];
    text_add(&c->target, c->resumed.target);
    text_printf(&c->target, "?after=%.*s", (int)place.len, (const char *)place.at);
    c->resumed.target = text_bytes(&c->target);
    return place.at && !c->target.failed;
}

/* Others take the place of those who were cut: the same engine, new books. */
static ON_REACTOR bool replace_swarm(struct contest *c)
{
    struct run *r = &c->run;
    struct swarm_hooks hooks = {.message = on_message, .user = r};
    c->plan = r->plan;
    c->plan.targets[0].handshake.url = &c->resumed;
    swarm_fini(&r->swarm);
    r->id = (r->id + 1) & PAYLOAD_RUN_MAX;
    r->publisher.accepted = 0;
    r->report.checker = (struct checker){.run = r->id, .payload_len = c->options.payload_len};
    c->options.messages = MISSED;
    c->options.every_ms = 0;
    return swarm_init(&r->swarm, &r->engine, &c->plan, hooks) == 0;
}

/* Nobody is there to get it. */
static ON_REACTOR bool publish_missed(struct contest *c)
{
    c->plan.count = 0;
    const bool all = fanout_publish(&c->run, 0) && c->run.publisher.accepted == MISSED;
    c->plan.count = (uint32_t)c->options.connections;
    return all;
}

static ON_REACTOR void come_back(struct contest *c)
{
    struct run *r = &c->run;
    const struct checker *books = &r->report.checker;
    uint64_t delivered = 0;
    r->report.expected = MISSED * c->options.connections;
    c->back_ns = clock_monotonic_ns();
    for (uint64_t moved_ns = c->back_ns; books->delivered < r->report.expected;) {
        if (!run_turn(r, UINT64_MAX, "back, delivered", books->delivered, r->report.expected))
            break;
        if (books->delivered != delivered)
            moved_ns = r->engine.now_ns;
        else if (r->engine.now_ns > moved_ns + r->plan.timeout_ns)
            break;
        delivered = books->delivered;
    }
    run_linger(r);
}

static ON_REACTOR bool cut_and_come_back(struct contest *c)
{
    struct run *r = &c->run;
    if (!make_target(c, publisher_last_id(&r->publisher)))
        return false;
    swarm_cut(&r->swarm);
    if (!replace_swarm(c) || !publish_missed(c))
        return false;
    come_back(c);
    c->row->missed = MISSED;
    c->row->got = r->report.checker.delivered;
    c->row->back_p50_ns = latency_quantile(&c->back, 0.5);
    c->row->back_p99_ns = latency_quantile(&c->back, 0.99);
    add_books(c);
    return !r->report.interrupted;
}

/* --- the whole -------------------------------------------------------------------------------- */

static int complain(int status, const char *why)
{
    fprintf(stderr, "uproar-load: %s\n", why);
    return status;
}

/* What a server takes for its first connections is not theirs: some come before, and stay. */
static ON_REACTOR int warm_up(struct contest *c, const struct options *o, const struct url *base,
                              char *why)
{
    struct options few = *o;
    few.connections = o->connections < WARM_UP ? o->connections : WARM_UP;
    const int status = begin(c, &few, base, why);
    return status != 0 || run_open(&c->run) ? status : EXIT_FAULTS;
}

static ON_REACTOR int run_all(struct contest *all, const struct options *o, const struct url *base)
{
    char why[RUN_WHY_MAX] = "broken off";
    int status = warm_up(&all[COMPARE_ROWS], o, base, why);
    interrupt_arm();
    for (int i = 0; i < COMPARE_ROWS; i++) {
        if (status == 0)
            status = begin(&all[i], o, base, why);
        if (status != 0)
            return complain(status, why);
        if (!open_all(&all[i]))
            return complain(EXIT_FAULTS, "not everybody could connect");
    }
    for (int i = 0; i < COMPARE_ROWS; i++)
        if (!talk(&all[i]) || !cut_and_come_back(&all[i]))
            return complain(EXIT_FAULTS, all[i].run.publisher.state == PUBLISHER_BROKEN
                                             ? all[i].run.publisher.why
                                             : "broken off: not an uproar server, or Ctrl-C");
    return EXIT_CLEAN;
}

static int write_json(const char *path, const struct compare_row *rows)
{
    struct text out = {0};
    compare_add_json(&out, rows);
    FILE *file = out.failed ? NULL : fopen(path, "we");
    const struct bytes b = text_bytes(&out);
    bool written = file && fwrite(b.at, 1, b.len, file) == b.len;
    written = (!file || fclose(file) == 0) && written;
    text_fini(&out);
    if (!written)
        fprintf(stderr, "uproar-load: --json %s: %s\n", path, strerror(errno));
    return written ? EXIT_CLEAN : EXIT_FAULTS;
}

static int tell(const struct options *o, const struct compare_row *rows)
{
    struct text out = {0};
    compare_add_text(&out, rows);
    const struct bytes b = text_bytes(&out);
    const bool is_out = fwrite(b.at, 1, b.len, stdout) == b.len && fflush(stdout) == 0;
    text_fini(&out);
    const int status = o->json ? write_json(o->json, rows) : EXIT_CLEAN;
    return is_out && compare_is_clean(rows) ? status : EXIT_FAULTS;
}

/* This thread is the reactor of all three. */
static ENTERS_REACTOR int compare(const struct options *o, const struct url *base)
{
    struct compare_row rows[COMPARE_ROWS] = {0};
    struct contest *all = alloc_zeroed((COMPARE_ROWS + 1) * sizeof(*all)); /* and the warm-up */
    if (!all)
        return complain(EXIT_FAULTS, "out of memory");
    for (int i = 0; i < COMPARE_ROWS; i++) {
        rows[i].name = transports[i].name;
        all[i].transport = &transports[i];
        all[i].row = &rows[i];
    }
    all[COMPARE_ROWS].transport = &warming;
    int status = run_all(all, o, base);
    if (status == EXIT_CLEAN)
        status = tell(o, rows);
    for (int i = 0; i < COMPARE_ROWS + 1; i++)
        finish(&all[i]);
    alloc_free(all);
    return status;
}

int compare_run(const struct options *o)
{
    struct url base;
    char why[RUN_WHY_MAX];
    const char *problem = o->url_count == 1 ? url_parse(o->urls[0], &base) : "compare: one URL";
    if (!problem && base.scheme != URL_HTTP)
        problem = "compare: give http://HOST:PORT/t/TOPIC";
    if (!problem && url_has_number(&base))
        problem = "compare: all subscribers share one path, without {n}";
    if (!problem && url_path(&base).len != base.target.len)
        problem = "compare: a topic's URL has no query";
    if (!problem)
        return compare(o, &base);
    snprintf(why, sizeof(why), "%.120s: %s", o->urls[0], problem);
    return complain(EXIT_USAGE, why);
}
