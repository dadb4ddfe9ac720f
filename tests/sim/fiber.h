/* A thread of the simulated machine: a stack of its own, and going on only when it is told to. */
#pragma once

#include "base/attr.h"

struct fiber;

typedef void fiber_fn(void *user);

/* Runs fn from the first fiber_resume() on; fn may return. */
struct fiber *fiber_new(fiber_fn *fn, void *user) MUST_CHECK;
/* Must have returned, or never been resumed: what is on its stack is not unwound. NULL allowed. */
void fiber_free(struct fiber **f_ptr);
/* Until it yields or returns. Not from a fiber. */
void fiber_resume(struct fiber *f);
/* Back to whoever resumed it. Only from a fiber. */
void fiber_yield(void);
_Bool fiber_has_returned(const struct fiber *f);
/* The one that runs; NULL: the scheduler. */
struct fiber *fiber_current(void);
