/* malloc behind a gate that tests can close. No pools, no accounting. */
#include "base/alloc.h"

#include <stdlib.h>
#include <sys/mman.h>

static alloc_gate_fn *alloc_gate;
static void *alloc_gate_user;

static _Bool allowed(size_t size)
{
    return !alloc_gate || alloc_gate(alloc_gate_user, size);
}

void alloc_set_gate(alloc_gate_fn *gate, void *user)
{
    alloc_gate = gate;
    alloc_gate_user = user;
}

void *alloc_bytes(size_t size)
{
    return allowed(size) ? malloc(size) : NULL;
}

void *alloc_zeroed(size_t size)
{
    return allowed(size) ? calloc(1, size) : NULL;
}

void *alloc_resize(void *old, size_t size)
{
    return allowed(size) ? realloc(old, size) : NULL;
}

void alloc_free(void *at)
{
    free(at);
}

void *alloc_reserve(size_t size)
{
    if (!allowed(size))
        return NULL;
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

void alloc_release(void *at, size_t size)
{
    if (at)
        munmap(at, size);
}
