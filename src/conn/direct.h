/* Letters to one peer: a message outside the log, or its end. Who may write them is not asked here.
 */
#pragma once

#include "conn/mail.h"
#include "conn/peer.h"
#include "log/message.h"

/* The reactors must be there. -ENOENT: gone; -EAGAIN: too many letters are on their way; -ENOMEM.
 */
ANY_THREAD int direct_send(struct broker *b, uint64_t peer, enum message_kind kind,
                           struct bytes body) MUST_CHECK;
/* code: as a WebSocket's; reason: UTF-8. */
ANY_THREAD int direct_close(struct broker *b, uint64_t peer, unsigned code, struct bytes reason)
    MUST_CHECK;

/* It speaks now what it asked to: what was kept until then is opened. It may be gone afterwards. */
ON_REACTOR void direct_open_letters(struct reactor *r, struct conn *c);
/* It never will. */
ON_REACTOR void direct_return_letters(struct reactor *r, struct peer *p);
