/* A long-poll's answers, cut everywhere, and the envelopes in them. */
#include "load/poll.h"

#include "base/text.h"
#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define HEAD(status, length)                                                                       \
    "HTTP/1.1 " status "\r\nUproar-Cursor: e-7\r\nContent-Length: " length "\r\n\r\n"

Test(load_poll, is_not_read_before_it_is_whole)
{
    static const char answer[] = HEAD("200 OK", "4") "[{}]";
    for (size_t len = 1; len < sizeof(answer) - 1; len++) {
        struct poll_answer a;
        struct bytes in = span_bytes(guarded_copy((struct bytes){(const uint8_t *)answer, len}));
        cr_assert(eq(int, poll_parse(&in, &a), POLL_MORE), "cut at %zu", len);
        cr_assert(eq(sz, in.len, len));
        guarded_release();
    }
}

static void check(const char *answer, unsigned status, const char *body, const char *rest)
{
    struct poll_answer a;
    struct bytes in = bytes_from(answer);
    cr_assert(eq(int, poll_parse(&in, &a), POLL_DONE));
    cr_assert(eq(uint, a.status, status));
    cr_assert(bytes_equal(a.cursor, BYTES_LITERAL("e-7")));
    cr_assert(bytes_equal(a.body, bytes_from(body)));
    cr_assert(bytes_equal(in, bytes_from(rest)));
}

Test(load_poll, tells_status_place_and_body_and_goes_on_behind_it)
{
    check(HEAD("200 OK", "4") "[{}]HTTP", 200, "[{}]", "HTTP");
    check("HTTP/1.1 204 No Content\r\nUproar-Cursor: e-7\r\n\r\nnext", 204, "", "next");
    check(HEAD("503 Service Unavailable", "0"), 503, "", "");
}

Test(load_poll, refuses_what_has_no_length_or_is_no_http)
{
    struct poll_answer a;
    struct bytes in = BYTES_LITERAL("HTTP/1.1 200 OK\r\n\r\n[]");
    cr_assert(eq(int, poll_parse(&in, &a), POLL_BAD));
    in = BYTES_LITERAL("SSH-2.0-x\r\n\r\n");
    cr_assert(eq(int, poll_parse(&in, &a), POLL_BAD));
}

static void expect_messages(const char *array, const char *wanted)
{
    struct bytes body = bytes_from(array), message;
    struct text said = {0};
    while (poll_next(&body, &message)) {
        text_add(&said, message);
        text_add_byte(&said, '\n');
    }
    text_add_byte(&said, '\0');
    cr_assert(eq(str, (char *)said.at, (char *)wanted));
    text_fini(&said);
}

Test(load_poll, takes_an_array_apart)
{
    expect_messages("[]", "");
    expect_messages("[{\"id\":\"a\"}]", "{\"id\":\"a\"}]\n");
    expect_messages("[{\"id\":\"a\",\"data\":\"{}\"},{\"id\":\"b\"},{\"id\":\"c\"}]",
                    "{\"id\":\"a\",\"data\":\"{}\"},\n{\"id\":\"b\"},\n{\"id\":\"c\"}]\n");
}
