/* Where a subscription begins in the log, and whether that leaves a gap. */
#pragma once

#include "conn/asking.h"
#include "conn/conn.h"
#include "log/envelope.h"

struct place {
    uint64_t position; /* what comes after it is sent */
    bool has_gap;      /* something before it may be missing: the peer is to be told */
    enum gap_reason reason;
};

ON_REACTOR struct place place_find(struct reactor *r, const struct set *set,
                                   const struct start *start);
/* From where on nothing of the set is known to be lost. */
ON_REACTOR uint64_t place_oldest(const struct reactor *r, const struct set *set);
/* The cursor of a position. */
ON_REACTOR struct cursor place_cursor(const struct reactor *r, uint64_t position);
