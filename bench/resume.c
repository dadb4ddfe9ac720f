/* Publishes a history, then lets thousands of connections resume in it at once, each at a place of
 * its own, and checks that each gets exactly what is due to it. How long the server's loop was held
 * up meanwhile is the figure. Starts no server and repeats nothing: bench/run does. */
#include "resume.h"

#include "base/clock.h"
#include "lib/net.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { QUIET_MS = 1500, SPARE_FILES = 64 };
static const double turn_gate_s = 0.05;

struct run {
    struct client_options options;
    struct loop loop;
    struct past past;
    struct resumes resumes;
    struct bystander bystander;
    struct server_view before, turns; /* turns: since before */
    struct measure measure;
    uint64_t seed;
    double asked_s, opened_s, seconds;
};

static int said(int err, const char *what)
{
    if (err != 0)
        fprintf(stderr, "resume: %s: %s\n", what, strerror(-err));
    return err;
}

/* --- the rush --------------------------------------------------------------------------------- */

/* Everybody is connected: from the first request to the last message. */
static int rush(struct run *run)
{
    struct resumes *r = &run->resumes;
    int err = said(server_look(&run->before, &run->options), "looking at the server");
    if (err != 0)
        return err;
    bystander_enter(&run->bystander, BYSTANDER_MEANWHILE);
    measure_begin(&run->measure, &run->options);
    const uint64_t begin_ns = run->measure.wall_ns;
    err = said(resumes_ask(r), "asking");
    run->asked_s = (double)(clock_monotonic_ns() - begin_ns) / 1e9;
    if (err == 0)
        err = said(resumes_read(r), "reading");
    measure_end(&run->measure);
    if (err != 0)
        return err;
    run->opened_s = (double)(r->opened_ns - begin_ns) / 1e9;
    run->seconds = (double)(r->last_ns - begin_ns) / 1e9;
    err = said(server_look(&run->turns, &run->options), "looking at the server");
    server_since(&run->before, &run->turns);
    return err;
}

/* The bystander first has the server for itself: what it sees then is the machine's. */
static int with_bystander(struct run *run)
{
    int err = said(bystander_begin(&run->bystander, run->options.port), "the bystander");
    if (err != 0)
        return err;
    err = said(resumes_connect(&run->resumes), "connecting");
    if (err == 0)
        err = said(loop_rest(&run->loop, QUIET_MS), "waiting");
    if (err == 0)
        err = rush(run);
    const int end = bystander_end(&run->bystander);
    return err != 0 ? err : end;
}

static int measure_all(struct run *run, uint32_t messages)
{
    run->resumes.options = &run->options;
    run->resumes.loop = &run->loop;
    run->resumes.past = &run->past;
    int err = said(past_init(&run->past, messages, &run->seed), "a history");
    if (err == 0)
        err = said(past_publish(&run->past, &run->options, &run->loop), "publishing");
    if (err == 0)
        err = said(resumes_init(&run->resumes, &run->seed), "a plan");
    return err == 0 ? with_bystander(run) : err;
}

/* --- the report ------------------------------------------------------------------------------- */

static void print_bystander(const struct run *run, const char *name, enum bystander_phase phase)
{
    struct bystander_result b;
    bystander_result(&run->bystander, phase, &b);
    printf("\"%s\":{\"messages\":%u,\"median_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f},", name,
           b.count, b.median_ms, b.p99_ms, b.max_ms);
}

static void print_turns(const struct server_view *v)
{
    printf("\"turns\":%llu,\"turn_seconds\":%.3f,\"longest_turn_ms\":%g,"
           "\"turns_above_50_ms\":%llu,\"turns_below_ms\":{",
           (unsigned long long)server_turns(v), v->turn_seconds, server_longest_turn_s(v) * 1e3,
           (unsigned long long)server_turns_above(v, turn_gate_s));
    for (unsigned i = 0; i < v->buckets; i++)
        printf("%s\"%g\":%llu", i ? "," : "", v->bound_s[i] * 1e3,
               (unsigned long long)v->turns_below[i]);
    printf("},\"involuntary_switches\":%llu,\"server_waited_s\":%.3f}\n",
           (unsigned long long)v->involuntary, (double)v->waited_ns / 1e9);
}

static void report(const struct run *run)
{
    const struct resumes *r = &run->resumes;
    const struct past *p = &run->past;
    printf("{\"resumes\":%u,\"history\":%u,\"busiest_topic\":%u,\"quietest_feed\":%u,"
           "\"delivered\":%llu,\"raw\":%llu,\"sse\":%llu,\"json\":%llu,\"bytes\":%llu,",
           r->complete, p->count, p->first[1] - p->first[0], p->first[FEEDS] - p->first[FEEDS - 1],
           (unsigned long long)r->received, (unsigned long long)r->received_of[RESUME_RAW],
           (unsigned long long)r->received_of[RESUME_SSE],
           (unsigned long long)r->received_of[RESUME_JSON], (unsigned long long)r->bytes);
    printf("\"asked_s\":%.3f,\"opened_s\":%.3f,\"seconds\":%.3f,\"server_cpu_s\":%.3f,"
           "\"softirqd_s\":%.3f,",
           run->asked_s, run->opened_s, run->seconds, (double)run->measure.cpu_ns / 1e9,
           (double)run->measure.softirqd_ns / 1e9);
    print_bystander(run, "bystander_before", BYSTANDER_BEFORE);
    print_bystander(run, "bystander", BYSTANDER_MEANWHILE);
    printf("\"bystander_real_time\":%s,", run->bystander.real_time ? "true" : "false");
    print_turns(&run->turns);
}

/* --- the command line ------------------------------------------------------------------------- */

static int usage(void)
{
    fputs("usage: resume --port PORT [options]\n"
          "  --pid PID           the server: its CPU time and context switches are read\n"
          "  --server-core N     also report what ksoftirqd/N used\n"
          "  --conns N           that resume at once, default 10000\n"
          "  --messages N        that are published before, default 100000\n"
          "  --seed N            another shuffle, other cursors\n"
          "  --timeout S         of the whole run, default 110\n",
          stderr);
    return 2;
}

struct number {
    const char *name;
    uint64_t min, max, value;
};
enum { PORT, PID, SERVER_CORE, CONNS, MESSAGES, SEED, TIMEOUT, NUMBERS };

static bool options_parse(struct number *numbers, int argc, char **argv)
{
    struct option longs[NUMBERS + 1] = {0};
    for (int i = 0; i < NUMBERS; i++)
        longs[i] = (struct option){numbers[i].name, required_argument, NULL, 1 + i};
    for (int key; (key = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        char *end = NULL;
        if (key < 1 || key > NUMBERS)
            return false;
        struct number *n = &numbers[key - 1];
        n->value = strtoull(optarg, &end, 10);
        if (end == optarg || *end != '\0' || n->value < n->min || n->value > n->max)
            return false;
    }
    return optind == argc && numbers[PORT].value > 0;
}

int main(int argc, char **argv)
{
    static struct run run;
    struct number numbers[NUMBERS] = {
        {"port", 1, 65535, 0},
        {"pid", 1, INT32_MAX, 0},
        {"server-core", 0, 4095, UINT64_MAX},
        {"conns", RESUME_KINDS, 1000000, 10000},
        {"messages", RARES + 1000, 10000000, 100000},
        {"seed", 0, UINT64_MAX, 1},
        {"timeout", 1, 3600, 110},
    };
    if (!options_parse(numbers, argc, argv))
        return usage();
    run.options = (struct client_options){.port = (uint16_t)numbers[PORT].value,
                                          .pid = (pid_t)numbers[PID].value,
                                          .server_core = (int)numbers[SERVER_CORE].value,
                                          .conns = (uint32_t)numbers[CONNS].value,
                                          .accepted = 201};
    run.seed = numbers[SEED].value;
    run.bystander.fd = -1;
    if (net_raise_nofile() < numbers[CONNS].value + SPARE_FILES)
        fputs("resume: the limit of open files is too low\n", stderr);
    if (loop_init(&run.loop, (uint32_t)numbers[TIMEOUT].value) != 0)
        return 1;
    const int err = measure_all(&run, (uint32_t)numbers[MESSAGES].value);
    if (err == 0)
        report(&run);
    resumes_fini(&run.resumes);
    bystander_fini(&run.bystander);
    past_fini(&run.past);
    loop_fini(&run.loop);
    return err == 0 ? 0 : 1;
}
