/* Makes allocations of the library fail, and counts what it holds. By the linker (--wrap): what is
 * linked statically comes here for memory and threads, what libraries behind it do stays theirs. */
#pragma once

#include <stdbool.h>

/* The at-th allocation from now on (1: the next) fails, and `count` - 1 behind it. */
void starve(unsigned at, unsigned count);
/* Nothing fails any more. Returns whether anything had. */
bool starve_end(void);
/* Pieces of memory that were taken and not given back. */
long starve_held(void);
