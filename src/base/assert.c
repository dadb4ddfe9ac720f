/* The last words of a broken invariant. It does not unwind: the state can no longer be trusted. */
#include "base/assert.h"

#include "base/attr.h"

#include <stdio.h>
#include <stdlib.h>

struct thread_role reactor_role;

_Noreturn void assert_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "uproar: %s:%d: assertion failed: %s\n", file, line, what);
    abort();
}
