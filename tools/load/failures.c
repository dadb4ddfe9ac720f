/* Causes in the order in which they first came. Their words are the callers'. */
#include "load/failures.h"

#include "base/logline.h"

#include <stdio.h>
#include <string.h>

static struct failure *find(struct failures *f, const char *what)
{
    char text[FAILURE_TEXT_MAX];
    snprintf(text, sizeof(text), "%s", what);
    logline_clean(text); /* servers are quoted, to terminals and in JSON */
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->at[i].what, text) == 0)
            return &f->at[i];
    if (f->count == FAILURES_MAX)
        return NULL;
    struct failure *fresh = &f->at[f->count++];
    snprintf(fresh->what, sizeof(fresh->what), "%s",
             f->count == FAILURES_MAX ? "other causes" : text);
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
