/* Bytes that whoever reads them is stopped at, in the midst of a call, until they are let go: so a
 * test knows for sure that a call is under way. By a page that may not be read, and SIGSEGV. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

enum { HELD_MAX = 8 };

/* Before any thread reads any; again when none does any more: they are held again. */
void held_init(void);
/* A page of `held_len()` bytes, all 'h', of the index-th reader. */
const char *held_bytes(size_t index);
size_t held_len(void);
/* How many readers are stopped at theirs now. */
unsigned held_count(void);
/* All of them go on, and whoever comes later is not stopped any more. */
void held_let_go(void);
