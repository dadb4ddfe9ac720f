/* Cursors as text: one spelling per place, everything else refused. */
#include "log/cursor.h"

#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static void expect_text(struct cursor c, const char *expected)
{
    char out[CURSOR_TEXT_MAX];
    cr_assert(eq(sz, cursor_format(c, out), strlen(expected)));
    cr_assert(eq(str, out, (char *)expected));
}

static bool parse(struct bytes text, struct cursor *out)
{
    return cursor_parse(span_bytes(guarded_copy(text)), out);
}

static void expect_refused(const char *text)
{
    struct cursor c = {7, 8};
    cr_assert(not(parse(bytes_from(text), &c)), "%s", text);
    cr_assert(eq(u64, c.epoch, 7), "%s", text);
    cr_assert(eq(u64, c.seq, 8), "%s", text);
}

TestSuite(cursor, .fini = guarded_release);

Test(cursor, is_sixteen_hex_digits_a_dash_and_a_decimal)
{
    expect_text((struct cursor){0, 0}, "0000000000000000-0");
    expect_text((struct cursor){0x0123456789abcdef, 42}, "0123456789abcdef-42");
    expect_text((struct cursor){UINT64_MAX, UINT64_MAX}, "ffffffffffffffff-18446744073709551615");
}

Test(cursor, comes_back_as_it_went)
{
    static const uint64_t values[] = {
        0, 1, 9, 10, 99, 100, 1u << 31, 1ull << 32, 1ull << 63, UINT64_MAX - 1, UINT64_MAX};
    const size_t count = sizeof(values) / sizeof(values[0]);
    for (size_t i = 0; i < count * count; i++) {
        const struct cursor c = {values[i / count], values[i % count]};
        char text[CURSOR_TEXT_MAX];
        struct cursor back = {0};
        const size_t len = cursor_format(c, text);
        cr_assert(parse((struct bytes){(const uint8_t *)text, len}, &back), "%s", text);
        cr_assert(eq(u64, back.epoch, c.epoch));
        cr_assert(eq(u64, back.seq, c.seq));
    }
}

Test(cursor, is_refused_at_every_cut_before_the_first_digit_of_the_sequence)
{
    const struct bytes whole = BYTES_LITERAL("0123456789abcdef-105");
    for (size_t cut = 0; cut <= whole.len; cut++) {
        struct cursor c;
        cr_assert(eq(int, parse((struct bytes){whole.at, cut}, &c), cut >= 18), "cut at %zu", cut);
    }
    cr_assert(not(cursor_parse((struct bytes){0}, &(struct cursor){0})));
}

Test(cursor, is_refused_in_any_other_spelling)
{
    expect_refused("0123456789ABCDEF-1");
    expect_refused("0123456789abcdeg-1");
    expect_refused("0123456789abcdef 1");
    expect_refused("0123456789abcdef--1");
    expect_refused("0123456789abcdef-+1");
    expect_refused("0123456789abcdef- 1");
    expect_refused("0123456789abcdef-1 ");
    expect_refused("0123456789abcdef-01");
    expect_refused("0123456789abcdef-00");
    expect_refused("0123456789abcdef-1a");
    expect_refused("0x23456789abcdef-1");
    expect_refused("00123456789abcdef-1");
    expect_refused("123456789abcdef-1");
    expect_refused("0123456789abcdef0-1");
    expect_refused("0123456789abcdef-0123456789abcdef");
}

Test(cursor, is_refused_beyond_the_largest_sequence)
{
    expect_refused("0123456789abcdef-18446744073709551616");
    expect_refused("0123456789abcdef-18446744073709551620");
    expect_refused("0123456789abcdef-99999999999999999999");
    expect_refused("0123456789abcdef-184467440737095516150");
}

Test(cursor, is_refused_with_any_foreign_byte_anywhere)
{
    const char good[] = "0123456789abcdef-123";
    for (size_t i = 0; i < sizeof(good) - 1; i++)
        for (unsigned byte = 0; byte < 256; byte++) {
            char text[sizeof(good)];
            struct cursor c;
            memcpy(text, good, sizeof(good));
            text[i] = (char)byte;
            const bool digit = byte >= '0' && byte <= '9';
            const bool hex = digit || (byte >= 'a' && byte <= 'f');
            const bool fits = i < 16 ? hex : i == 16 ? byte == '-' : digit;
            const bool leading_zero = i == 17 && byte == '0';
            cr_assert(eq(int, cursor_parse((struct bytes){(uint8_t *)text, sizeof(good) - 1}, &c),
                         fits && !leading_zero),
                      "byte %u at %zu", byte, i);
        }
}
