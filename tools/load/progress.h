/* One line on stderr about how far it is: rewritten on a terminal, else a new one every 5 s. */
#pragma once

#include "base/text.h"

struct progress {
    uint64_t next_ns;
    uint64_t last_ns, last_done; /* for the rate since the last line */
    bool is_terminal;
    bool is_shown; /* a line without its end stands on the terminal */
};

void progress_init(struct progress *p);
/* Is a line due? The caller builds it only then. */
bool progress_is_due(const struct progress *p, uint64_t now_ns);
/* `what`, done of total with rate and time left, and `more` (may be empty). */
void progress_show(struct progress *p, const char *what, uint64_t done, uint64_t total,
                   struct bytes more);
/* Clears what stands on the terminal. */
void progress_end(struct progress *p);
