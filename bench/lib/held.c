/* Held bytes: one resizable block. Exact growth, because it is rare and memory is what we measure.
 * Does not pool and does not limit. */
#include "lib/held.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <errno.h>

int held_append(struct held **h, struct bytes more)
{
    if (more.len == 0)
        return 0;
    const size_t len = *h ? (*h)->len : 0;
    struct held *grown = alloc_resize(*h, sizeof(**h) + len + more.len);
    if (!grown)
        return -ENOMEM;
    memcpy(grown->at + len, more.at, more.len);
    grown->len = len + more.len;
    *h = grown;
    return 0;
}

size_t held_take(struct held **h, uint8_t *out, size_t room)
{
    const struct bytes all = held_bytes(*h);
    if (all.len == 0 || all.len > room)
        return 0;
    memcpy(out, all.at, all.len);
    held_drop(h);
    return all.len;
}

void held_skip(struct held **h, size_t n)
{
    if (n == 0)
        return;
    ASSERT(*h && n <= (*h)->len);
    (*h)->len -= n;
    if ((*h)->len == 0)
        held_drop(h);
    else
        memmove((*h)->at, (*h)->at + n, (*h)->len);
}

void held_drop(struct held **h)
{
    alloc_free(*h);
    *h = NULL;
}
