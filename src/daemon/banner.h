/* What stdout says at start: the line that scripts wait for, then what a newcomer can open and
 * paste. It finds out none of it. */
#pragma once

#include "uproar.h"

#include <stdio.h>

struct banner {
    const char *version;
    const struct uproar_listen *listen; /* as they were asked for; at least one, all readable */
    const uint16_t *ports;              /* the real ones */
    size_t listen_count;
    const char *publish_token_file; /* NULL: no token is needed */
    const char *subscribe_token_file;
};

void banner_print(FILE *out, const struct banner *b);
/* The two lines of --version: the program's, and whose malloc() it runs on. */
void banner_print_version(FILE *out, const char *version);
