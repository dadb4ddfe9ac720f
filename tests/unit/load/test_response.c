/* Heads of responses, fed at every cut, and what they say about the body. */
#include "load/response.h"
#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

static struct response parsed(struct bytes text)
{
    struct response r;
    size_t head_len;
    cr_assert(eq(int, response_parse(text, &r, &head_len), RESPONSE_DONE));
    cr_assert(eq(sz, head_len, text.len));
    return r;
}

Test(response, is_whole_only_when_the_empty_line_is_there)
{
    const struct bytes whole =
        BYTES_LITERAL("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                      "Connection: keep-alive, Upgrade\r\n\r\n\x81\x01x");
    const size_t wanted = whole.len - 3;
    for (size_t cut = 0; cut <= whole.len; cut++) {
        struct response r;
        size_t head_len;
        const struct bytes in = span_bytes(guarded_copy((struct bytes){whole.at, cut}));
        const enum response_parse result = response_parse(in, &r, &head_len);
        cr_assert(eq(int, result, cut < wanted ? RESPONSE_MORE : RESPONSE_DONE), "cut %zu", cut);
        if (result == RESPONSE_DONE) {
            cr_assert(eq(sz, head_len, wanted));
            cr_assert(eq(uint, r.status, 101));
            cr_assert(response_has_token(&r, "connection", "upgrade"));
            cr_assert(bytes_equal(response_field(&r, "upgrade"), BYTES_LITERAL("websocket")));
        }
        guarded_release();
    }
}

Test(response, tells_how_its_body_is_framed)
{
    struct response r = parsed(BYTES_LITERAL("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n"));
    cr_assert(r.has_length && !r.chunked && !r.closes);
    cr_assert(eq(u64, r.content_length, 12));
    r = parsed(BYTES_LITERAL("HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\n"
                             "Content-Length: 9\n\n"));
    cr_assert(r.chunked && !r.has_length);
    r = parsed(BYTES_LITERAL("HTTP/1.1 200 \r\nConnection: Close\r\n\r\n"));
    cr_assert(r.closes && !r.chunked && !r.has_length);
    r = parsed(BYTES_LITERAL("HTTP/1.0 200 OK\r\n\r\n"));
    cr_assert(r.closes);
    r = parsed(BYTES_LITERAL("HTTP/1.1 204 No Content\r\n\r\n"));
    cr_assert(r.has_length && r.content_length == 0);
}

Test(response, fields_that_are_not_there_are_absent)
{
    const struct response r = parsed(BYTES_LITERAL("HTTP/1.1 200 OK\r\nA:\r\nnonsense\r\n\r\n"));
    cr_assert(response_field(&r, "b").at == NULL);
    cr_assert(response_field(&r, "a").at != NULL);
    cr_assert(eq(sz, response_field(&r, "a").len, 0));
    cr_assert(not(response_has_token(&r, "a", "x")));
}

Test(response, that_is_none_is_refused)
{
    const char *const wrong[] = {"\r\n\r\n",
                                 "HTTP/2 200\r\n\r\n",
                                 "HTTP/1.1 2x0 OK\r\n\r\n",
                                 "HTTP/1.1 099 OK\r\n\r\n",
                                 "SSH-2.0-OpenSSH_9\r\n\r\n",
                                 "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
                                 "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct response r;
        size_t head_len;
        const struct bytes in = span_bytes(guarded_copy(bytes_from(wrong[i])));
        cr_assert(eq(int, response_parse(in, &r, &head_len), RESPONSE_BAD), "%s", wrong[i]);
        guarded_release();
    }
}

Test(response, head_has_a_limit)
{
    struct response r;
    size_t head_len;
    uint8_t *endless = malloc(RESPONSE_HEAD_MAX + 1);
    memset(endless, 'a', RESPONSE_HEAD_MAX + 1);
    const struct bytes in = {endless, RESPONSE_HEAD_MAX + 1};
    cr_assert(eq(int, response_parse(in, &r, &head_len), RESPONSE_BAD));
    free(endless);
}
