/* The heap of the code under test (the linker puts this in front of base/alloc.h): counts what is
 * held, fills what is new and what is freed with junk, and lets the k-th allocation fail. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A new run: nothing is held, nothing fails. */
void heap_begin(void);
/* From now on the k-th allocation (1: the next) returns NULL, and only that; 0: none. */
void heap_fail_at(uint64_t k);
/* Once in so many times an allocation fails, as the seed decides; 0: never. */
struct random;
void heap_fail_once_in(struct random *random, uint32_t n);
/* Each allocation takes so long, for it stands for the work that it is a part of. */
void heap_take_time(uint64_t *now_ns, uint32_t takes_ns);
bool heap_has_failed(void); /* since heap_fail_at() */
/* Called whenever an allocation is refused, before its caller learns of it; NULL: nobody is. */
typedef void heap_refused_fn(void *user);
void heap_tell_refusals(heap_refused_fn *refused, void *user);
/* Allocations, and reserved ranges, not yet given back. */
uint64_t heap_held_count(void);
/* At the end of a run: nothing is held ("leak"); says which sizes are. */
void heap_judge(void);
