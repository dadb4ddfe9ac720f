/* From a request body or a WebSocket message to the log, and the answer once its order is fixed. */
#pragma once

#include "conn/conn.h"
#include "http/request.h"
#include "log/message.h"

/* POST /t/TOPIC: checked as far as the head tells, then the body is asked for. topic: the path's,
 * decoded and well formed. */
ON_REACTOR void publish_request(struct reactor *r, struct conn *c, const struct http_request *q,
                                struct bytes topic, struct bytes head);
/* Its body is complete. */
ON_REACTOR void publish_body(struct reactor *r, struct conn *c);
ON_REACTOR void publish_too_large(struct reactor *r, struct conn *c, const struct http_request *q);
/* No room for its body within the body budget, for too long. */
ON_REACTOR void publish_no_room(struct reactor *r, struct conn *c);

/* What the connection's request, read to its end, publishes. NULL: no memory. */
ON_REACTOR struct message *publish_message_of(struct reactor *r, struct conn *c,
                                              enum message_kind kind) MUST_CHECK;
/* Hands it to the log, to be answered once its order is fixed; refused when the log is full, and
 * when *m is NULL for want of memory. Takes *m. */
ON_REACTOR void publish_append(struct reactor *r, struct conn *c, struct message **m);

/* This reactor has consumed a message that one of its connections published: it is answered.
 * taken: false when its topic was finished meanwhile. */
ON_REACTOR void publish_ordered(struct reactor *r, const struct message *m, bool taken);

enum publish_result {
    PUBLISH_TAKEN,
    PUBLISH_FULL,  /* *kept is the message, complete: offer it again with publish_again() */
    PUBLISH_LATER, /* the same, once the verdict is there */
    PUBLISH_DENIED,
    PUBLISH_NO_MEMORY,
};
/* A message of a WebSocket to its one topic. */
ON_REACTOR enum publish_result publish_from_websocket(struct reactor *r, struct conn *c,
                                                      struct bytes payload, enum message_kind kind,
                                                      struct message **kept) MUST_CHECK;
ON_REACTOR enum publish_result publish_again(struct reactor *r, struct message **kept) MUST_CHECK;
