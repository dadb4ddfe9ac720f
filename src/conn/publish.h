/* From a request body or a WebSocket message to the log, and the answer once its order is fixed. */
#pragma once

#include "conn/conn.h"
#include "http/request.h"
#include "log/message.h"

/* POST /t/TOPIC: checked as far as the head tells, then the body is asked for. The path is good. */
ON_REACTOR void publish_request(struct reactor *r, struct conn *c, const struct http_request *q,
                                struct bytes head);
/* Its body is complete. */
ON_REACTOR void publish_body(struct reactor *r, struct conn *c);
ON_REACTOR void publish_too_large(struct reactor *r, struct conn *c, const struct http_request *q);
/* No room for its body within the body budget, for too long. */
ON_REACTOR void publish_no_room(struct reactor *r, struct conn *c);

/* This reactor has consumed a message that one of its connections published: it is answered. */
ON_REACTOR void publish_ordered(struct reactor *r, const struct message *m);

enum publish_result {
    PUBLISH_TAKEN,
    PUBLISH_FULL, /* *kept is the message, complete: offer it again with publish_again() */
    PUBLISH_NO_MEMORY,
};
/* A message of a WebSocket to its topic. */
ON_REACTOR enum publish_result publish_from_websocket(struct reactor *r, const struct conn *c,
                                                      struct bytes payload, enum message_kind kind,
                                                      struct message **kept) MUST_CHECK;
ON_REACTOR enum publish_result publish_again(struct reactor *r, struct message **kept) MUST_CHECK;
