/* What went wrong, by cause: a short list with counts, since a million connections tend to fail for
 * the same few reasons. Never allocates. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { FAILURES_MAX = 16, FAILURE_TEXT_MAX = 96 };

struct failures {
    struct failure {
        char what[FAILURE_TEXT_MAX];
        uint64_t count;
    } at[FAILURES_MAX]; /* the last one also stands for all further causes */
    size_t count;
};

void failures_add(struct failures *f, const char *what);
/* The same, so many times. */
void failures_add_many(struct failures *f, const char *what, uint64_t count);
