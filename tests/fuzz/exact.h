/* Memory of exactly the input's size, so that the sanitizer sees the first byte too far.
 * One copy at a time is the caller's to free. */
#pragma once

#include "base/alloc.h"
#include "base/assert.h"
#include "base/bytes.h"

static inline struct bytes exact_copy(struct bytes b)
{
    uint8_t *at = alloc_bytes(b.len > 0 ? b.len : 1);
    ASSERT(at);
    if (b.len > 0)
        memcpy(at, b.at, b.len);
    return (struct bytes){at, b.len};
}

static inline void exact_free(struct bytes b)
{
    alloc_free((void *)(uintptr_t)b.at);
}
