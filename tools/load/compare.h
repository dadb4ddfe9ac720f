/* WebSocket, Server-Sent Events and long-poll side by side, as one server serves them: the figures
 * of each, and how they are said. */
#pragma once

#include "base/text.h"

enum { COMPARE_ROWS = 3 };

/* What could not be measured is absent: has_cpu, has_memory. */
struct compare_row {
    const char *name;
    uint64_t subscribers, messages, missed; /* of each subscriber, the last two */
    uint64_t payload_len;
    double received_each, sent_each; /* bytes on the wire a message, of a subscriber */
    bool has_cpu, has_memory;
    double cpu_each_ns;                /* the server's, a delivery */
    double memory_each;                /* the server's, an idle subscriber */
    uint64_t p50_ns, p99_ns;           /* from publishing to arriving */
    uint64_t back_p50_ns, back_p99_ns; /* from the cut until everything missed has come */
    uint64_t got;                      /* of what was missed, by all together */
    uint64_t lost, twice, disordered, corrupt, failed;
};

/* Nothing was lost, and nobody failed. */
bool compare_is_clean(const struct compare_row *rows);
/* A table for people, a row of it in Markdown each; the last line is a sentence worth quoting. */
void compare_add_text(struct text *out, const struct compare_row *rows);
void compare_add_json(struct text *out, const struct compare_row *rows);
