/* One HTTP response as a client reads it (RFC 9110, RFC 9112): head, then a body of any framing.
 * Strict: whatever a careful client would reject is a failure of the server ("protocol"). */
#pragma once

#include "sim/buffer.h"

#include <stdbool.h>

enum { RESPONSE_FIELD_MAX = 96 };

enum response_framing {
    RESPONSE_WITHOUT_BODY,
    RESPONSE_WITH_LENGTH,
    RESPONSE_IN_CHUNKS,
    RESPONSE_TO_THE_END,
};

enum response_chunk { CHUNK_SIZE, CHUNK_BYTES, CHUNK_END, CHUNK_TRAILER };

struct response {
    const char *who;   /* for failures */
    bool answers_head; /* the caller's: its request was HEAD */

    bool has_head, is_whole;
    unsigned status;
    bool closes;        /* Connection: close */
    bool has_retry;     /* Retry-After */
    bool is_uncachable; /* Cache-Control: no-store */
    enum response_framing framing;
    enum response_chunk chunk;
    uint64_t left; /* of the body, or of the chunk */
    char type[RESPONSE_FIELD_MAX], cursor[RESPONSE_FIELD_MAX], etag[RESPONSE_FIELD_MAX];
    char upgrade[RESPONSE_FIELD_MAX], protocol[RESPONSE_FIELD_MAX];
    char extensions[RESPONSE_FIELD_MAX];
    struct buffer body; /* as far as it has come; the reader may take from it */
};

/* The next one. Keeps who, and the buffer. */
void response_reset(struct response *r);
/* Reads on; returns how many bytes are understood. Not behind the end of a whole response. Interim
 * responses (100) are read over. */
size_t response_read(struct response *r, struct bytes in);
/* The stream ended in order, and no bytes are left: is the response one that has come whole? */
bool response_may_end(const struct response *r);
void response_fini(struct response *r);
