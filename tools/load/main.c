/* The program `uproar-load`: a load generator for any WebSocket or SSE server. Command line, mode,
 * report, exit status; what a mode does is in mode_NAME.c. */
#include "base/alloc.h"
#include "load/doctor.h"
#include "load/interrupt.h"
#include "load/mode_compare.h"
#include "load/run.h"

#include <stdio.h>

enum { EXIT_CLEAN = 0, EXIT_FAULTS = 1, EXIT_USAGE = 2 };

static int complain(int status, const char *why)
{
    fprintf(stderr, "uproar-load: %s\n", why);
    return status;
}

/* 0, or the exit status when nobody can read it. */
static int print_and_free(struct text *t)
{
    const struct bytes b = text_bytes(t);
    const bool is_out = fwrite(b.at, 1, b.len, stdout) == b.len && fflush(stdout) == 0;
    text_fini(t);
    return is_out ? EXIT_CLEAN : complain(EXIT_FAULTS, "cannot write to standard output");
}

static const struct mode *mode_of(const struct options *o)
{
    const struct mode *const all[] = {&mode_idle, &mode_fanout, &mode_echo, &mode_connect};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i]->mode == o->mode)
            return all[i];
    return NULL;
}

static int say(const struct run *r)
{
    struct text out = {0};
    const struct options *o = r->options;
    report_add_text(&out, &r->report);
    const int err = o->json ? report_write_json(&r->report, o->json) : 0;
    const int status = print_and_free(&out);
    if (err != 0) {
        fprintf(stderr, "uproar-load: --json %s: %s\n", o->json, strerror(-err));
        return EXIT_FAULTS;
    }
    return report_is_clean(&r->report) ? status : EXIT_FAULTS;
}

/* This thread is the reactor. */
static ENTERS_REACTOR int run(const struct options *o)
{
    char why[RUN_WHY_MAX] = "";
    const struct mode *mode = mode_of(o);
    struct run *r = alloc_zeroed(sizeof(*r)); /* histograms: too much for a stack */
    if (!r)
        return complain(EXIT_FAULTS, "out of memory");
    int status = run_init(r, o, &mode->hooks, why);
    if (status != 0) {
        complain(status, why);
    } else {
        interrupt_arm();
        mode->run(r);
        r->report.opened = r->swarm.opened;
        r->report.dropped = r->swarm.dropped;
        r->report.told = r->swarm.told;
        r->report.pings = r->swarm.pings;
        status = say(r);
    }
    run_fini(r);
    alloc_free(r);
    return status;
}

int main(int argc, char **argv)
{
    struct options o;
    char why[OPTIONS_WHY_MAX];
    struct text out = {0};
    (void)argc;
    switch (options_parse(&o, argv, why)) {
    case OPTIONS_RUN:
        return o.mode == LOAD_DOCTOR    ? doctor_run(&o)
               : o.mode == LOAD_COMPARE ? compare_run(&o)
                                        : run(&o);
    case OPTIONS_HELP:
        options_add_help(&out);
        break;
    case OPTIONS_VERSION:
        text_add_str(&out, "uproar-load " UPROAR_VERSION "\n");
        break;
    case OPTIONS_WRONG:
        return complain(EXIT_USAGE, why);
    }
    return print_and_free(&out);
}
