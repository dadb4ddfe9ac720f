/* Input flush against an unreadable page: reading one byte too far is a crash, sanitizer or not. */
#pragma once

#include "base/bytes.h"

/* A copy of b that ends at the guard page. Freed all together by guarded_release(). */
struct span guarded_copy(struct bytes b);
void guarded_release(void);
