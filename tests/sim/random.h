/* The seed decides everything: one stream of numbers for the whole run, so that a seed replays
 * exactly. Nothing in a simulation may ask anybody else for chance, time or addresses' order. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

static inline struct random random_from(uint64_t seed)
{
    return (struct random){seed * 0x9e3779b97f4a7c15u + 0x1234567u};
}

/* Splitmix64. */
static inline uint64_t random_next(struct random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0..bound-1; bound >= 1. */
static inline uint32_t random_below(struct random *r, uint32_t bound)
{
    return (uint32_t)((random_next(r) >> 32) * bound >> 32);
}

/* low..high, both included. */
static inline uint32_t random_between(struct random *r, uint32_t low, uint32_t high)
{
    return low + random_below(r, high - low + 1);
}

static inline bool random_one_in(struct random *r, uint32_t n)
{
    return random_below(r, n) == 0;
}

/* 1..max, small ones as likely as large ones: lengths at which things are cut. */
static inline size_t random_length(struct random *r, size_t max)
{
    const unsigned bits_max = 64 - (unsigned)__builtin_clzll(max);
    const uint64_t mask = (UINT64_C(1) << random_between(r, 1, bits_max)) - 1;
    const uint64_t length = random_next(r) & mask;
    return length == 0 ? 1 : length > max ? max : (size_t)length;
}
