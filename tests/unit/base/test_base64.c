/* Base64 as RFC 4648 shows it, and read back whatever the bytes. */
#include "base/base64.h"

#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { OUT_MAX = 512 };

/* Writes into a place that ends at the guard page. */
static struct bytes encoded(struct bytes in)
{
    static const uint8_t zeros[OUT_MAX];
    const struct span out = guarded_copy((struct bytes){zeros, base64_len(in.len)});
    base64_encode(out.at, span_bytes(guarded_copy(in)));
    return span_bytes(out);
}

static void expect(struct bytes in, const char *want)
{
    const struct bytes got = encoded(in);
    cr_assert(bytes_equal(got, bytes_from(want)), "%.*s instead of %s", (int)got.len,
              (const char *)got.at, want);
}

TestSuite(base64, .fini = guarded_release);

Test(base64, is_that_of_the_rfc) /* RFC 4648, 10 */
{
    static const char *const want[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                       "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t len = 0; len <= 6; len++)
        expect((struct bytes){(const uint8_t *)"foobar", len}, want[len]);
}

Test(base64, uses_plus_and_slash)
{
    expect(BYTES_LITERAL("\xfb\xff\xbf"), "+/+/");
    expect(BYTES_LITERAL("\0\0\0"), "AAAA");
    expect(BYTES_LITERAL("\xff\xff\xff\xff"), "/////w==");
}

static unsigned value_of(uint8_t digit)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = strchr(digits, digit);
    cr_assert(digit != 0 && at, "no digit: %u", digit);
    return (unsigned)(at - digits);
}

static size_t decode(struct bytes in, uint8_t *out)
{
    size_t len = 0;
    for (size_t at = 0; at < in.len; at += 4) {
        unsigned bits = 0;
        for (size_t i = 0; i < 4; i++)
            bits = bits << 6 | (in.at[at + i] == '=' ? 0 : value_of(in.at[at + i]));
        const size_t pads = (in.at[at + 3] == '=') + (in.at[at + 2] == '=');
        cr_assert(pads == 0 || at + 4 == in.len);
        for (size_t i = 0; i < 3 - pads; i++)
            out[len++] = (uint8_t)(bits >> (16 - 8 * i));
    }
    return len;
}

Test(base64, is_read_back_at_every_length)
{
    uint8_t in[300], back[300];
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)(i * 167 + 13);
    for (size_t len = 0; len <= sizeof(in); len++) {
        const struct bytes whole = {in, len};
        const size_t back_len = decode(encoded(whole), back);
        cr_assert(bytes_equal((struct bytes){back, back_len}, whole), "length %zu", len);
        guarded_release();
    }
}
