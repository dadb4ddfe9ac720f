/* Leaving well: goodbyes to all streams, spread over the drain's time. */
#pragma once

#include "conn/reactor.h"

/* Does what is due in this turn. False: nobody is left (or time is up), the reactor may end. */
ON_REACTOR bool drain_step(struct reactor *r);
