/* From a URL's host to an address; waits for the name service. */
#pragma once

#include "io/io.h"
#include "load/url.h"

/* NULL, or why there is none. */
const char *resolve(const struct url *url, union io_address *out) MUST_CHECK;
