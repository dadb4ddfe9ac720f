/* The embedder's code on a reactor's thread: which callback runs, since when, and that it was late.
 * Nothing is asked here. */
#pragma once

#include "conn/reactor.h"

enum { CALLBACK_LATE_MS = 100 };

/* slot: the connection it is about, or CALLBACK_NO_SLOT. */
#define CALLBACK_NO_SLOT UINT32_MAX
ON_REACTOR void callback_begin(struct reactor *r, enum callback which, uint32_t slot);
/* Says so when it was late. */
ON_REACTOR void callback_end(struct reactor *r);
