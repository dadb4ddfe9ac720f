/* A message as one JSON object, and the notice of a gap: the same on every transport that speaks
 * JSON. It knows no transport but the WebSocket frame that its image is wrapped in. */
#pragma once

#include "base/text.h"
#include "base/writer.h"
#include "log/cursor.h"
#include "log/message.h"

/* {"id":CURSOR,"topic":...,"time":UNIX_MS,"event":... (if named),"data":TEXT or "base64":BINARY} */
void envelope_add(struct text *out, const struct message *m, uint64_t epoch);
/* The same for who measures first: the event stream's images. */
void envelope_put(struct writer *w, const struct message *m, uint64_t epoch);
/* IMAGE_ENVELOPE: an unmasked text frame (RFC 6455, 5.2) whose inner slice is the envelope.
 * user: const uint64_t *epoch. An image_build_fn. */
struct image *envelope_image_new(const struct message *m, void *user);

enum gap_reason { GAP_EPOCH, GAP_TRIMMED, GAP_SLOW, GAP_REASONS };
const char *gap_reason_name(enum gap_reason reason); /* "epoch", "trimmed", "slow" */

/* Messages after `after` up to and including `resumed` may be missing. */
struct gap {
    struct bytes after; /* the cursor's text, as the peer gave it; UTF-8 */
    struct cursor resumed;
    enum gap_reason reason;
};
/* {"after":"...","resumed":"...","reason":"..."} */
void gap_add(struct text *out, const struct gap *gap);
