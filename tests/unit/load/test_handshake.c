/* What is asked, and which answers a subscriber may take for a welcome. */
#include "load/handshake.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

static struct url ws_url, sse_url;

static struct handshake made(struct url *url, const char *text, const char *subprotocol)
{
    struct handshake h;
    cr_assert(url_parse(text, url) == NULL);
    cr_assert(eq(int, handshake_init(&h, url, subprotocol), 0));
    return h;
}

static const char *fault(const struct handshake *h, const char *head)
{
    static char why[HANDSHAKE_WHY_MAX];
    struct response r;
    size_t head_len;
    cr_assert(eq(int, response_parse(bytes_from(head), &r, &head_len), RESPONSE_DONE));
    return handshake_fault(h, &r, why);
}

static const char *upgrade(const struct handshake *h, const char *more)
{
    static char head[512];
    snprintf(head, sizeof(head),
             "HTTP/1.1 101 X\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n"
             "Sec-WebSocket-Accept: %.28s\r\n%s\r\n",
             h->accept, more);
    return head;
}

Test(handshake, asks_as_rfc_6455_wants_it)
{
    struct text out = {0};
    char wanted[512];
    const struct handshake h = made(&ws_url, "ws://h:81/t/{n}", "a.b");
    handshake_add_request(&out, &h, 7);
    text_add_byte(&out, '\0');
    snprintf(wanted, sizeof(wanted),
             "GET /t/7 HTTP/1.1\r\nHost: h:81\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %.24s\r\n"
             "Sec-WebSocket-Protocol: a.b\r\n\r\n",
             h.key);
    cr_assert(eq(str, (char *)out.at, wanted));
    text_fini(&out);
}

Test(handshake, welcomes_only_the_right_upgrade)
{
    const struct handshake h = made(&ws_url, "ws://h/", NULL);
    const struct handshake other = made(&ws_url, "ws://h/", NULL);
    cr_assert(fault(&h, upgrade(&h, "")) == NULL);
    cr_assert(fault(&h, upgrade(&other, "")) != NULL);
    cr_assert(fault(&h, upgrade(&h, "Sec-WebSocket-Protocol: x\r\n")) != NULL);
    cr_assert(fault(&h, upgrade(&h, "Sec-WebSocket-Extensions: x\r\n")) != NULL);
    cr_assert(fault(&h, "HTTP/1.1 101 X\r\nConnection: upgrade\r\n\r\n") != NULL);
    cr_assert(eq(str, (char *)fault(&h, "HTTP/1.1 503 X\r\n\r\n"), "refused: HTTP 503"));
}

Test(handshake, insists_on_its_subprotocol)
{
    const struct handshake h = made(&ws_url, "ws://h/", "a");
    cr_assert(fault(&h, upgrade(&h, "Sec-WebSocket-Protocol: a\r\n")) == NULL);
    cr_assert(fault(&h, upgrade(&h, "Sec-WebSocket-Protocol: b\r\n")) != NULL);
    cr_assert(fault(&h, upgrade(&h, "")) != NULL);
}

Test(handshake, of_an_event_stream_is_its_content_type)
{
    const struct handshake h = made(&sse_url, "http://h/", NULL);
    cr_assert(fault(&h, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                        "\r\n") == NULL);
    cr_assert(fault(&h, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n") != NULL);
    cr_assert(fault(&h, "HTTP/1.1 200 OK\r\n\r\n") != NULL);
    cr_assert(fault(&h, "HTTP/1.1 404 No\r\n\r\n") != NULL);
}
