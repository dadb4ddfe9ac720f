/* Log lines for people: one per cause and second, with a count of those held back, so that a flood
 * of one error can neither fill a disk nor hide another. Any thread. */
#pragma once

#include "base/attr.h"

#include <stdatomic.h>
#include <stdint.h>

enum logline_level { LOGLINE_ERROR = 3, LOGLINE_WARNING = 4, LOGLINE_INFO = 6, LOGLINE_DEBUG = 7 };

/* Where a server's lines go; `write` must not block for long. write == NULL: nowhere. */
struct logline_sink {
    void (*write)(void *user, int syslog_level, const char *line);
    void *user;
};

/* One cause. Zero-initialised, and lives as long as what it reports on. */
struct logline_cause {
    _Atomic uint64_t next_ns;
    _Atomic uint32_t held;
};

/* Makes of it one line of UTF-8 that may be shown: lines quote peers, whose control characters must
 * neither reach a terminal nor break a JSON string. Each such byte becomes '?'. */
void logline_clean(char *line);

void logline(const struct logline_sink *sink, enum logline_level level, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* At most one line a second for this cause; the next one that passes says how many were held. */
void logline_limited(const struct logline_sink *sink, struct logline_cause *cause,
                     enum logline_level level, const char *format, ...) PRINTF_LIKE(4, 5);
