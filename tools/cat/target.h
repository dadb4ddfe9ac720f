/* What is asked of the server: request targets and fields. No socket. */
#pragma once

#include "cat/options.h"

/* Where a subscription begins again; absent: as the options say. */
void target_add_subscription(struct text *out, const struct options *o, struct bytes place);
/* The same for a WebSocket, which has only its target to say who it is. */
void target_add_websocket(struct text *out, const struct options *o, struct bytes place);
void target_add_publication(struct text *out, const struct options *o);
/* Host, Authorization, User-Agent. */
void target_add_fields(struct text *out, const struct options *o);
