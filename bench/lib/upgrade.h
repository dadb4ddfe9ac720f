/* The answer to a WebSocket handshake (RFC 6455, 4.2.2), for whoever plays a server here.
 * Does not look at the request: a key is taken as it is. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

struct evp_md_st;

enum { UPGRADE_REPLY_MAX = 160 };

/* The digest, fetched once: its cost is neither a connection's time nor its memory. NULL: none. */
struct evp_md_st *upgrade_digest(void) MUST_CHECK;
/* The 101 and its empty line; returns its length, 0 when the digest failed. */
size_t upgrade_reply(char out[static UPGRADE_REPLY_MAX], struct bytes key,
                     const struct evp_md_st *sha1) MUST_CHECK;
