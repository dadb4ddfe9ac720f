/* What a message carries, so that whoever gets it can tell whether it is whole, whose it is, and
 * how long it was under way. Printable ASCII that no JSON string and no SSE line changes. Pure. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

enum {
    /* "uL", run 5, sender 4, sequence 5, time 8, checksum 8 digits of 6 bits. */
    PAYLOAD_MIN = 32,
    PAYLOAD_SENDER_MAX = (1 << 24) - 1,
    PAYLOAD_SEQ_MAX = (1 << 30) - 1,
    PAYLOAD_RUN_MAX = (1 << 30) - 1,
};

struct payload {
    uint32_t run;     /* tells this run's messages from everybody else's */
    uint32_t sender;  /* whose: connection's number (echo), 0 (fan-out) */
    uint32_t seq;     /* counts the sender's messages from 0 */
    uint64_t sent_ns; /* when it was due, since the run began; 48 bits */
};

/* Fills out (PAYLOAD_MIN at least). */
void payload_encode(const struct payload *p, struct span out);

enum payload_check {
    PAYLOAD_WHOLE,   /* *out is what was sent */
    PAYLOAD_CORRUPT, /* of this run, but cut, too long, or changed */
    PAYLOAD_FOREIGN, /* nothing of this run in it */
};
/* len: what every payload of the run has. A server may wrap it (a JSON envelope): it is found
 * inside the message; what stands alone must be exactly it. */
enum payload_check payload_check(struct bytes message, uint32_t run, size_t len,
                                 struct payload *out) MUST_CHECK;
