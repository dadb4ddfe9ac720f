/* Does every subscriber get every message once, in order and whole? The books of a fan-out: a few
 * bytes for each subscriber, and counts. No sockets, no clock. */
#pragma once

#include "load/payload.h"

/* How far back a message that comes late can be told from one that comes twice. */
enum { CHECKER_WINDOW = 64 };

/* One subscriber's, zeroed at first. */
struct checker_place {
    uint64_t seen; /* bit i: message next - 1 - i has come */
    uint32_t next; /* the sequence number that is due */
};

struct checker {
    uint32_t run;
    size_t payload_len;
    uint64_t delivered;  /* different messages, all subscribers together: what is not lost */
    uint64_t duplicated; /* came again */
    uint64_t disordered; /* came after a later one */
    uint64_t corrupt;    /* cut, too long, or changed */
    uint64_t foreign;    /* not this run's: no fault */
};

/* A subscriber got that. True: it is a message not seen before, *out tells which. */
bool checker_take(struct checker *c, struct checker_place *place, struct bytes message,
                  struct payload *out) MUST_CHECK;
/* expected: subscribers times messages. */
uint64_t checker_lost(const struct checker *c, uint64_t expected);
bool checker_is_clean(const struct checker *c, uint64_t expected);
