/* What a publish says about its content: text or binary, and the event's name. Pure. */
#pragma once

#include "base/bytes.h"

enum media {
    MEDIA_NONE,        /* no Content-Type: the bytes decide */
    MEDIA_TEXT,        /* text of some kind, application/json, a form (not decoded) */
    MEDIA_OTHER,       /* binary */
    MEDIA_BAD_CHARSET, /* text in another charset than UTF-8 */
};

/* content_type: the field's value; absent: at == NULL. */
enum media media_type_of(struct bytes content_type);

/* NULL when fine, else one sentence for the peer. An event name stands on one line of the stream,
 * and `gap` is the server's own. */
const char *media_event_problem(struct bytes name);
