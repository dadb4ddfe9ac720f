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

/* --- long runs, which are looked at in blocks ------------------------------------------------- */

/* By decoding, as RFC 3629, 3 defines it: shares nothing with what it judges. */
static bool decodes(struct bytes in)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    while (in.len > 0) {
        const uint8_t c = in.at[0];
        const size_t len = c < 0x80           ? 1
                           : (c >> 5) == 0x06 ? 2
                           : (c >> 4) == 0x0e ? 3
                           : (c >> 3) == 0x1e ? 4
                                              : 0;
        if (len == 0 || len > in.len)
            return false;
        uint32_t code = len == 1 ? c : c & (0x7fu >> len);
        for (size_t i = 1; i < len; i++) {
            if ((in.at[i] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (in.at[i] & 0x3f);
        }
        if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return false;
        in = bytes_skip(in, len);
    }
    return true;
}

enum { LONG = 420 };

static const char *const kinds[] = {"a", "\xc3\xa4", "\xed\x95\x9c", "\xf0\x9f\xa6\x81",
                                    "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa3\xee\x80\x80"};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* Text of whole characters of that kind, then ASCII. */
static void fill_kind(uint8_t text[static LONG], size_t kind)
{
    const size_t len = strlen(kinds[kind]);
    memset(text, 'z', LONG);
    for (size_t at = 0; at + len <= LONG; at += len)
        memcpy(text + at, kinds[kind], len);
}

static void expect_same(const uint8_t text[static LONG], size_t kind, size_t at)
{
    const struct bytes run = {text, LONG};
    cr_assert(eq(int, utf8_is_valid(run), decodes(run)), "kind %zu, %02x %02x %02x %02x at %zu",
              kind, text[at], text[at + 1], text[at + 2], text[at + 3], at);
}

Test(utf8, judges_every_lead_in_long_text_of_every_kind_as_decoding_does)
{
    static const uint8_t behind[] = {0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0};
    static const size_t places[] = {120, 129, 130, 131, 257, 290};
    uint8_t text[LONG];
    for (unsigned n = 0; n < 256 * 8 * 8 * 8; n++) {
        const size_t kind = n % KINDS, at = places[n % 6];
        const uint8_t sequence[] = {(uint8_t)(n >> 9), behind[n >> 6 & 7], behind[n >> 3 & 7],
                                    behind[n & 7]};
        for (size_t len = 1; len <= 4; len++) {
            fill_kind(text, kind);
            memcpy(text + at, sequence, len);
            expect_same(text, kind, at);
        }
    }
}

Test(utf8, judges_a_sequence_at_every_place_of_a_block)
{
    static const char *const sequences[] = {"\xe0\x9f\x80",
                                            "\xe0\xa0\x80",
                                            "\xed\x9f\xbf",
                                            "\xed\xa0\x80",
                                            "\xf0\x8f\xbf\xbf",
                                            "\xf0\x90\x80\x80",
                                            "\xf4\x8f\xbf\xbf",
                                            "\xf4\x90\x80\x80",
                                            "\xc1\xbf",
                                            "\xc2\x80",
                                            "\xf5\x80\x80\x80",
                                            "\x80",
                                            "\xe2\x82",
                                            "\xf0\x9f\xa6",
                                            "\xff",
                                            "\xc2"};
    uint8_t text[LONG];
    for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
        for (size_t at = 0; at + 4 <= LONG; at++) {
            fill_kind(text, at % KINDS);
            memcpy(text + at, sequences[i], strlen(sequences[i]));
            expect_same(text, at % KINDS, at);
        }
    }
}

Test(utf8, judges_long_text_alike_wherever_it_is_cut)
{
    uint8_t text[LONG];
    srand(1);
    for (unsigned n = 0; n < 60000; n++) {
        fill_kind(text, n % KINDS);
        for (unsigned changes = n & 3; changes > 0; changes--)
            text[(unsigned)rand() % LONG] ^= (uint8_t)(1u << (unsigned)rand() % 8);
        const size_t first = (unsigned)rand() % LONG;
        const size_t second = first + (unsigned)rand() % (LONG - first);
        uint32_t state = 0;
        const bool valid = utf8_stream(&state, (struct bytes){text, first}) &&
                           utf8_stream(&state, (struct bytes){text + first, second - first}) &&
                           utf8_stream(&state, (struct bytes){text + second, LONG - second}) &&
                           state == 0;
        cr_assert(eq(int, valid, decodes((struct bytes){text, LONG})), "text %u", n);
    }
}

Test(utf8, finds_a_fault_in_the_run_that_has_it)
{
    uint8_t text[LONG];
    for (size_t at = 0; at < LONG; at++) {
        uint32_t state = 0;
        fill_kind(text, 2);
        text[at] = 0xff;
        cr_assert(utf8_stream(&state, (struct bytes){text, at}), "before %zu", at);
        cr_assert(not(utf8_stream(&state, (struct bytes){text + at, LONG - at})), "at %zu", at);
    }
}

Test(utf8, looks_at_nothing_outside_a_long_run)
{
    uint8_t text[LONG];
    for (size_t len = 100; len <= LONG; len++) {
        fill_kind(text, 2);
        uint32_t state = 0;
        const struct span run = guarded_copy((struct bytes){text, len});
        cr_assert(utf8_stream(&state, span_bytes(run)));
        cr_assert(eq(int, state == 0, len % 3 == 0));
        guarded_release();
    }
}
