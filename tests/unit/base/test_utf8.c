/* UTF-8: every code point, every two- and three-byte start, every cut, at every place in a block.
 */
#include "base/utf8.h"
#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

/* The definition: encodes a code point, surrogates and too large ones included. */
static size_t encode(uint32_t point, uint8_t out[4])
{
    if (point < 0x80) {
        out[0] = (uint8_t)point;
        return 1;
    }
    const size_t len = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i > 0; i--, point >>= 6)
        out[i] = (uint8_t)(0x80 | (point & 0x3f));
    out[0] = (uint8_t)(leads[len] | point);
    return len;
}

static bool is_scalar(uint32_t point)
{
    return point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
}

Test(utf8, takes_every_code_point_but_surrogates)
{
    for (uint32_t point = 0; point < 0x200000; point++) {
        uint8_t text[4];
        const size_t len = encode(point, text);
        if (utf8_is_valid((struct bytes){text, len}) != is_scalar(point))
            cr_fatal("U+%04X", point);
    }
}

/* Can these bytes be the start of a character's encoding? By search, not by rule. */
static bool starts_some_character(const uint8_t *start, size_t len)
{
    static bool two[65536], three[16777216], known;
    for (uint32_t point = 0x80; !known && point <= 0x10ffff; point++) {
        uint8_t text[4];
        const size_t full = encode(point, text);
        two[text[0] << 8 | text[1]] |= is_scalar(point);
        if (full > 2)
            three[text[0] << 16 | text[1] << 8 | text[2]] |= is_scalar(point);
    }
    known = true;
    return len == 2 ? two[start[0] << 8 | start[1]]
                    : three[start[0] << 16 | start[1] << 8 | start[2]];
}

Test(utf8, fails_at_the_earliest_byte_that_decides)
{
    for (uint32_t i = 0x8000; i < 0x10000; i++) {
        const uint8_t start[] = {(uint8_t)(i >> 8), (uint8_t)i};
        uint32_t state = 0;
        if (utf8_stream(&state, (struct bytes){start, 2}) != starts_some_character(start, 2))
            cr_fatal("%04x", i);
    }
    for (uint32_t i = 0xe00000; i < 0x1000000; i++) {
        const uint8_t start[] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        uint32_t state = 0;
        if (utf8_stream(&state, (struct bytes){start, 3}) != starts_some_character(start, 3))
            cr_fatal("%06x", i);
    }
}

Test(utf8, refuses_leads_that_start_nothing)
{
    for (unsigned c = 0x80; c < 256; c++) {
        const uint8_t lead = (uint8_t)c;
        uint32_t state = 0;
        cr_assert(eq(int, utf8_stream(&state, (struct bytes){&lead, 1}), c >= 0xc2 && c <= 0xf4),
                  "%02x", c);
    }
}

static bool valid_in_pieces(struct bytes text, size_t first, size_t second)
{
    const struct bytes rest = bytes_skip(text, first);
    uint32_t state = 0;

    return utf8_stream(&state, span_bytes(guarded_copy((struct bytes){text.at, first}))) &&
           utf8_stream(&state, span_bytes(guarded_copy((struct bytes){rest.at, second}))) &&
           utf8_stream(&state, span_bytes(guarded_copy(bytes_skip(rest, second)))) && state == 0;
}

Test(utf8, says_the_same_wherever_the_text_is_cut)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"", true},
        {"plain ascii of some length", true},
        {"\xce\xba\xe1\xbd\xb9\xf0\x9f\x93\xa3.", true},
        {"a\xc0\xaf", false},         /* overlong '/' */
        {"a\xe0\x80\xaf", false},     /* overlong, three bytes */
        {"a\xf0\x80\x80\xaf", false}, /* overlong, four bytes */
        {"\xed\xa0\x80", false},      /* a surrogate */
        {"\xed\xb0\x80z", false},
        {"\xf4\x90\x80\x80", false}, /* U+110000 */
        {"\xf5\x80\x80\x80", false},
        {"a\xe1\xbd", false}, /* cut off */
        {"a\xe1z", false},
        {"\x80", false},
        {"\xff", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct bytes text = bytes_from(cases[i].text);
        cr_assert(eq(int, utf8_is_valid(text), cases[i].valid), "case %zu", i);
        for (size_t first = 0; first <= text.len; first++)
            for (size_t second = 0; second <= text.len - first; second++) {
                cr_assert(eq(int, valid_in_pieces(text, first, second), cases[i].valid),
                          "case %zu cut at %zu and %zu", i, first, second);
                guarded_release();
            }
    }
}

Test(utf8, is_at_a_characters_end_only_with_state_zero)
{
    const uint8_t text[] = {0xf0, 0x9f, 0x93, 0xa3};
    uint32_t state = 0;
    for (size_t i = 0; i < sizeof(text); i++) {
        cr_assert(utf8_stream(&state, (struct bytes){text + i, 1}));
        cr_assert(eq(int, state == 0, i == 3), "behind byte %zu", i);
    }
}

Test(utf8, sees_one_wrong_byte_anywhere_in_long_ascii)
{
    uint8_t text[200];
    for (size_t len = 1; len <= sizeof(text); len++) {
        memset(text, 'x', sizeof(text));
        const struct span copy = guarded_copy((struct bytes){text, len});
        cr_assert(utf8_is_valid(span_bytes(copy)), "length %zu", len);
        for (size_t at = 0; at < len; at++) {
            copy.at[at] = 0xff;
            cr_assert(not(utf8_is_valid(span_bytes(copy))), "byte %zu of %zu", at, len);
            copy.at[at] = 'x';
        }
        guarded_release();
    }
}

Test(utf8, takes_characters_anywhere_in_long_ascii)
{
    uint8_t text[200];
    for (size_t at = 0; at + 4 <= sizeof(text); at++) {
        memset(text, 'x', sizeof(text));
        memcpy(text + at, "\xf0\x9f\x93\xa3", 4);
        cr_assert(utf8_is_valid(span_bytes(guarded_copy((struct bytes){text, sizeof(text)}))));
        text[at + 3] = 'x';
        cr_assert(not(utf8_is_valid((struct bytes){text, sizeof(text)})), "at %zu", at);
        guarded_release();
    }
}

Test(utf8, skips_no_ascii_inside_a_character)
{
    uint8_t ascii[256];
    memset(ascii, 'x', sizeof(ascii));
    for (size_t len = 1; len <= sizeof(ascii); len++) {
        uint32_t state = 0;
        cr_assert(utf8_stream(&state, BYTES_LITERAL("\xe2\x82")));
        cr_assert(not(utf8_stream(&state, (struct bytes){ascii, len})), "length %zu", len);
    }
}

Test(utf8, takes_an_absent_run)
{
    uint32_t state = 0;
    cr_assert(utf8_stream(&state, (struct bytes){NULL, 0}));
    cr_assert(utf8_is_valid((struct bytes){NULL, 0}));
}

Test(utf8, cuts_between_characters)
{
    const struct bytes text = BYTES_LITERAL("a\xe2\x82\xac\xf0\x9f\x93\xa3z");
    static const size_t kept[] = {0, 1, 1, 1, 4, 4, 4, 4, 8, 9, 9};
    for (size_t max = 0; max < sizeof(kept) / sizeof(kept[0]); max++) {
        const struct bytes cut = utf8_cut(text, max);
        cr_assert(eq(sz, cut.len, kept[max]), "max %zu", max);
        cr_assert(eq(ptr, (void *)(uintptr_t)cut.at, (void *)(uintptr_t)text.at));
    }
}
