/* EPOCH-SEQ: the place in the log as peers see it, 16 lower-case hex digits, '-', decimal without
 * leading zeros. Opaque to peers. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

enum { CURSOR_TEXT_MAX = 38 }; /* 16 + 1 + 20 + NUL */

struct cursor {
    uint64_t epoch, seq;
};

bool cursor_parse(struct bytes text, struct cursor *out) MUST_CHECK;
/* Returns the length without the NUL. */
size_t cursor_format(struct cursor c, char out[static CURSOR_TEXT_MAX]);
