/* The one door to the heap, so that tests can make the k-th allocation fail. Results may be NULL:
 * for a server that means "refuse one more", never abort. Any thread. */
#pragma once

#include "base/attr.h"

#include <stddef.h>

void *alloc_bytes(size_t size) __attribute__((malloc)) MUST_CHECK;
void *alloc_zeroed(size_t size) __attribute__((malloc)) MUST_CHECK;
/* Like realloc(): on failure NULL, and the old memory stays. */
void *alloc_resize(void *old, size_t size) MUST_CHECK;
void alloc_free(void *at);

/* Tests only, before any thread starts: asked once per allocation, false makes it fail. NULL: none.
 */
typedef _Bool alloc_gate_fn(void *user, size_t size);
void alloc_set_gate(alloc_gate_fn *gate, void *user);

/* Address space of `size` bytes, zero-filled, that costs memory only where it is touched. */
void *alloc_reserve(size_t size) MUST_CHECK;
void alloc_release(void *at, size_t size);
