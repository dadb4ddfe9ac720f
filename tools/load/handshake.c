/* Both handshakes. Nothing optional is asked for, no extension, so nothing optional may come back.
 */
#include "load/handshake.h"

#include "base/base64.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>

int handshake_init(struct handshake *h, const struct url *url, const char *subprotocol)
{
    uint8_t nonce[16];
    *h = (struct handshake){.url = url, .subprotocol = subprotocol};
    clock_random_bytes(nonce, sizeof(nonce));
    base64_encode((uint8_t *)h->key, (struct bytes){nonce, sizeof(nonce)});
    const struct bytes key = {(const uint8_t *)h->key, sizeof(h->key)};
    return ws_accept(key, h->accept) ? 0 : -ENOMEM;
}

void handshake_add_request(struct text *out, const struct handshake *h, uint32_t number)
{
    text_add_str(out, "GET ");
    url_add_target(out, h->url, number);
    text_add_str(out, " HTTP/1.1\r\nHost: ");
    url_add_authority(out, h->url);
    if (h->polls) {
        text_add_str(out, "\r\nAccept: application/json\r\n\r\n");
        return;
    }
    if (h->url->scheme == URL_HTTP) {
        text_add_str(out, "\r\nAccept: text/event-stream\r\nCache-Control: no-cache\r\n\r\n");
        return;
    }
    text_printf(out,
                "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: %.*s\r\n",
                HANDSHAKE_KEY_LEN, h->key);
    if (h->subprotocol)
        text_printf(out, "Sec-WebSocket-Protocol: %s\r\n", h->subprotocol);
    text_add_str(out, "\r\n");
}

void handshake_add_poll(struct text *out, const struct handshake *h, uint32_t number,
                        struct bytes cursor)
{
    struct url path = *h->url;
    path.target = url_path(h->url);
    text_add_str(out, "GET ");
    url_add_target(out, &path, number);
    text_printf(out, "?after=%.*s&wait=25 HTTP/1.1\r\nHost: ", (int)cursor.len,
                (const char *)cursor.at);
    url_add_authority(out, h->url);
    text_add_str(out, "\r\nAccept: application/json\r\n\r\n");
}

static const char *refused(const struct response *r, char why[static HANDSHAKE_WHY_MAX])
{
    snprintf(why, HANDSHAKE_WHY_MAX, "refused: HTTP %u", r->status);
    return why;
}

/* RFC 6455, 4.1: what a client must check. */
static const char *upgrade_fault(const struct handshake *h, const struct response *r)
{
    const struct bytes accept = {(const uint8_t *)h->accept, sizeof(h->accept)};
    const struct bytes chosen = response_field(r, "sec-websocket-protocol");
    if (!response_has_token(r, "upgrade", "websocket") ||
        !response_has_token(r, "connection", "upgrade"))
        return "101 that upgrades to something else";
    if (!bytes_equal(response_field(r, "sec-websocket-accept"), accept))
        return "wrong Sec-WebSocket-Accept";
    if (response_field(r, "sec-websocket-extensions").at)
        return "an extension that was not asked for";
    if (!h->subprotocol)
        return chosen.at ? "a subprotocol that was not asked for" : NULL;
    return bytes_equal(chosen, bytes_from(h->subprotocol)) ? NULL : "another subprotocol";
}

const char *handshake_fault(const struct handshake *h, const struct response *r,
                            char why[static HANDSHAKE_WHY_MAX])
{
    if (h->url->scheme == URL_WS)
        return r->status == 101 ? upgrade_fault(h, r) : refused(r, why);
    if (r->status != 200)
        return refused(r, why);
    const struct bytes type = response_field(r, "content-type");
    const struct bytes wanted = BYTES_LITERAL("text/event-stream");
    if (type.len < wanted.len || !bytes_equal_nocase((struct bytes){type.at, wanted.len}, wanted))
        return "an answer that is no event stream";
    return NULL;
}
