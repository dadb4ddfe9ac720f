/* One TCP connection to the server, made by libcurl (names, proxies), used by hand: whoever
 * publishes must know what was sent, and a library that sends a request once more in silence would
 * not say. */
#pragma once

#include "base/text.h"
#include "load/url.h"

enum { WIRE_WHY_MAX = 256, WIRE_CONNECT_S = 10 };

struct wire {
    void *curl; /* NULL: closed */
    struct text in;
    size_t taken; /* bytes of it that were used up */
    char why[WIRE_WHY_MAX];
};

enum wire_event {
    WIRE_DATA,
    WIRE_END,    /* the server ended it */
    WIRE_SILENT, /* nothing came for so long */
    WIRE_LOST,   /* why says how */
};

/* False: why says what is wrong. Closed before or not. */
bool wire_open(struct wire *w, const struct url *url) MUST_CHECK;
/* False: why; some of it may have gone out. */
bool wire_send(struct wire *w, struct bytes b) MUST_CHECK;
/* Adds what comes to what is unread. */
enum wire_event wire_receive(struct wire *w, uint64_t patience_ms) MUST_CHECK;
/* Valid until the next call of wire_receive(); may be written in. */
struct span wire_unread(const struct wire *w);
void wire_take(struct wire *w, size_t len);
/* Nothing has come, and it has not ended: it may be used again. */
bool wire_is_quiet(struct wire *w);
void wire_close(struct wire *w);
void wire_fini(struct wire *w);
