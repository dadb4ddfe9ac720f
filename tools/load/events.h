/* Server-Sent Events as a client reads them (WHATWG HTML, 9.2.6), as far as a load generator cares:
 * the data of each event. No socket, no state: what is not whole yet stays with the caller. */
#pragma once

#include "base/attr.h"
#include "http/body.h"

/* The data of the next whole event. What we publish has one line: of several it is the bytes from
 * the first to the last, field names included, which is nobody's message.
 * Moves *in on past it, and past whatever says nothing (comments, ids) before it. False: there is
 * none yet; what is left of *in is the beginning of one: keep it. */
bool events_next(struct bytes *in, struct bytes *data) MUST_CHECK;

/* Is that all that a stream has to say, "retry: N" and no event? So do servers answer that are
 * full: to any other status EventSource would not come again (WHATWG HTML, 9.2.3). */
bool events_is_refusal(struct bytes body);

enum events_unframe { EVENTS_GOES_ON, EVENTS_ENDED, EVENTS_BAD };
/* Takes the framing of a body (chunks) out of *raw where it lies: *raw becomes the stream's bytes.
 */
enum events_unframe events_unframe(struct http_body *body, struct span *raw) MUST_CHECK;
