/* One run: what all modes share, from the command line to the report. A mode opens, does its work,
 * and leaves its figures in the report. */
#pragma once

#include "load/options.h"
#include "load/progress.h"
#include "load/publisher.h"
#include "load/report.h"
#include "load/swarm.h"
#include "load/usage.h"

enum { RUN_WHY_MAX = 256 };

struct run {
    const struct options *options;
    struct url urls[OPTIONS_URLS_MAX], publish_url;
    struct swarm_plan plan;
    union io_address publish_remote;
    struct engine engine;
    struct swarm swarm;
    struct publisher publisher;
    struct progress progress;
    struct usage fresh; /* before the first connection */
    uint64_t before_ns; /* the server's CPU time before the work that it is told of */
    uint64_t zero_ns;   /* times in payloads count from here */
    uint32_t id;        /* in payloads: this run's */
    struct latency latency;
    struct report report;
    void *mode_state; /* a mode's own, for its hooks */
};

/* Reads the URLs, finds the host, opens the io; the hooks' user is the run. 0, or 1 or 2: the exit
 * status, and why. run_fini() in any case. */
ON_REACTOR int run_init(struct run *r, const struct options *o, const struct swarm_hooks *hooks,
                        char why[static RUN_WHY_MAX]) MUST_CHECK;
ON_REACTOR void run_fini(struct run *r);

/* Serves events until then at most, and shows how far it is. False: Ctrl-C. */
ON_REACTOR bool run_turn(struct run *r, uint64_t until_ns, const char *what, uint64_t done,
                         uint64_t total);
/* Opens all that are wanted, or as many as there is hope for. False: Ctrl-C. */
ON_REACTOR bool run_open(struct run *r);
/* Goes on serving for that long, in seconds. False: Ctrl-C. */
ON_REACTOR bool run_rest(struct run *r, uint64_t seconds, const char *what);
/* The same, and looks at what idle connections cost meanwhile. */
ON_REACTOR bool run_hold(struct run *r, uint64_t seconds);
/* A little longer, for what comes twice: that comes soon after the first time. */
ON_REACTOR void run_linger(struct run *r);
/* Ends the server, and waits for everybody to be told, while anybody is. */
ON_REACTOR void run_drain(struct run *r);
/* The server's CPU time, when --pid says which it is. When it has ended, nothing is told of it but
 * that. */
uint64_t run_server_cpu_ns(struct run *r);
/* From here on the server's CPU time counts... */
void run_work_begins(struct run *r);
/* ...and up to here. */
void run_work_ends(struct run *r);
/* Now, as payloads count time. */
static inline uint64_t run_now_ns(const struct run *r)
{
    return r->engine.now_ns - r->zero_ns;
}

/* mode_NAME.c, one each: the hooks, and the run itself. */
struct mode {
    enum load_mode mode;
    struct swarm_hooks hooks;
    void (*run)(struct run *r);
};
extern const struct mode mode_idle, mode_fanout, mode_echo, mode_connect;
