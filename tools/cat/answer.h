/* The server's answer: its head as it comes, and, where there is no stream, its whole body. */
#pragma once

#include "cat/wire.h"
#include "load/response.h"

enum { ANSWER_BODY_MAX = 65536, ANSWER_PATIENCE_MS = 60000, ANSWER_MESSAGE_MAX = 200 };

/* Of *w's unread bytes the first *head_len; they stay there. False: w->why. */
bool answer_head(struct wire *w, struct response *out, size_t *head_len) MUST_CHECK;

struct answer {
    unsigned status;
    uint64_t retry_after_ms; /* 0: not said */
    bool closes;             /* the connection is of no use behind it */
    struct text body;
    char message[ANSWER_MESSAGE_MAX]; /* what its error says, printable; "" : nothing */
};

/* Takes it whole from the wire. False: w->why. To be given to answer_fini() either way. */
bool answer_read(struct wire *w, struct answer *out) MUST_CHECK;
void answer_fini(struct answer *a);
/* Ask again later (RFC 9110, 15.6.4; RFC 6585, 4). */
bool answer_is_later(unsigned status);
