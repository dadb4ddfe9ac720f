/* Long-polling as a client sees it: one answer at a time, each with the place from which the next
 * question goes on. No socket, no state. */
#pragma once

#include "load/response.h"

enum poll_parse { POLL_MORE, POLL_DONE, POLL_BAD };

struct poll_answer {
    unsigned status;     /* 200: messages; 204: none came in time; else refused */
    struct bytes cursor; /* absent: it names none */
    struct bytes body;
};

/* Moves *in behind a whole answer. */
enum poll_parse poll_parse(struct bytes *in, struct poll_answer *out) MUST_CHECK;
/* The next envelope of an array of them. False: there is none. */
bool poll_next(struct bytes *body, struct bytes *message) MUST_CHECK;
