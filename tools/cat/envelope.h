/* A message as the server words it in JSON, and the two other things it may say there. */
#pragma once

#include "base/text.h"

enum envelope_kind {
    ENVELOPE_MESSAGE,
    ENVELOPE_DIRECT, /* to this peer alone: it has no place in the log */
    ENVELOPE_OPEN,   /* where the subscription begins */
    ENVELOPE_GAP,
    ENVELOPE_BAD,
};

struct envelope {
    void *root;                 /* what the rest lies in */
    struct bytes cursor;        /* id, place, or where a gap ends; DIRECT: absent */
    struct bytes data;          /* of the two messages */
    struct bytes after, reason; /* of the gap */
    struct text decoded;
};

/* To be given to envelope_fini() whatever it is. */
enum envelope_kind envelope_parse(struct envelope *e, struct bytes json) MUST_CHECK;
/* A gap as an event stream has it: without {"gap":...} around it. */
enum envelope_kind envelope_parse_gap(struct envelope *e, struct bytes json) MUST_CHECK;
void envelope_fini(struct envelope *e);
