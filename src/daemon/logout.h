/* Where log lines come out: one line of text, or one JSON object, per write(). It keeps no lines
 * and rotates nothing; what stands behind stderr does. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct logout {
    int fd;
    bool json;
    int64_t (*now_ms)(void); /* since 1970-01-01 UTC; NULL: the system's clock */
    _Atomic unsigned lost;   /* lines that found no room since the last one that did */
};

/* An on_log callback, on any thread; user: struct logout. Never waits: a line for a full pipe is
 * counted instead, for a reactor that waited for the reader of a log would keep its peers waiting
 * too. */
void logout_line(void *user, int syslog_level, const char *line);
