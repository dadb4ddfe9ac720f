/* SipHash with one round per word and three at the end: enough to keep peers from choosing
 * collisions in a table, not a signature. */
#include "base/siphash.h"

struct siphash_state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(struct siphash_state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 = rotate_left(s->v2, 32);
}

static void absorb(struct siphash_state *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

static uint64_t load_le(const uint8_t *at, size_t count)
{
    uint64_t value = 0;
    for (size_t i = count; i > 0; i--)
        value = value << 8 | at[i - 1];
    return value;
}

uint64_t siphash(const struct siphash_key *key, struct bytes in)
{
    /* "somepseudorandomlygeneratedbytes", as the algorithm defines it. */
    struct siphash_state s = {
        .v0 = key->k0 ^ 0x736f6d6570736575u,
        .v1 = key->k1 ^ 0x646f72616e646f6du,
        .v2 = key->k0 ^ 0x6c7967656e657261u,
        .v3 = key->k1 ^ 0x7465646279746573u,
    };
    if (!in.at)
        in = BYTES_LITERAL(""); /* absent hashes as empty */
    size_t done = 0;
    for (; in.len - done >= 8; done += 8)
        absorb(&s, load_le(in.at + done, 8));
    absorb(&s, load_le(in.at + done, in.len - done) | (uint64_t)in.len << 56);
    s.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
