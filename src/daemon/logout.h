/* Where log lines come out: one line of text, or one JSON object, per write(). It keeps no lines
 * and rotates nothing; what stands behind stderr does. */
#pragma once

#include "base/attr.h"

#include <stdatomic.h>
#include <stdbool.h>

struct logout {
    int fd;
    bool json;
    _Atomic unsigned lost; /* lines that found no room since the last one that did */
};

/* An on_log callback; user: struct logout. Never waits: a line for a full pipe is counted instead,
 * for a reactor that waited for the reader of a log would keep its peers waiting too. */
ANY_THREAD void logout_line(void *user, int syslog_level, const char *line);
