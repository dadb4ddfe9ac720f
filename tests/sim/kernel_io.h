/* The simulated kernel as a reactor sees it: struct io over its sockets, and what the scheduler has
 * to know about a reactor that waits. */
#pragma once

#include "sim/kernel.h"

bool sim_io_is_waiting(const struct sim_io *f);
/* When io_wait() returns by itself. */
uint64_t sim_io_next_ns(const struct sim_io *f);
