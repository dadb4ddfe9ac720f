/* Connections that gave one key when they were opened (`?tab=KEY`), a page's two or a test's many:
 * whoever knows the key may ask what they cost, and cut them. Of those opened last only: a place is
 * 16 bytes, and nobody pays for it who gives no key. */
#pragma once

#include "base/sizes.h"
#include "conn/conn.h"
#include "http/request.h"

#include <stdatomic.h>

enum {
    TABS_MAX = SIZED(1024, 16), /* of each reactor; a power of two */
    TAB_PLACES = 8,             /* that one key may have of them */
    TAB_KEY_MIN = 16,           /* characters: it is a secret */
    TAB_KEY_MAX = 64,
};

/* Written by its reactor, read by all: name is 0 while key changes, and emptied by who cuts. */
struct tab_place {
    _Atomic uint64_t key;  /* its hash */
    _Atomic uint64_t name; /* generation + 1, slot; 0: nobody */
};

struct tabs {
    struct tab_place places[TABS_MAX];
};

/* The hash of what q's `tab` says; absent: *has is false. False: it is no key, which is answered.
 */
ON_REACTOR bool tab_read(struct reactor *r, struct conn *c, const struct http_request *q,
                         uint64_t *key, bool *has) MUST_CHECK;
/* The connection has begun to stream. */
ON_REACTOR void tab_remember(struct reactor *r, const struct conn *c, uint64_t key);
/* GET: how many there are, and their memory. DELETE: resets them. */
ON_REACTOR void tab_request(struct reactor *r, struct conn *c, const struct http_request *q,
                            struct bytes head);
