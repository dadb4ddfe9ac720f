/* Publishing what standard input says, each message confirmed before the next one is sent. */
#pragma once

#include "cat/options.h"

/* Until the end of the input. The exit status. */
int publish_run(const struct options *o);
