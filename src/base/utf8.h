/* UTF-8 validation (RFC 3629), whole or as a stream. Fast for ASCII. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

/* Stream: *state is 0 at the start, and again wherever a character ends. False: not UTF-8 at the
 * earliest byte that decides it. */
bool utf8_stream(uint32_t *state, struct bytes in) MUST_CHECK;
/* The whole run. */
bool utf8_is_valid(struct bytes in) MUST_CHECK;
/* At most `max` bytes of it, and not a part of a character at the end. */
struct bytes utf8_cut(struct bytes b, size_t max);
