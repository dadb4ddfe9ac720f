/* SipHash-1-3 against a slow one written from the paper's description, itself anchored by the one
 * vector the paper prints (for 2-4). */
#include "base/siphash.h"

#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

/* Rotation by single steps, words by single bytes: slow, and shares nothing with the real one. */
static uint64_t rotl_slowly(uint64_t x, int times)
{
    while (times-- > 0)
        x = (x << 1) + (x >> 63);
    return x;
}

static void mix_slowly(uint64_t v[4], int rounds)
{
    static const struct {
        int to, from, turn, turn_to;
    } half[4] = {{0, 1, 13, 32}, {2, 3, 16, 0}, {2, 1, 17, 32}, {0, 3, 21, 0}};

    for (; rounds > 0; rounds--)
        for (int i = 0; i < 4; i++) {
            v[half[i].to] += v[half[i].from];
            v[half[i].from] = rotl_slowly(v[half[i].from], half[i].turn) ^ v[half[i].to];
            v[half[i].to] = rotl_slowly(v[half[i].to], half[i].turn_to);
        }
}

static uint64_t siphash_slowly(int c, int d, const uint8_t key[16], const uint8_t *in, size_t len)
{
    static const char magic[4][9] = {"somepseu", "dorandom", "lygenera", "tedbytes"};
    uint64_t v[4] = {0};
    for (int i = 0; i < 32; i++) /* the magic words are big-endian text, the key little-endian */
        v[i / 8] |= (uint64_t)(uint8_t)magic[i / 8][i % 8] << (56 - i % 8 * 8);
    for (int i = 0; i < 32; i++)
        v[i / 8] ^= (uint64_t)key[i % 16] << i % 8 * 8;

    const size_t padded = (len / 8 + 1) * 8;
    uint64_t word = 0;
    for (size_t i = 0; i < padded; i++) {
        const uint8_t byte = i < len ? in[i] : i == padded - 1 ? (uint8_t)len : 0;
        word |= (uint64_t)byte << i % 8 * 8;
        if (i % 8 < 7)
            continue;
        v[3] ^= word;
        mix_slowly(v, c);
        v[0] ^= word;
        word = 0;
    }
    v[2] ^= 0xff;
    mix_slowly(v, d);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static const uint8_t counting_key[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const struct siphash_key counting = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

Test(siphash, slow_reference_gives_the_vector_of_the_paper)
{
    uint8_t in[15];
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)i;
    cr_assert(eq(u64, siphash_slowly(2, 4, counting_key, in, sizeof(in)), 0xa129ca6149be45e5u));
}

Test(siphash, agrees_with_the_slow_reference_at_every_length)
{
    uint8_t in[300];
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)(i * 37 + 11);
    for (size_t len = 0; len <= sizeof(in); len++) {
        const struct span copy = guarded_copy((struct bytes){in, len});
        cr_assert(eq(u64, siphash(&counting, span_bytes(copy)),
                     siphash_slowly(1, 3, counting_key, in, len)),
                  "length %zu", len);
    }
    guarded_release();
}

Test(siphash, depends_on_every_bit_of_the_key)
{
    const struct bytes in = BYTES_LITERAL("a topic");
    const uint64_t plain = siphash(&counting, in);
    for (unsigned bit = 0; bit < 64; bit++) {
        const struct siphash_key low = {counting.k0 ^ 1ull << bit, counting.k1};
        const struct siphash_key high = {counting.k0, counting.k1 ^ 1ull << bit};
        cr_assert(ne(u64, siphash(&low, in), plain));
        cr_assert(ne(u64, siphash(&high, in), plain));
    }
}

Test(siphash, tells_zero_bytes_of_different_counts_apart)
{
    const uint8_t zeros[17] = {0};
    for (size_t a = 0; a <= sizeof(zeros); a++)
        for (size_t b = a + 1; b <= sizeof(zeros); b++)
            cr_assert(ne(u64, siphash(&counting, (struct bytes){zeros, a}),
                         siphash(&counting, (struct bytes){zeros, b})));
}

Test(siphash, hashes_an_absent_run_like_an_empty_one)
{
    cr_assert(
        eq(u64, siphash(&counting, (struct bytes){0}), siphash(&counting, BYTES_LITERAL(""))));
}
