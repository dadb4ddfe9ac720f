/* zlib over our allocator, for the two directions. Shared inside src/ws. */
#pragma once

#include "base/alloc.h"

#include <stdint.h>
#include <zlib.h>

static inline void *ws_zlib_alloc(void *opaque, unsigned count, unsigned size)
{
    (void)opaque;
    return alloc_bytes((size_t)count * size);
}

static inline void ws_zlib_free(void *opaque, void *at)
{
    (void)opaque;
    alloc_free(at);
}

/* zlib counts in unsigned int; more is for the next round. */
static inline unsigned ws_zlib_len(size_t len)
{
    return len < UINT32_MAX ? (unsigned)len : UINT32_MAX;
}
