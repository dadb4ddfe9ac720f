/* Compressed messages as a client of permessage-deflate speaks them (RFC 7692), each one alone. */
#pragma once

#include "sim/buffer.h"
#include "sim/random.h"

/* Appends what the message says. What does not inflate is a failure of the server ("protocol"). */
void deflate_client_inflate(struct bytes packed, struct buffer *out, const char *who);
/* Appends a message compressed: now well, now hardly at all. */
void deflate_client_deflate(struct random *random, struct bytes payload, struct buffer *out);
