/* Finishing a topic (DELETE /t/TOPIC): the end is an entry of the log, so that everybody gets what
 * came before it, and nobody anything after. */
#pragma once

#include "conn/conn.h"
#include "http/request.h"

/* Origin and admin token are not checked yet; the path is good. */
ON_REACTOR void finish_request(struct reactor *r, struct conn *c, const struct http_request *q,
                               struct bytes head);
/* The request was read to its end. */
ON_REACTOR void finish_body(struct reactor *r, struct conn *c);

/* Is the set that of exactly one topic, which is finished, and does `position` stand behind all of
 * it? */
ON_REACTOR bool finish_has_all(const struct reactor *r, const struct set *set, uint64_t position);
/* Does it subscribe to exactly one topic, which is finished, and has it everything of it? */
ON_REACTOR bool finish_is_over(const struct reactor *r, const struct conn *c);
/* The stream's end, or the close frame, behind what it is owed. */
ON_REACTOR void finish_goodbye(struct reactor *r, struct conn *c);
/* 410; it subscribes to nothing any more. */
ON_REACTOR void finish_answer(struct reactor *r, struct conn *c, const struct http_request *q);
