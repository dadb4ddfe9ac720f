/* The program: which seeds, how many, for how long. */
#include "sim/failure.h"
#include "sim/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
    "usage: sim [--seeds N] [--from SEED] [--seconds N] [--seed SEED] [--allocations]\n"
    "           [--allocation K] [--verbose]\n"
    "  --seeds N       how many runs (1000), each with a seed of its own\n"
    "  --from SEED     the first seed (1)\n"
    "  --seconds N     stop after so many seconds, whatever --seeds says\n"
    "  --seed SEED     only this one: replays it exactly\n"
    "  --allocations   short runs in which each allocation fails once, one a run\n"
    "  --allocation K  short runs in which only the K-th one fails\n"
    "  --verbose       print every event as it happens\n";

struct options {
    uint64_t seeds, from, seconds, allocation;
    bool allocations, verbose;
};

static uint64_t number_from(const char *text)
{
    char *end;
    errno = 0;
    const unsigned long long n = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || *text == '-') {
        fprintf(stderr, "sim: %s is no number\n%s", text, usage);
        exit(2);
    }
    return n;
}

static void set(struct options *o, const char *name, const char *value)
{
    if (strcmp(name, "--seeds") == 0) {
        o->seeds = number_from(value);
    } else if (strcmp(name, "--from") == 0) {
        o->from = number_from(value);
    } else if (strcmp(name, "--seconds") == 0) {
        o->seconds = number_from(value);
    } else if (strcmp(name, "--seed") == 0) {
        o->from = number_from(value);
        o->seeds = 1;
    } else if (strcmp(name, "--allocation") == 0) {
        o->allocation = number_from(value);
    } else {
        fprintf(stderr, "sim: unknown option %s\n%s", name, usage);
        exit(2);
    }
}

static struct options parse(int argc, char **argv)
{
    struct options o = {.seeds = 1000, .from = 1, .seconds = UINT64_MAX};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            o.verbose = true;
        } else if (strcmp(argv[i], "--allocations") == 0) {
            o.allocations = true;
        } else if (i + 1 < argc) {
            set(&o, argv[i], argv[i + 1]);
            i++;
        } else {
            fprintf(stderr, "sim: what about %s?\n%s", argv[i], usage);
            exit(2);
        }
    }
    return o;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Returns how many allocations were made to fail. */
static uint64_t run_one(const struct options *o, uint64_t seed)
{
    uint64_t k = 1;
    if (o->allocation > 0)
        return world_run_failing(seed, o->allocation);
    if (!o->allocations) {
        world_run(seed);
        return 0;
    }
    while (world_run_failing(seed, k))
        k++;
    return k - 1;
}

int main(int argc, char **argv)
{
    const struct options o = parse(argc, argv);
    const double began_s = now_s();
    uint64_t done = 0, failed_allocations = 0;
    failure_catch_signals();
    trace_show_all(o.verbose);
    for (; done < o.seeds && now_s() - began_s < (double)o.seconds; done++)
        failed_allocations += run_one(&o, o.from + done);
    const double took_s = now_s() - began_s;
    if (o.allocations || o.allocation > 0)
        printf("%llu allocations failed, one a run; ", (unsigned long long)failed_allocations);
    printf("%llu seeds from %llu kept every promise, in %.1f s: %.0f a second\n",
           (unsigned long long)done, (unsigned long long)o.from, took_s,
           (double)done / (took_s > 0 ? took_s : 1));
    return 0;
}
