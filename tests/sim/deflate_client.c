/* zlib once for each message, so that nothing can be referred to. */
#include "sim/deflate_client.h"

#include "base/assert.h"
#include "sim/failure.h"

#include <zlib.h>

enum { STEP = 4096, TAIL_LEN = 4, WINDOW_BITS = 15, MEMORY_LEVEL = 5 };

void deflate_client_inflate(struct bytes packed, struct buffer *out, const char *who)
{
    struct buffer whole = {0};
    z_stream z = {0};
    int result;
    buffer_add(&whole, packed);
    buffer_add(&whole, BYTES_LITERAL("\x00\x00\xff\xff")); /* RFC 7692, 7.2.2 */
    ASSERT(inflateInit2(&z, -WINDOW_BITS) == Z_OK);
    z.next_in = (Bytef *)(uintptr_t)buffer_bytes(&whole).at;
    z.avail_in = (unsigned)buffer_len(&whole);
    do {
        z.next_out = buffer_extend(out, STEP);
        z.avail_out = STEP;
        result = inflate(&z, Z_SYNC_FLUSH);
        buffer_shorten(out, z.avail_out);
        SIM_CHECK("protocol", result == Z_OK || result == Z_BUF_ERROR,
                  "%s: %zu bytes that do not "
                  "inflate: %s",
                  who, packed.len, z.msg ? z.msg : "they end");
    } while (z.avail_out == 0);
    SIM_CHECK("protocol", z.avail_in == 0, "%s: a message behind its end", who);
    inflateEnd(&z);
    buffer_fini(&whole);
}

void deflate_client_deflate(struct random *random, struct bytes payload, struct buffer *out)
{
    z_stream z = {0};
    const int level = random_one_in(random, 3) ? Z_NO_COMPRESSION : Z_BEST_SPEED;
    ASSERT(deflateInit2(&z, level, Z_DEFLATED, -WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) ==
           Z_OK);
    const size_t room = deflateBound(&z, payload.len) + STEP;
    z.next_in = (Bytef *)(uintptr_t)payload.at;
    z.avail_in = (unsigned)payload.len;
    z.next_out = buffer_extend(out, room);
    z.avail_out = (unsigned)room;
    (void)deflate(&z, Z_SYNC_FLUSH);
    ASSERT(z.avail_in == 0);
    ASSERT(z.avail_out > 0);
    buffer_shorten(out, z.avail_out + TAIL_LEN);
    deflateEnd(&z);
}
