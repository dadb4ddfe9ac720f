/* Grows by doubling, from a size that most cut frames fit in. Gives memory back when empty. */
#include "load/held.h"

#include "base/alloc.h"

#include <errno.h>

enum { ROOM_MIN = 120 }; /* 128 with the head */

int held_add(struct held **h, struct bytes b)
{
    const size_t before = *h ? (*h)->len : 0;
    size_t room = *h ? (*h)->room : ROOM_MIN;
    if (b.len == 0)
        return 0;
    if (b.len > HELD_MAX - before)
        return -EMSGSIZE;
    while (room - before < b.len)
        room *= 2;
    if (!*h || room > (*h)->room) {
        struct held *bigger = alloc_resize(*h, sizeof(*bigger) + room);
        if (!bigger)
            return -ENOMEM;
        bigger->room = (uint32_t)room;
        *h = bigger;
    }
    memcpy((*h)->bytes + before, b.at, b.len);
    (*h)->len = (uint32_t)(before + b.len);
    return 0;
}

void held_skip(struct held **h, size_t n)
{
    if (n == 0)
        return;
    if (n == (*h)->len) {
        held_drop(h);
        return;
    }
    (*h)->len -= (uint32_t)n;
    memmove((*h)->bytes, (*h)->bytes + n, (*h)->len);
}

void held_drop(struct held **h)
{
    alloc_free(*h);
    *h = NULL;
}
