/* Server-Sent Events as bytes (WHATWG HTML, 9.2): the event of a message, once for all subscribers,
 * and the few blocks that open, keep and end a stream. No socket, no clock. */
#pragma once

#include "base/text.h"
#include "log/envelope.h"
#include "log/message.h"

/* Event of m as `HEX CRLF event CRLF` (one HTTP/1.1 chunk), whose inner slice is the event alone:
 * `id:`, `event:` when named (binary: "binary" unless named), one `data: ` line per line of the
 * payload (CRLF, LF and CR each end one), binary as base64, blank line. NULL: no memory.
 * user: const uint64_t *epoch. An image_build_fn. */
struct image *sse_image_new(const struct message *m, void *user);

/* The same with the JSON envelope as its one line of data; `event:` only when the publisher named
 * one. IMAGE_SSE_ENVELOPE. */
struct image *sse_envelope_image_new(const struct message *m, void *user);

/* The first block: `retry:` and `id:`, blank line; without `id:` when cursor is absent. The jitter
 * is the caller's. */
void sse_add_open(struct text *out, uint32_t retry_ms, struct bytes cursor);
/* A comment of 2 KB: before it old clients of XMLHttpRequest show nothing. */
void sse_add_preamble(struct text *out);
/* What is not of the log: `event: binary` when it is, its data, blank line; no `id:`. */
void sse_add_direct(struct text *out, struct bytes body, enum message_kind kind);
/* `event: gap`, `id:` of where it goes on, `data:` the gap as JSON, blank line. */
void sse_add_gap(struct text *out, const struct gap *gap);
/* Overload: `retry:` alone, blank line; the stream ends after it. */
void sse_add_retry(struct text *out, uint32_t retry_ms);
/* One chunk around `body` when chunked, else body as it is; empty body adds nothing. */
void sse_add_framed(struct text *out, struct bytes body, bool chunked);

/* Constant images: the heartbeat comment, and the last chunk (nothing when close-delimited). */
struct bytes sse_heartbeat(bool chunked);
struct bytes sse_end(bool chunked);
