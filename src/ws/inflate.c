/* zlib's inflate, raw, message by message. It sets no limit on what comes out: its caller does. */
#include "ws/inflate.h"

#include "base/assert.h"
#include "ws/zlib.h"

enum {
    WINDOW_BITS = 15,       /* fits every sender; memory is taken when a message needs it */
    BEHIND_A_BLOCK = 1 << 7 /* in z_stream.data_type */
};

struct ws_inflater {
    z_stream z;
    bool ended; /* by a final block, and nothing has come since */
};

struct ws_inflater *ws_inflater_new(void)
{
    struct ws_inflater *i = alloc_zeroed(sizeof(*i));
    if (!i)
        return NULL;
    i->z.zalloc = ws_zlib_alloc;
    i->z.zfree = ws_zlib_free;
    if (inflateInit2(&i->z, -WINDOW_BITS) == Z_OK)
        return i;
    alloc_free(i);
    return NULL;
}

void ws_inflater_free(struct ws_inflater **i_ptr)
{
    if (!*i_ptr)
        return;
    inflateEnd(&(*i_ptr)->z);
    alloc_free(*i_ptr);
    *i_ptr = NULL;
}

void ws_inflater_reset(struct ws_inflater *i)
{
    const int err = inflateReset(&i->z);
    ASSERT(err == Z_OK);
    i->ended = false;
}

/* A sender may end its stream within a message and begin another one (RFC 7692, 7.2.3.4); what it
 * may refer to stays. */
static void go_on_behind_end(struct ws_inflater *i)
{
    const int err = inflateResetKeep(&i->z);
    ASSERT(err == Z_OK);
    i->ended = false;
}

/* One call of zlib. */
static int inflate_some(struct ws_inflater *i, struct bytes *in, struct span *out)
{
    const unsigned in_len = ws_zlib_len(in->len), out_len = ws_zlib_len(out->len);
    i->z.next_in = (Bytef *)(uintptr_t)in->at;
    i->z.avail_in = in_len;
    i->z.next_out = out->at;
    i->z.avail_out = out_len;
    const int result = inflate(&i->z, Z_SYNC_FLUSH);
    *in = bytes_skip(*in, in_len - i->z.avail_in);
    *out = span_skip(*out, out_len - i->z.avail_out);
    return result;
}

enum ws_inflate ws_inflate(struct ws_inflater *i, struct bytes *in, struct span *out)
{
    do {
        if (i->ended && in->len == 0)
            return WS_INFLATE_MORE;
        if (out->len == 0)
            return WS_INFLATE_FULL;
        if (i->ended)
            go_on_behind_end(i);
        const int result = inflate_some(i, in, out);
        if (result == Z_MEM_ERROR)
            return WS_INFLATE_NO_MEMORY;
        if (result != Z_OK && result != Z_BUF_ERROR && result != Z_STREAM_END)
            return WS_INFLATE_BAD;
        i->ended = result == Z_STREAM_END;
    } while (in->len > 0);
    return WS_INFLATE_MORE;
}

struct bytes ws_inflate_tail(const struct ws_inflater *i)
{
    return i->ended ? BYTES_LITERAL("") : BYTES_LITERAL("\x00\x00\xff\xff");
}

bool ws_inflate_is_whole(const struct ws_inflater *i)
{
    return i->ended || (i->z.data_type & BEHIND_A_BLOCK);
}
