/* What was published and who still waits for it: finds every message that is lost, doubled, cut,
 * changed or out of order. No sockets here. */
#pragma once

#include "base/histogram.h"
#include "client_swarm.h"

enum { LEDGER_SEQ_DIGITS = 16 }; /* a payload begins with its sequence number in hex */

struct ledger_slot {
    uint64_t seq;
    uint64_t sent_ns;
    uint32_t waiting; /* subscribers without it, plus 1 until it is answered; 0: the slot is free */
    bool placed;
    uint8_t *payload;
};

struct ledger {
    struct ledger_slot *slots; /* [window], by seq */
    uint64_t *order;           /* [window], by position: which seq the first to get there got */
    uint64_t *publisher_next;  /* [publishers]: each one's messages must keep their order */
    uint32_t window, subscribers, publishers;
    size_t payload_len;
    uint64_t next_seq; /* the one to publish */
    uint64_t placed;   /* positions that have a message */
    uint64_t finished; /* messages that everybody has and the server answered */
    uint64_t deliveries, duplicated, corrupt, disordered;
    bool recording; /* latency */
    struct histogram *latency;
};

int ledger_init(struct ledger *l, const struct client_options *o) MUST_CHECK;
void ledger_fini(struct ledger *l);
/* A message may be published while fewer than the window are unfinished. */
bool ledger_has_room(const struct ledger *l);
/* The next message's payload, on the books from now on; valid until it is finished. */
struct bytes ledger_publish(struct ledger *l, uint64_t now_ns);
/* The server said 201 to it. */
void ledger_answered(struct ledger *l, uint64_t seq);
/* A subscriber at *position got that; moves it on. */
void ledger_deliver(struct ledger *l, uint64_t *position, struct bytes payload, uint64_t now_ns);
/* Deliveries that should have happened and did not: none once all is finished. */
uint64_t ledger_lost(const struct ledger *l);
bool ledger_is_clean(const struct ledger *l);
