/* An eventfd by which one thread wakes another that waits in a loop of its own. Who has to be
 * woken, and when, is its users' business. */
#pragma once

#include "base/attr.h"

#include <stdint.h>

/* -EMFILE, -ENFILE, -ENOMEM. */
int wakefd_open(void) MUST_CHECK;
void wakefd_close(int fd);
/* Makes it readable. */
ANY_THREAD void wakefd_ring(int fd);
/* How often it was rung since the last time; it is not readable then. */
uint64_t wakefd_take(int fd);
