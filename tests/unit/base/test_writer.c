/* What is measured is what is written, and that nothing is written beside it. */
#include "base/writer.h"

#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

typedef void put_fn(struct writer *w, struct bytes b);

/* Measured, then written into a place of exactly that size that ends at the guard page. */
static struct bytes written(put_fn *put, struct bytes in)
{
    static const uint8_t zeros[8192];
    const struct bytes b = span_bytes(guarded_copy(in));
    struct writer size = {0};
    put(&size, b);
    const struct span out = guarded_copy((struct bytes){zeros, size.len});
    struct writer w = {.at = out.at};
    put(&w, b);
    cr_assert(eq(sz, w.len, size.len));
    return span_bytes(out);
}

static void expect(put_fn *put, struct bytes in, struct bytes want)
{
    const struct bytes got = written(put, in);
    cr_assert(bytes_equal(got, want), "%.*s instead of %.*s", (int)got.len, (const char *)got.at,
              (int)want.len, (const char *)want.at);
}

TestSuite(writer, .fini = guarded_release);

Test(writer, puts_bytes_as_they_are)
{
    expect(writer_put, BYTES_LITERAL("a\"b\n"), BYTES_LITERAL("a\"b\n"));
    expect(writer_put, (struct bytes){0}, BYTES_LITERAL(""));
}

Test(writer, puts_base64)
{
    expect(writer_put_base64, BYTES_LITERAL("fooba"), BYTES_LITERAL("Zm9vYmE="));
    expect(writer_put_base64, (struct bytes){0}, BYTES_LITERAL(""));
}

Test(writer, puts_one_thing_behind_the_other)
{
    uint8_t out[32];
    struct writer w = {.at = out};
    writer_put(&w, BYTES_LITERAL("<"));
    writer_put_json(&w, BYTES_LITERAL("\""));
    writer_put_base64(&w, BYTES_LITERAL("f"));
    cr_assert(bytes_equal((struct bytes){out, w.len}, BYTES_LITERAL("<\"\\\"\"Zg==")));
}

/* RFC 8259, 7, byte by byte: what the fast way must agree with. */
static size_t escape(uint8_t *out, uint8_t c)
{
    if (c == '"' || c == '\\' || c == '\n') {
        out[0] = '\\';
        out[1] = c == '\n' ? 'n' : c;
        return 2;
    }
    if (c < 0x20)
        return (size_t)sprintf((char *)out, "\\u%04x", c);
    out[0] = c;
    return 1;
}

static void expect_json(struct bytes in)
{
    uint8_t want[8192];
    size_t len = 0;
    want[len++] = '"';
    for (size_t i = 0; i < in.len; i++)
        len += escape(want + len, in.at[i]);
    want[len++] = '"';
    expect(writer_put_json, in, (struct bytes){want, len});
    guarded_release();
}

/* Words of eight are looked at together: each byte in each place, beside its neighbours. */
Test(writer, escapes_any_byte_at_any_place)
{
    enum { LEN = 17 };
    static const uint8_t around[] = {'x', 0x80, 0xff, 0x20, 0x21, '"', 0x00};
    for (size_t a = 0; a < sizeof(around); a++)
        for (size_t at = 0; at < LEN; at++)
            for (unsigned c = 0; c < 256; c++) {
                uint8_t in[LEN];
                memset(in, around[a], sizeof(in));
                in[at] = (uint8_t)c;
                expect_json((struct bytes){in, sizeof(in)});
            }
}

Test(writer, escapes_text_of_any_length)
{
    uint8_t in[1000];
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)(i * i * 31 >> 3);
    for (size_t len = 0; len < sizeof(in); len += 1 + len / 20)
        expect_json((struct bytes){in, len});
}
