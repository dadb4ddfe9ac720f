/* Rounds, counted, timed and printed. A run that ended early prints no figures but zeros.
 * Starts no round: that is the mode's business. */
#include "client_rounds.h"

#include "base/alloc.h"
#include "client_swarm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

int rounds_init(struct rounds *r, const struct client_options *o)
{
    *r = (struct rounds){.options = o, .target = o->warmup + o->messages};
    r->latency = alloc_zeroed(sizeof(*r->latency));
    return r->latency ? 0 : -ENOMEM;
}

void rounds_fini(struct rounds *r)
{
    alloc_free(r->latency);
}

void round_done(struct rounds *r, uint64_t began_ns, uint64_t now_ns)
{
    if (r->done >= r->options->warmup && r->done < r->target)
        histogram_record(r->latency, now_ns - began_ns);
    r->done++;
    /* Both ends of the measurement fall into full flow, so what is in flight cancels out. */
    if (r->done == r->options->warmup)
        measure_begin(&r->measure, r->options);
    else if (r->done == r->target)
        measure_end(&r->measure);
}

static void costs_print(const struct rounds *r)
{
    /* Begun, but never ended: no figure. */
    const struct measure none = {0};
    const struct measure *m = rounds_are_done(r) ? &r->measure : &none;
    const double count = (double)r->options->messages;
    printf(",\"cpu_us_per_round\":%.4f,\"softirqd_us_per_round\":%.4f,\"rounds_per_second\":%.0f",
           (double)m->cpu_ns / 1e3 / count, (double)m->softirqd_ns / 1e3 / count,
           count * 1e9 / (double)(m->wall_ns ? m->wall_ns : 1));
    printf(",\"p50_us\":%.1f,\"p99_us\":%.1f}\n",
           (double)histogram_quantile(r->latency, 0.50) / 1e3,
           (double)histogram_quantile(r->latency, 0.99) / 1e3);
}

void rounds_print(const struct rounds *r, const struct swarm *s, const char *mode, int err)
{
    const struct client_options *o = r->options;
    if (!r->latency)
        return; /* out of memory: nothing to tell */
    printf("{\"mode\":\"%s\",\"ok\":%s,\"conns\":%u,\"bytes\":%" PRIu64 ",\"rounds\":%" PRIu64,
           mode, err == 0 ? "true" : "false", o->conns, o->payload_len, o->messages);
    if (s)
        printf(",\"connect_failed\":%u,\"closed\":%u", s->failed, s->closed);
    else
        printf(",\"publishers\":%u,\"window\":%u", o->publishers, o->window);
    costs_print(r);
}
