/* Causes in the order in which they first came. Their words are the callers'. */
#include "load/failures.h"

#include <stdio.h>
#include <string.h>

static struct failure *find(struct failures *f, const char *what)
{
    for (size_t i = 0; i < f->count; i++)
        if (strncmp(f->at[i].what, what, FAILURE_TEXT_MAX - 1) == 0)
            return &f->at[i];
    if (f->count == FAILURES_MAX)
        return NULL;
    struct failure *fresh = &f->at[f->count++];
    const char *text = f->count == FAILURES_MAX ? "other causes" : what;
    snprintf(fresh->what, sizeof(fresh->what), "%s", text);
    return fresh;
}

void failures_add_many(struct failures *f, const char *what, uint64_t count)
{
    struct failure *cause = find(f, what);
    if (!cause)
        cause = &f->at[FAILURES_MAX - 1];
    cause->count += count;
}

void failures_add(struct failures *f, const char *what)
{
    failures_add_many(f, what, 1);
}
