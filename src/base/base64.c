/* Three bytes become four digits; what is left over is padded. */
#include "base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void write_digits(uint8_t *out, unsigned bits, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        out[i] = (uint8_t)digits[bits >> (18 - 6 * i) & 63];
}

void base64_encode(uint8_t *out, struct bytes in)
{
    size_t at = 0;
    for (; in.len - at >= 3; at += 3, out += 4)
        write_digits(out, (unsigned)load_be(in.at + at, 3), 4);
    const size_t rest = in.len - at; /* of 8 bits: 2 digits, of 16: 3 */
    if (rest == 0)
        return;
    memcpy(out, "====", 4);
    write_digits(out, (unsigned)load_be(in.at + at, rest) << (24 - 8 * rest), (unsigned)rest + 1);
}
