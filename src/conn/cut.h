/* A frame that went out only in part: its message is pinned, whatever the history does, until the
 * rest has gone. Connections that were cut in the same frame share it. */
#pragma once

#include "base/list.h"
#include "conn/conn.h"
#include "log/message.h"

struct cut {
    struct list link; /* in reactor.cuts, the newest last */
    struct message *message;
    struct image *image; /* its own, once the message does not share one any more */
    uint32_t conn_count;
    enum image_kind kind; /* of the frame that was cut */
};

/* NULL: no memory. */
ON_REACTOR struct cut *cut_pin(struct reactor *r, struct message *m, enum wire wire) MUST_CHECK;
/* Clears the caller's pointer. */
ON_REACTOR void cut_unpin(struct reactor *r, struct cut **cut_ptr);
/* The whole frame. at == NULL: no memory for its image. Valid until the history changes. */
ON_REACTOR struct bytes cut_frame(struct reactor *r, struct cut *cut, enum wire wire);
