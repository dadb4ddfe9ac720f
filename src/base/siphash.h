/* SipHash-1-3, keyed: tables whose keys are chosen by peers cannot be flooded. */
#pragma once

#include "base/bytes.h"

struct siphash_key {
    uint64_t k0, k1;
};

uint64_t siphash(const struct siphash_key *key, struct bytes in);
