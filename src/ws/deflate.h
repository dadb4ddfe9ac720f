/* The payload of messages, compressed (RFC 7692, 7.2.1). Frames are ws.h's. */
#pragma once

#include "base/attr.h"
#include "base/text.h"

/* Who compresses: 128 KiB, and four windows of 1 << bits bytes. */
struct ws_deflater;

/* Longer messages are not worth it: the reactor's other peers would wait for more than 10 ms. */
enum { WS_DEFLATE_MAX = 1 << 20 };

/* window_bits: 8-15. keeps: it will not be made to forget, so it is quick with every message, and
 * not with long ones alone. NULL: no memory. */
struct ws_deflater *ws_deflater_new(unsigned window_bits, bool keeps) MUST_CHECK;
/* Clears the caller's pointer; NULL is fine. */
void ws_deflater_free(struct ws_deflater **d_ptr);
/* Forgets what it has seen: the next message stands alone. */
void ws_deflater_reset(struct ws_deflater *d);
/* Appends a message's compressed payload; `payload` is not empty. Not twice without forgetting in
 * between, unless it keeps. False: no memory, and what the
 * other side knows is not known any more. */
bool ws_deflate(struct ws_deflater *d, struct bytes payload, struct text *out) MUST_CHECK;
