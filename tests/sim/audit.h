/* One subscriber's conscience: it knows what it asked for and what it has seen, and judges every
 * message, gap and end that it is given against the truth. It reads no bytes. */
#pragma once

#include "sim/truth.h"

enum audit_policy { AUDIT_CLOSE, AUDIT_SKIP, AUDIT_LATEST };

struct audit {
    const struct truth *truth;
    const char *who; /* for failures */
    struct filters filters;
    enum audit_policy policy;
    bool is_raw_ws; /* `latest` is silent there */
    bool by_sse;    /* its payloads are the data of events; may differ from message to message */
    uint64_t
        first_retained;   /* the oldest that its reactor still has; kept up to date from outside */
    uint64_t refused_seq; /* up to there it may say so of what it had no memory for; the same */
    uint64_t seen;        /* everything of its filters up to here was given, or its loss was told */
};

/* A cursor, as a peer reads it. False: it is none. */
bool audit_cursor_parse(struct bytes text, uint64_t *epoch, uint64_t *seq);

/* A new connection that asked for everything behind `after`. */
void audit_begin(struct audit *a, uint64_t after);
/* The opening told this cursor: for a resume it is the peer's own or a later one, but not beyond
 * the first message of its own that follows ("order"). */
void audit_opened(struct audit *a, struct bytes cursor);
/* It was given a message. id, topic: absent (at == NULL) where the transport has none. Judges that
 * it is the next one of its filters: "order" (skipped, doubled, not its own), "payload". With
 * AUDIT_LATEST on a raw WebSocket what is skipped must have been superseded, or trimmed, by then.
 */
void audit_message(struct audit *a, struct bytes id, struct bytes topic, struct bytes payload);
/* It was told a gap: from its own place (as it had it), and something of its own was in it ("gap").
 * first_retained: the oldest sequence that its reactor still has. Under AUDIT_LATEST what is
 * skipped must have been superseded or trimmed. */
void audit_gap(struct audit *a, struct bytes from, struct bytes to, struct bytes reason);
