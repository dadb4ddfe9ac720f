/* The kinds of peers. Each is made knowing the scenario, and adds itself to nobody. */
#pragma once

#include "sim/peer.h"

/* POST to /t/TOPIC: bodies with a length and chunked, several requests pipelined or one at a time,
 * on connections that are cut now and then at any byte. 201 is accepted, every other answer
 * refused, no answer: unknown. */
struct peer *publisher_new(struct world *w, unsigned number) MUST_CHECK;
/* A raw WebSocket that publishes what it sends to its topic (masked, in fragments now and then) and
 * has to get all of it back, in its own order among the others. */
struct peer *ws_publisher_new(struct world *w, unsigned number) MUST_CHECK;
/* A raw or JSON WebSocket, an event stream (raw or JSON, HTTP/1.1 or 1.0), a long-poll (array or
 * lines): as the seed decides. Comes back with its last cursor whenever it was cut. */
struct peer *subscriber_new(struct world *w, unsigned number) MUST_CHECK;
/* A raw WebSocket on a topic of its own that publishes to itself every 10 ms of virtual time and
 * knows how long each took. */
struct peer *bystander_new(struct world *w, unsigned number) MUST_CHECK;
/* Ends a topic with DELETE, asks for healthz and metrics, sends nonsense, half a request, nothing.
 */
struct peer *nuisance_new(struct world *w, unsigned number) MUST_CHECK;

/* Waits for what the contract says to happen to one who keeps silent, or never reads. */
struct peer *silent_new(struct world *w, unsigned number) MUST_CHECK;

/* The longest a bystander's message took, in virtual time; 0 for other kinds. */
uint64_t bystander_worst_ns(const struct peer *p);
