/* What a fan-out does behind its opening, for those who open in another way. */
#pragma once

#include "load/run.h"

/* The hook for what comes: keeps the books, and notes the latency. user: the run. */
void fanout_message(void *user, uint32_t slot, struct bytes message);
/* Publishes as the options say, and waits until so many subscribers have all of it, or no more
 * comes; some of them may still be on their way in. False: no memory. */
ON_REACTOR bool fanout_publish(struct run *r, uint64_t subscribers) MUST_CHECK;
