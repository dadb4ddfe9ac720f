/* Growing text: what was added, in order, or `failed`. */
#include "base/text.h"

#include "base/alloc.h"
#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

static void expect(const struct text *t, const char *expected)
{
    const struct bytes want = bytes_from(expected);
    cr_assert(not(t->failed));
    cr_assert(bytes_equal(text_bytes(t), want), "got %.*s, want %s", (int)t->len, t->at, expected);
}

static void expect_json(struct bytes in, const char *expected)
{
    struct text t = {0};
    text_add_json(&t, span_bytes(guarded_copy(in)));
    expect(&t, expected);
    text_fini(&t);
}

Test(text, is_empty_but_present_at_first, .fini = guarded_release)
{
    struct text t = {0};
    cr_assert(ne(ptr, (void *)(uintptr_t)text_bytes(&t).at, NULL));
    expect(&t, "");
    text_add(&t, (struct bytes){0});
    expect(&t, "");
    text_fini(&t);
}

Test(text, keeps_the_order_of_what_is_added)
{
    struct text t = {0};
    text_add(&t, BYTES_LITERAL("one "));
    text_add_str(&t, "two ");
    text_add_byte(&t, '3');
    text_printf(&t, " %s %d", "four", 5);
    expect(&t, "one two 3 four 5");
    text_fini(&t);
}

Test(text, grows_at_every_size)
{
    for (size_t step = 1; step < 700; step += 3) {
        uint8_t chunk[700];
        struct text t = {0};
        memset(chunk, 'x', sizeof(chunk));
        for (size_t i = 0; i < 5; i++)
            text_add(&t, (struct bytes){chunk, step});
        cr_assert(eq(sz, t.len, 5 * step));
        cr_assert(le(sz, t.len, t.capacity));
        for (size_t i = 0; i < t.len; i++)
            cr_assert(eq(u8, t.at[i], 'x'));
        text_fini(&t);
    }
}

Test(text, prints_whatever_room_is_left)
{
    for (int width = 1; width < 600; width++) {
        struct text t = {0};
        text_printf(&t, "%*d", width, 7);
        text_printf(&t, "%*d", 600 - width, 8);
        cr_assert(eq(sz, t.len, 600));
        cr_assert(eq(u8, t.at[width - 1], '7'));
        cr_assert(eq(u8, t.at[599], '8'));
        text_fini(&t);
    }
}

Test(text, quotes_json_strings, .fini = guarded_release)
{
    expect_json((struct bytes){0}, "\"\"");
    expect_json(BYTES_LITERAL("plain"), "\"plain\"");
    expect_json(BYTES_LITERAL("\""), "\"\\\"\"");
    expect_json(BYTES_LITERAL("\\"), "\"\\\\\"");
    expect_json(BYTES_LITERAL("a\"b\\c"), "\"a\\\"b\\\\c\"");
    expect_json(BYTES_LITERAL("line\nnext"), "\"line\\nnext\"");
    expect_json(BYTES_LITERAL("gr\xc3\xbc\xc3\x9f \xf0\x9f\x93\xa3"),
                "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x93\xa3\"");
    expect_json(BYTES_LITERAL("/\x7f"), "\"/\x7f\"");
}

/* RFC 8259, 7: quotation mark, backslash and U+0000 to U+001F must be escaped, nothing else. */
Test(text, escapes_each_control_character_between_others, .fini = guarded_release)
{
    for (uint8_t c = 0; c < 0x20; c++) {
        char expected[32];
        if (c == '\n')
            snprintf(expected, sizeof(expected), "\"<\\n>\"");
        else
            snprintf(expected, sizeof(expected), "\"<\\u%04x>\"", c);
        expect_json((struct bytes){(const uint8_t[]){'<', c, '>'}, 3}, expected);
    }
}

static _Bool allow_first(void *user, size_t size)
{
    unsigned *left = user;
    (void)size;
    return *left > 0 && (*left)--;
}

Test(text, stays_valid_and_says_failed_when_memory_ends)
{
    unsigned left = 1;
    uint8_t chunk[300] = {0};
    struct text t = {0};
    alloc_set_gate(allow_first, &left);

    text_add_str(&t, "kept");
    text_add(&t, (struct bytes){chunk, sizeof(chunk)});
    cr_assert(t.failed);
    text_add_str(&t, "not added although there is room");
    text_printf(&t, "%d", 1);
    cr_assert(t.failed);
    cr_assert(bytes_equal(text_bytes(&t), BYTES_LITERAL("kept")));

    text_fini(&t);
    cr_assert(eq(sz, t.capacity, 0));
    cr_assert(not(t.failed));
}
