/* Compressed messages (RFC 7692), inflated once for all who get the same bytes: what the client
 * spends must not decide a figure. */
#pragma once

#include "base/text.h"

struct inflated {
    struct text packed;  /* the last message, as it came */
    struct text payload; /* and what it says */
};

/* The message's payload, valid until the next call. at == NULL: it does not inflate. */
struct bytes inflated_of(struct inflated *i, struct bytes packed);
void inflated_fini(struct inflated *i);
