/* UTF-8 by what the next byte may be: a lead byte fixes how many follow and the range of the first
 * of them, which is all it takes to refuse overlong forms, surrogates and > U+10FFFF at once.
 * Decodes nothing. */
#include "base/utf8.h"

enum { ASCII_BLOCK = 64 };

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

/* The compilers' own vectors: gcc -O2 does not find them in a loop. */
struct ascii_lane {
    uint64_t pair __attribute__((vector_size(16)));
};

static bool is_ascii_block(const uint8_t *at)
{
    struct ascii_lane lane[ASCII_BLOCK / sizeof(struct ascii_lane)];

    memcpy(lane, at, sizeof(lane));
    lane[0].pair |= lane[1].pair;
    lane[2].pair |= lane[3].pair;
    lane[0].pair |= lane[2].pair;
    return ((lane[0].pair[0] | lane[0].pair[1]) & 0x8080808080808080) == 0;
}

/* The first position from `at` on that is not in a whole block of ASCII. */
static size_t skip_ascii(struct bytes in, size_t at)
{
    while (in.len - at >= ASCII_BLOCK && is_ascii_block(in.at + at))
        at += ASCII_BLOCK;
    return at;
}

bool utf8_stream(uint32_t *state, struct bytes in)
{
    struct utf8_wanted wanted = unpack(*state);

    for (size_t at = 0; at < in.len;) {
        if (wanted.count == 0)
            at = skip_ascii(in, at);
        /* Looking for ASCII again after every character would cost text of others dearly. */
        const size_t stop = in.len - at < ASCII_BLOCK ? in.len : at + ASCII_BLOCK;
        for (; at < stop; at++)
            if (!step(&wanted, in.at[at]))
                return false;
    }
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
