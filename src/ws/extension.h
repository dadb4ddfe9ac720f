/* Which compression a handshake agrees on: Sec-WebSocket-Extensions read and answered (RFC 6455, 9;
 * RFC 7692, 7.1). Compresses nothing. */
#pragma once

#include "base/attr.h"
#include "base/text.h"

/* permessage-deflate. Server and client are who compresses. */
struct ws_deflate_terms {
    bool server_forgets, client_forgets; /* no_context_takeover: each message stands alone */
    uint8_t server_bits;                 /* LZ77 window of 1 << bits bytes, 8-15 */
    bool names_server_bits;              /* the answer has to repeat them */
    uint8_t client_bits;                 /* at most so many; 0: the client did not offer to say */
};

enum ws_deflate_choice {
    WS_DEFLATE_NONE,   /* nothing was offered that can be done: go on without */
    WS_DEFLATE_CHOSEN, /* the first such offer: *terms are what it asks for */
    WS_DEFLATE_BAD,    /* not a list of extensions: 400 */
};
/* offered: the combined field value(s), absent when there is none. Unknown extensions, and offers
 * with unknown, doubled or impossible parameters, are declined (RFC 7692, 5.1). The caller may make
 * either side forget before it answers (7.1.1). */
enum ws_deflate_choice ws_deflate_choose(struct bytes offered, struct ws_deflate_terms *terms)
    MUST_CHECK;
/* The header line that agrees to them, with CRLF. */
void ws_deflate_answer(struct text *out, const struct ws_deflate_terms *terms);
