/* Each message alone: the server that is measured says that it keeps no context. Written apart from
 * src/ws: the judge must not share a mistake with what it judges. */
#include "client_deflate.h"

#include <zlib.h>

enum { STEP = 1 << 16 };

/* RFC 7692, 7.2.2: with what the sender left out. */
static bool inflate_all(struct text *packed, struct text *out)
{
    z_stream z = {0};
    int result = Z_OK;
    if (inflateInit2(&z, -15) != Z_OK)
        return false;
    z.next_in = packed->at;
    z.avail_in = (unsigned)packed->len;
    do {
        z.next_out = text_extend(out, STEP);
        z.avail_out = STEP;
        if (!z.next_out)
            break;
        result = inflate(&z, Z_SYNC_FLUSH);
        out->len -= z.avail_out;
    } while (result == Z_OK && z.avail_out == 0);
    inflateEnd(&z);
    return z.next_out && z.avail_in == 0 && (result == Z_OK || result == Z_BUF_ERROR);
}

struct bytes inflated_of(struct inflated *i, struct bytes packed)
{
    const struct bytes tail = BYTES_LITERAL("\x00\x00\xff\xff");
    if (i->packed.len == packed.len + tail.len && i->payload.len > 0 &&
        memcmp(i->packed.at, packed.at, packed.len) == 0)
        return text_bytes(&i->payload);
    i->packed.len = i->payload.len = 0;
    text_add(&i->packed, packed);
    text_add(&i->packed, tail);
    if (i->packed.failed || !inflate_all(&i->packed, &i->payload))
        return (struct bytes){0};
    return text_bytes(&i->payload);
}

void inflated_fini(struct inflated *i)
{
    text_fini(&i->packed);
    text_fini(&i->payload);
}
