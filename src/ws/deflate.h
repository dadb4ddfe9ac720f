/* The payload of messages, compressed (RFC 7692, 7.2.1). Frames are ws.h's. */
#pragma once

#include "base/attr.h"
#include "base/text.h"

/* Who compresses: 128 KiB, and four windows of 1 << bits bytes. */
struct ws_deflater;

/* window_bits: 8-15. NULL: no memory. */
struct ws_deflater *ws_deflater_new(unsigned window_bits) MUST_CHECK;
/* Clears the caller's pointer; NULL is fine. */
void ws_deflater_free(struct ws_deflater **d_ptr);
/* Forgets what it has seen: the next message stands alone. */
void ws_deflater_reset(struct ws_deflater *d);
/* Appends a message's compressed payload; `payload` is not empty. False: no memory, and what the
 * other side knows is not known any more. */
bool ws_deflate(struct ws_deflater *d, struct bytes payload, struct text *out) MUST_CHECK;
