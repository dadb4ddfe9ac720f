/* UTF-8 by what the next byte may be: a lead byte fixes how many follow and the range of the first
 * of them, which is all it takes to refuse overlong forms, surrogates and > U+10FFFF at once.
 * Decodes nothing. */
#include "base/utf8.h"

/* What has to come; as one integer it is the caller's state, 0 between characters. */
struct utf8_wanted {
    uint8_t count;     /* continuation bytes */
    uint8_t low, high; /* range of the next one */
};

static uint32_t pack(struct utf8_wanted w)
{
    return w.count ? (uint32_t)w.count | (uint32_t)w.low << 8 | (uint32_t)w.high << 16 : 0;
}

static struct utf8_wanted unpack(uint32_t state)
{
    return (struct utf8_wanted){(uint8_t)state, (uint8_t)(state >> 8), (uint8_t)(state >> 16)};
}

/* RFC 3629, 4. False: nothing starts with c. */
static bool start(struct utf8_wanted *w, uint8_t c)
{
    *w = (struct utf8_wanted){0, 0x80, 0xbf};
    if (c < 0x80)
        return true;
    if (c < 0xc2 || c > 0xf4)
        return false; /* continuation bytes, overlong forms, > U+13FFFF */
    w->count = (uint8_t)(1 + (c >= 0xe0) + (c >= 0xf0));
    if (c == 0xe0)
        w->low = 0xa0; /* overlong below */
    else if (c == 0xed)
        w->high = 0x9f; /* surrogates above */
    else if (c == 0xf0)
        w->low = 0x90; /* overlong below */
    else if (c == 0xf4)
        w->high = 0x8f; /* > U+10FFFF above */
    return true;
}

static bool step(struct utf8_wanted *w, uint8_t c)
{
    if (w->count == 0)
        return start(w, c);
    if (c < w->low || c > w->high)
        return false;
    *w = (struct utf8_wanted){(uint8_t)(w->count - 1), 0x80, 0xbf};
    return true;
}

/* --- whole blocks ------------------------------------------------------------------------------
 *
 * Whether a byte may stand where it does, the three before it say: so many can be looked at at
 * once, in the compilers' own vectors. All that comes out is whether a block is fine: if not, the
 * steps above find where. */

/* Without AVX2 an x86 steps: its shorter vectors would do as well, but that is for machines of
 * 2012. Others have 16 bytes. */
#ifdef __x86_64__
#define BLOCKS_FOR __attribute__((target("avx2")))
enum { VECTOR_LEN = 32 };
#else
#define BLOCKS_FOR
enum { VECTOR_LEN = 16 };
#endif
enum { BLOCK_LEN = 128, LOOKS_BACK = 3 };

struct vector {
    uint8_t bytes __attribute__((vector_size(VECTOR_LEN)));
};
/* The same anywhere in memory: a memcpy() would take the way through the stack. */
struct vector_at {
    uint8_t bytes __attribute__((vector_size(VECTOR_LEN)));
} __attribute__((packed, may_alias));

/* A comparison's result: all ones where it holds. */
#define WHERE(comparison) ((uint8_t __attribute__((vector_size(VECTOR_LEN))))(comparison))

ALWAYS_INLINE void load(struct vector *v, const uint8_t *at)
{
    v->bytes = ((const struct vector_at *)at)->bytes;
}

ALWAYS_INLINE bool is_zero(const struct vector *v)
{
    const uint64_t __attribute__((vector_size(VECTOR_LEN))) lanes =
        (uint64_t __attribute__((vector_size(VECTOR_LEN))))v->bytes;
    uint64_t any = 0;
    for (size_t i = 0; i < VECTOR_LEN / sizeof(uint64_t); i++)
        any |= lanes[i];
    return any == 0;
}

/* What a block's bytes have in common. Each asks the least of the processor in its own way. */
struct verdict {
    struct vector fits;  /* 1 bits: continuation bytes stand where they are due, and only there */
    struct vector below; /* 1 bits: no byte is as high as the leads of four */
    struct vector bad;   /* not 0: a byte may not stand where it does */
    struct vector bad20; /* the same, of this bit alone */
};

/* RFC 3629, 4, for up to three bytes. */
ALWAYS_INLINE void judge(const uint8_t *at, struct verdict *v)
{
    struct vector b, before, before2;
    load(&b, at);
    load(&before, at - 1);
    load(&before2, at - 2);
    const struct vector not_due = {WHERE(before.bytes < 0xc0) & WHERE(before2.bytes < 0xe0)};
    v->fits.bytes &= not_due.bytes ^ WHERE((b.bytes & 0xc0) == 0x80);
    v->below.bytes &= WHERE(b.bytes < 0xf0);
    v->bad.bytes |= WHERE((b.bytes & 0xfe) == 0xc0); /* overlong */
    /* Behind e0 from a0 on, else it is overlong; behind ed below it, or it is a surrogate. */
    v->bad20.bytes |=
        (WHERE(before.bytes == 0xe0) & ~b.bytes) | (WHERE(before.bytes == 0xed) & b.bytes);
}

/* The same for up to four. */
ALWAYS_INLINE void judge_fours(const uint8_t *at, struct verdict *v)
{
    struct vector b, before, before2, before3;
    load(&b, at);
    load(&before, at - 1);
    load(&before2, at - 2);
    load(&before3, at - 3);
    const struct vector low = {WHERE((b.bytes & 0x30) == 0)}; /* 80-8f, where it is due */
    const struct vector not_due = {WHERE(before.bytes < 0xc0) & WHERE(before2.bytes < 0xe0) &
                                   WHERE(before3.bytes < 0xf0)};
    v->fits.bytes &= not_due.bytes ^ WHERE((b.bytes & 0xc0) == 0x80);
    v->bad.bytes |= WHERE((b.bytes & 0xfe) == 0xc0) | WHERE(b.bytes > 0xf4);
    v->bad.bytes |= WHERE(before.bytes == 0xf0) & low.bytes;  /* overlong */
    v->bad.bytes |= WHERE(before.bytes == 0xf4) & ~low.bytes; /* > U+10FFFF */
    v->bad20.bytes |=
        (WHERE(before.bytes == 0xe0) & ~b.bytes) | (WHERE(before.bytes == 0xed) & b.bytes);
}

ALWAYS_INLINE bool is_fine(const struct verdict *v)
{
    const struct vector bad = {~v->fits.bytes | v->bad.bytes | (v->bad20.bytes & 0x20)};
    return is_zero(&bad);
}

ALWAYS_INLINE bool block_is_fine(const uint8_t *at)
{
    const struct vector zeros = {0}, ones = {~zeros.bytes};
    const struct verdict none = {ones, ones, zeros, zeros};
    struct verdict v = none;
    for (size_t i = 0; i < BLOCK_LEN; i += VECTOR_LEN)
        judge(at + i, &v);
    const struct vector fours = {~v.below.bytes};
    if (is_zero(&fours) && at[-1] < 0xf0 && at[-2] < 0xf0 && at[-3] < 0xf0)
        return is_fine(&v);
    v = none;
    for (size_t i = 0; i < BLOCK_LEN; i += VECTOR_LEN)
        judge_fours(at + i, &v);
    return is_fine(&v);
}

/* Bytes in the fine blocks at the beginning. */
BLOCKS_FOR static size_t fine_blocks(const uint8_t *at, size_t len)
{
    size_t fine = 0;
    while (len - fine >= BLOCK_LEN && block_is_fine(at + fine))
        fine += BLOCK_LEN;
    return fine;
}

static bool has_vectors(void)
{
#ifdef __x86_64__
    return __builtin_cpu_supports("avx2");
#else
    return true;
#endif
}

/* How many bytes before `end` the character begins that goes on behind it; 0: none does. */
static size_t unfinished_len(const uint8_t *end)
{
    for (size_t back = 1; back <= LOOKS_BACK; back++) {
        const uint8_t c = end[-(ptrdiff_t)back];
        const size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        if (c >= 0xc0)
            return len > back ? back : 0;
    }
    return 0;
}

/* --- a run ------------------------------------------------------------------------------------ */

/* Steps up to `stop`, and on to the end of a character. Returns where it is; SIZE_MAX: a byte that
 * may not be there. */
static size_t steps(struct utf8_wanted *w, struct bytes in, size_t at, size_t stop)
{
    for (; at < in.len && (at < stop || w->count > 0); at++)
        if (!step(w, in.at[at]))
            return SIZE_MAX;
    return at;
}

bool utf8_stream(uint32_t *state, struct bytes in)
{
    struct utf8_wanted wanted = unpack(*state);
    size_t at = steps(&wanted, in, 0, LOOKS_BACK);
    if (at == SIZE_MAX)
        return false;
    if (in.len - at >= BLOCK_LEN && has_vectors()) {
        at += fine_blocks(in.at + at, in.len - at);
        at -= unfinished_len(in.at + at);
    }
    if (steps(&wanted, in, at, in.len) == SIZE_MAX)
        return false;
    *state = pack(wanted);
    return true;
}

bool utf8_is_valid(struct bytes in)
{
    uint32_t state = 0;
    return utf8_stream(&state, in) && state == 0;
}

struct bytes utf8_cut(struct bytes b, size_t max)
{
    if (b.len > max)
        for (b.len = max; b.len > 0 && (b.at[b.len] & 0xc0) == 0x80;)
            b.len--;
    return b;
}
