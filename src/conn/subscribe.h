/* Subscribing: who may, what is asked for, and by which transport. */
#pragma once

#include "conn/conn.h"
#include "http/request.h"

/* GET or HEAD. topic: the one the path names, decoded and well formed; absent: /t, the query names
 * them. */
ON_REACTOR void subscribe_request(struct reactor *r, struct conn *c, const struct http_request *q,
                                  struct bytes head, struct bytes topic);
/* POST /t: checked as far as the head tells, then the body is asked for. */
ON_REACTOR void subscribe_post(struct reactor *r, struct conn *c, const struct http_request *q,
                               struct bytes head);
/* Its body is complete. */
ON_REACTOR void subscribe_body(struct reactor *r, struct conn *c);
/* Would the page be the right answer to a GET? A browser's address bar, not a poller. */
bool subscribe_is_for_people(const struct http_request *q);
