/* Server-Sent Events as a client reads them (WHATWG HTML, 9.2.6), as far as a load generator cares:
 * the data of each event. No socket, no state: what is not whole yet stays with the caller. */
#pragma once

#include "base/attr.h"
#include "http/body.h"

/* The data of the next whole event, its first line if there are several: what we publish has one.
 * Moves *in on past it, and past whatever says nothing (comments, ids) before it. False: there is
 * none yet; what is left of *in is the beginning of one: keep it. */
bool events_next(struct bytes *in, struct bytes *data) MUST_CHECK;

enum events_unframe { EVENTS_GOES_ON, EVENTS_ENDED, EVENTS_BAD };
/* Takes the framing of a body (chunks) out of *raw where it lies: *raw becomes the stream's bytes.
 */
enum events_unframe events_unframe(struct http_body *body, struct span *raw) MUST_CHECK;
