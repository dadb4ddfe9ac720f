/* The opening handshake's arithmetic (RFC 6455, 4.2). The request itself is http's. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

enum { WS_ACCEPT_LEN = 28 };

/* Is it 16 bytes in base64: 24 characters, the last two "=="? The four spare bits of the last digit
 * may be anything (RFC 4648, 3.5 leaves it to the decoder): load tools draw keys at random. */
bool ws_key_is_valid(struct bytes key) MUST_CHECK;
/* Sec-WebSocket-Accept for a valid key, without NUL. False: no memory for the digest. */
bool ws_accept(struct bytes key, char out[static WS_ACCEPT_LEN]) MUST_CHECK;

/* Chooses a subprotocol: the first in the client's order that is in `known` (ends in NULL).
 * offered: the combined Sec-WebSocket-Protocol value(s), absent when there is no such field.
 * *chosen: the entry of `known`, or NULL. */
enum ws_subprotocol {
    WS_SUBPROTOCOL_NONE_OFFERED,
    WS_SUBPROTOCOL_CHOSEN,
    WS_SUBPROTOCOL_UNKNOWN,
    WS_SUBPROTOCOL_BAD, /* not a list of tokens: 400 */
};
enum ws_subprotocol ws_choose_subprotocol(struct bytes offered, const char *const *known,
                                          const char **chosen) MUST_CHECK;
