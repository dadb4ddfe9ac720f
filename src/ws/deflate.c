/* zlib's deflate, raw, message by message. Whether it is worth it, its caller decides. */
#include "ws/deflate.h"

#include "base/assert.h"
#include "ws/zlib.h"

enum {
    /* zlib cannot do 8; with 9 it looks no further back than 512 - 262 = 250 bytes, which a window
     * of 256 holds. A test looks at the distances. */
    ZLIB_BITS_MIN = 9,
    MEMORY_LEVEL = 8,        /* zlib's default */
    THOROUGH_MAX = 64 << 10, /* longer ones would keep others waiting for too long */
    STEP = 16 << 10,
    TAIL_LEN = 4, /* 00 00 ff ff, which the other side adds (RFC 7692, 7.2.1) */
};

struct ws_deflater {
    z_stream z;
    bool keeps;
};

struct ws_deflater *ws_deflater_new(unsigned window_bits, bool keeps)
{
    struct ws_deflater *d = alloc_zeroed(sizeof(*d));
    const int bits = window_bits < ZLIB_BITS_MIN ? ZLIB_BITS_MIN : (int)window_bits;
    if (!d)
        return NULL;
    d->z.zalloc = ws_zlib_alloc;
    d->z.zfree = ws_zlib_free;
    d->keeps = keeps;
    if (deflateInit2(&d->z, keeps ? Z_BEST_SPEED : Z_DEFAULT_COMPRESSION, Z_DEFLATED, -bits,
                     MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK)
        return d;
    alloc_free(d);
    return NULL;
}

void ws_deflater_free(struct ws_deflater **d_ptr)
{
    if (!*d_ptr)
        return;
    deflateEnd(&(*d_ptr)->z);
    alloc_free(*d_ptr);
    *d_ptr = NULL;
}

void ws_deflater_reset(struct ws_deflater *d)
{
    const int err = deflateReset(&d->z);
    ASSERT(err == Z_OK);
}

/* Before its first byte: later a change would cost a block of its own. */
static void choose_level(struct ws_deflater *d, size_t payload_len)
{
    const int level = payload_len > THOROUGH_MAX ? Z_BEST_SPEED : Z_DEFAULT_COMPRESSION;
    const int err = deflateParams(&d->z, level, Z_DEFAULT_STRATEGY);
    ASSERT(err == Z_OK);
}

static bool deflate_all(struct ws_deflater *d, struct bytes payload, struct text *out)
{
    d->z.next_in = (Bytef *)(uintptr_t)payload.at;
    d->z.avail_in = (unsigned)payload.len;
    do {
        d->z.next_out = text_extend(out, STEP);
        if (!d->z.next_out)
            return false;
        d->z.avail_out = STEP;
        (void)deflate(&d->z, Z_SYNC_FLUSH); /* its errors are misuse, or nothing left to do */
        out->len -= d->z.avail_out;
    } while (d->z.avail_out == 0);
    return true;
}

bool ws_deflate(struct ws_deflater *d, struct bytes payload, struct text *out)
{
    ASSERT(payload.len > 0);
    ASSERT(payload.len <= UINT32_MAX);
    if (!d->keeps)
        choose_level(d, payload.len);
    if (!deflate_all(d, payload, out))
        return false;
    ASSERT(out->len >= TAIL_LEN);
    ASSERT(memcmp(out->at + out->len - TAIL_LEN, "\x00\x00\xff\xff", TAIL_LEN) == 0);
    out->len -= TAIL_LEN;
    return true;
}
