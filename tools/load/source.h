/* Where connections come from: a source address has only about 28,000 ports for one destination, so
 * many connections need several addresses. Opens no socket. */
#pragma once

#include "base/attr.h"
#include "io/io.h"

enum {
    SOURCES_MAX = 4096,
    /* Ports 32768-60999 are 28,232. Below that, so that the search for a free one stays short. */
    SOURCE_CONNECTIONS_MAX = 20000,
    /* connect() tries the ports of one parity first, 14,116 of them. Beyond that each further
     * connection costs a walk over all of these: 15,000 a second were 3,000. */
    SOURCE_SPREAD_MAX = 12000,
};

struct sources {
    union io_address *at; /* port 0 each */
    uint32_t count;       /* 0: the kernel chooses */
};

bool source_is_loopback(const union io_address *address);
/* How many addresses that many connections need at least. */
uint32_t sources_needed(uint64_t connections);
/* For a loopback target so many addresses of 127.0.0.0/8 that connecting stays fast; else, and
 * where one is enough, none. -ENOMEM. */
int sources_spread(struct sources *s, const union io_address *target, uint64_t connections)
    MUST_CHECK;
/* LIST: addresses and ranges FIRST-LAST (IPv4) with commas between. NULL, or what is wrong. */
const char *sources_parse(struct sources *s, const char *list) MUST_CHECK;
void sources_fini(struct sources *s);

/* Of the connection with that number; NULL: the kernel chooses. */
static inline const union io_address *sources_for(const struct sources *s, uint32_t number)
{
    return s->count > 0 ? &s->at[number % s->count] : NULL;
}
