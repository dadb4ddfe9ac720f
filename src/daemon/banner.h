/* What stdout says at start: the line that scripts wait for, then what a newcomer can open and
 * paste. It writes into a text; printing is main's. */
#pragma once

#include "base/text.h"
#include "uproar.h"

struct banner {
    const char *version;
    const struct uproar_listen *listen; /* as they were asked for; at least one, all readable */
    const uint16_t *ports;              /* the real ones */
    size_t listen_count;
    const char *publish_token_file; /* NULL: no token is needed */
    const char *subscribe_token_file;
};

void banner_add(struct text *out, const struct banner *b);
/* The two lines of --version: the program's, and whose malloc() it runs on. */
void banner_add_version(struct text *out, const char *version);
