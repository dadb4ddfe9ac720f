/* Is a text an Origin as browsers send it: scheme://host[:port] (RFC 6454, 6.2)? It compares no
 * origins: the library does. */
#pragma once

#include <stdbool.h>

/* False also for "null", "*" and anything behind the port, a "/" included: a browser's header would
 * never be equal to it, and nobody would be told why. */
bool origin_is_valid(const char *text) __attribute__((warn_unused_result));
