/* compare: the whole mode, from the URL of a topic to the table. */
#pragma once

#include "load/options.h"

/* The exit status. */
int compare_run(const struct options *o);
