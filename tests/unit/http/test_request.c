/* Request heads: what is understood, what is refused with which status, the same at every cut.
 * Bodies are in test_body.c. */
#include "http/request.h"
#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_HOST    "Host: a.example\r\n"
#define WITH(fields) "GET / HTTP/1.1\r\n" LINE_HOST fields "\r\n"

struct verdict {
    enum http_parse result;
    unsigned status;
    const char *why;
    size_t head_len;
};

static struct verdict parse(struct http_request *r, struct bytes in, size_t *scanned)
{
    struct verdict v = {0};
    v.result = http_request_parse(r, in, scanned, &v.head_len, &v.status, &v.why);
    return v;
}

static void check_same(struct verdict a, struct verdict b, size_t cut)
{
    cr_assert(eq(int, a.result, b.result), "cut at %zu", cut);
    cr_assert(eq(uint, a.status, b.status), "cut at %zu: %s / %s", cut, a.why, b.why);
    cr_assert(a.why == b.why, "cut at %zu: %s / %s", cut, a.why, b.why);
    cr_assert(eq(sz, a.head_len, b.head_len), "cut at %zu", cut);
}

/* In two pieces; a verdict on the first is final. The buffer moves in between. */
static struct verdict parse_cut(struct http_request *r, struct bytes in, size_t cut)
{
    size_t scanned = 0;
    struct verdict v = parse(r, span_bytes(guarded_copy((struct bytes){in.at, cut})), &scanned);
    memset(r, 0xa5, sizeof(*r)); /* nothing may be expected to stay in it */
    if (v.result == HTTP_PARSE_MORE) {
        cr_assert(eq(sz, scanned, cut), "nothing is read twice");
        v = parse(r, span_bytes(guarded_copy(in)), &scanned);
    }
    return v;
}

static struct verdict parse_bytewise(struct http_request *r, struct bytes in)
{
    struct verdict v = {.result = HTTP_PARSE_MORE};
    size_t scanned = 0;

    for (size_t len = 0; len <= in.len && v.result == HTTP_PARSE_MORE; len++) {
        memset(r, 0xa5, sizeof(*r));
        v = parse(r, (struct bytes){in.at, len}, &scanned);
    }
    return v;
}

static struct verdict parse_every_way(struct http_request *r, struct bytes in)
{
    size_t scanned = 0;
    const struct verdict whole = parse(r, span_bytes(guarded_copy(in)), &scanned);

    guarded_release();
    check_same(whole, parse_bytewise(r, in), in.len);
    for (size_t cut = 0; cut < in.len && in.len < 1000; cut++) {
        check_same(whole, parse_cut(r, in, cut), cut);
        guarded_release();
    }
    scanned = 0;
    check_same(whole, parse(r, in, &scanned), in.len); /* leaves r pointing into `in` */
    return whole;
}

/* Large: not on the stack. */
static struct http_request *good(const char *head)
{
    static struct http_request r;
    const struct verdict v = parse_every_way(&r, bytes_from(head));

    cr_assert(eq(int, v.result, HTTP_PARSE_DONE), "%u %s: %s", v.status, v.why, head);
    cr_assert(eq(sz, v.head_len, strlen(head)), "%s", head);
    return &r;
}

static unsigned status_of(const char *head)
{
    static struct http_request r;
    const struct verdict v = parse_every_way(&r, bytes_from(head));

    cr_assert(eq(int, v.result, HTTP_PARSE_BAD), "is not refused: %s", head);
    cr_assert(eq(uint, r.field_count, 0), "nobody may look for fields beyond the array");
    cr_assert(v.why != NULL);
    return v.status;
}

#define CHECK_STATUS(expected, head)                                                               \
    cr_assert(eq(uint, status_of(head), (expected)), "for: %s", (head))

static bool is(struct bytes b, const char *text)
{
    return bytes_equal(b, bytes_from(text)) && (b.at != NULL) == (text != NULL);
}

Test(http_request, says_what_a_plain_request_says)
{
    const struct http_request *r = good("GET /t/a%2Fb?after=now&x HTTP/1.1\r\n"
                                        "Host: a.example:8080\r\n"
                                        "Accept: \t text/html \t\r\n"
                                        "X-Empty:\r\n"
                                        "\r\n");
    cr_assert(eq(int, r->method, HTTP_GET));
    cr_assert(is(r->method_name, "GET"));
    cr_assert(is(r->target, "/t/a%2Fb?after=now&x"));
    cr_assert(is(r->path, "/t/a%2Fb"));
    cr_assert(is(r->query, "after=now&x"));
    cr_assert(is(r->host, "a.example:8080"));
    cr_assert(eq(uint, r->minor, 1));
    cr_assert(eq(uint, r->field_count, 3));
    cr_assert(is(http_request_field(r, "accept"), "text/html"));
    cr_assert(is(http_request_field(r, "x-empty"), ""));
    cr_assert(is(http_request_field(r, "cookie"), NULL));
    cr_assert(r->keep_alive);
    cr_assert(not(r->chunked));
    cr_assert(not(r->expect_continue));
    cr_assert(eq(u64, r->content_length, 0));
}

Test(http_request, leaves_what_follows_the_head)
{
    static struct http_request r;
    const struct bytes in = BYTES_LITERAL(WITH("") "GET /next HTTP/1.1\n\n");
    const struct verdict v = parse_every_way(&r, in);

    cr_assert(eq(int, v.result, HTTP_PARSE_DONE));
    cr_assert(eq(sz, v.head_len, strlen(WITH(""))));
}

Test(http_request, starts_afresh_behind_a_head)
{
    static struct http_request r;
    const struct bytes in = BYTES_LITERAL(WITH("") "PUT / HTTP/1.0\r\n\r\n");
    size_t scanned = 0;
    const struct verdict first = parse(&r, in, &scanned);
    const struct verdict second = parse(&r, bytes_skip(in, first.head_len), &scanned);

    cr_assert(eq(int, second.result, HTTP_PARSE_DONE));
    cr_assert(eq(int, r.method, HTTP_PUT));
    cr_assert(eq(sz, first.head_len + second.head_len, in.len));
}

Test(http_request, knows_methods_in_their_case_only)
{
    static const struct {
        const char *head;
        enum http_method method;
    } cases[] = {
        {"GET / HTTP/1.1\r\n" LINE_HOST "\r\n", HTTP_GET},
        {"HEAD / HTTP/1.1\r\n" LINE_HOST "\r\n", HTTP_HEAD},
        {"POST / HTTP/1.1\r\n" LINE_HOST "\r\n", HTTP_POST},
        {"PUT / HTTP/1.1\r\n" LINE_HOST "\r\n", HTTP_PUT},
        {"DELETE / HTTP/1.1\r\n" LINE_HOST "\r\n", HTTP_DELETE},
        {"OPTIONS / HTTP/1.1\r\n" LINE_HOST "\r\n", HTTP_OPTIONS},
        {"PATCH / HTTP/1.1\r\n" LINE_HOST "\r\n", HTTP_PATCH},
        {"get / HTTP/1.1\r\n" LINE_HOST "\r\n", HTTP_OTHER},
        {"!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\n" LINE_HOST "\r\n", HTTP_OTHER},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert(eq(int, good(cases[i].head)->method, cases[i].method), "%s", cases[i].head);
}

Test(http_request, skips_up_to_eight_empty_lines_before_the_request)
{
    cr_assert(is(good("\r\n" WITH(""))->path, "/"));
    cr_assert(is(good("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n" WITH(""))->path, "/"));
    CHECK_STATUS(400, "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n" WITH(""));
}

Test(http_request, takes_targets_in_absolute_form)
{
    const struct http_request *r =
        good("GET HTTP://b.example:81/p?q HTTP/1.1\r\n" LINE_HOST "\r\n");
    cr_assert(is(r->host, "b.example:81"), "the target overrules Host");
    cr_assert(is(r->path, "/p"));
    cr_assert(is(r->query, "q"));

    r = good("GET https://[::1] HTTP/1.1\r\n" LINE_HOST "\r\n");
    cr_assert(is(r->host, "[::1]"));
    cr_assert(is(r->path, "/"));
    cr_assert(is(r->query, NULL));

    r = good("GET http://b?q HTTP/1.1\r\n" LINE_HOST "\r\n");
    cr_assert(is(r->path, "/"));
    cr_assert(is(r->query, "q"));
}

Test(http_request, takes_a_star_from_options_only)
{
    cr_assert(is(good("OPTIONS * HTTP/1.1\r\n" LINE_HOST "\r\n")->path, "*"));
    CHECK_STATUS(400, "GET * HTTP/1.1\r\n" LINE_HOST "\r\n");
    CHECK_STATUS(400, "OPTIONS ** HTTP/1.1\r\n" LINE_HOST "\r\n");
}

Test(http_request, tells_an_empty_query_from_none)
{
    cr_assert(is(good("GET /? HTTP/1.1\r\n" LINE_HOST "\r\n")->query, ""));
    cr_assert(is(good("GET /?a?b HTTP/1.1\r\n" LINE_HOST "\r\n")->query, "a?b"));
    cr_assert(is(good("GET / HTTP/1.1\r\n" LINE_HOST "\r\n")->query, NULL));
}

Test(http_request, refuses_other_targets)
{
    static const char *const targets[] = {"a.example:443",
                                          "t/x",
                                          "?q",
                                          "ftp://a/",
                                          "http:/a",
                                          "http://",
                                          "http:///p",
                                          "http://u@a/",
                                          "/a#b",
                                          "/\x7f",
                                          "/\xc3\xa4",
                                          "http://[/",
                                          "http://a:b/",
                                          "http://a:123456/",
                                          "http://a%2/",
                                          "#",
                                          "http://?q",
                                          "http"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        char head[200];
        snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\n" LINE_HOST "\r\n", targets[i]);
        CHECK_STATUS(400, head);
    }
}

Test(http_request, knows_the_authority_form_and_opens_no_tunnels)
{
    CHECK_STATUS(501, "CONNECT a.example:443 HTTP/1.1\r\n" LINE_HOST "\r\n");
    CHECK_STATUS(501, "CONNECT [::1]:80 HTTP/1.1\r\n" LINE_HOST "\r\n");
    CHECK_STATUS(400, "CONNECT a.example HTTP/1.1\r\n" LINE_HOST "\r\n");
    CHECK_STATUS(400, "CONNECT a.example: HTTP/1.1\r\n" LINE_HOST "\r\n");
    CHECK_STATUS(400, "CONNECT / HTTP/1.1\r\n" LINE_HOST "\r\n");
    CHECK_STATUS(400, "CONNECT http://a.example:443/ HTTP/1.1\r\n" LINE_HOST "\r\n");
    CHECK_STATUS(400, "connect a.example:443 HTTP/1.1\r\n" LINE_HOST "\r\n");
}

Test(http_request, refuses_request_lines_of_another_shape)
{
    static const char *const lines[] = {
        "GET",
        "GET ",
        "GET /",
        "GET / ",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET\t/\tHTTP/1.1",
        "GET / x HTTP/1.1",
        "GET /\tx HTTP/1.1",
        "G(T / HTTP/1.1",
        "G\xc3\xa4T / HTTP/1.1",
        " / HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1",
        "GET / HTTP/1.",
        "GET / HTTP/11",
        "GET / HTTP/1.10",
        "GET / HTTP/01.1",
        "GET / HTTP/1.x",
        "GET / HTTP/x.1",
        "GET / HTTP1.1",
        "GET / HTTPS/1.1",
        "GET / HTTP/-.1",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char head[200];
        snprintf(head, sizeof(head), "%s\r\n" LINE_HOST "\r\n", lines[i]);
        CHECK_STATUS(400, head);
    }
}

Test(http_request, speaks_http_1_and_no_other_major)
{
    cr_assert(eq(uint, good("GET / HTTP/1.0\r\n\r\n")->minor, 0));
    cr_assert(eq(uint, good("GET / HTTP/1.9\r\n" LINE_HOST "\r\n")->minor, 1));
    CHECK_STATUS(505, "GET / HTTP/2.0\r\n\r\n");
    CHECK_STATUS(505, "GET / HTTP/0.9\r\n\r\n");
    CHECK_STATUS(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
}

Test(http_request, refuses_what_is_not_http_at_its_first_byte)
{
    static struct http_request r;
    static const char *const starts[] = {"\x16\x03\x01", "\x80", " ",        "\n",
                                         "\x7f",         ":",    "\r\n\x01", "\r\n "};
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        CHECK_STATUS(400, starts[i]);

    const struct verdict nul = parse_every_way(&r, (struct bytes){(const uint8_t *)"\0", 1});
    cr_assert(eq(int, nul.result, HTTP_PARSE_BAD));
}

Test(http_request, refuses_as_soon_as_a_complete_line_is_wrong)
{
    CHECK_STATUS(400, "SSH-2.0-OpenSSH_9.2\r\n");
    CHECK_STATUS(505, "GET / HTTP/3.0\r\n");
    CHECK_STATUS(400, "GET / HTTP/1.1\r\nHost : a\r\n");
    CHECK_STATUS(400, "GET / HTTP/1.1\n");
    CHECK_STATUS(400, "GET \x01");
}

Test(http_request, waits_while_nothing_is_wrong)
{
    static struct http_request r;
    const struct bytes in = BYTES_LITERAL("\r\n" WITH("A: b\r\n"));

    for (size_t len = 0; len < in.len; len++) {
        size_t scanned = 0;
        const struct verdict v =
            parse(&r, span_bytes(guarded_copy((struct bytes){in.at, len})), &scanned);
        cr_assert(eq(int, v.result, HTTP_PARSE_MORE), "at %zu", len);
        cr_assert(eq(sz, scanned, len));
        guarded_release();
    }
}

Test(http_request, refuses_bare_line_ends)
{
    CHECK_STATUS(400, "GET / HTTP/1.1\nHost: a\r\n\r\n");
    CHECK_STATUS(400, "GET / HTTP/1.1\r\nHost: a\n\r\n");
    CHECK_STATUS(400, "GET / HTTP/1.1\r\nHost: a\r\n\n");
    CHECK_STATUS(400, "GET / HTTP/1.1\r\nHost: a\r\rb\r\n\r\n");
    CHECK_STATUS(400, "GET / HTTP/1.1\r\nHost: a\r\n\rX\r\n\r\n");
    CHECK_STATUS(400, "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n");
}

Test(http_request, refuses_malformed_fields)
{
    CHECK_STATUS(400, WITH("A: b\r\n folded\r\n"));
    CHECK_STATUS(400, WITH("A: b\r\n\tfolded\r\n"));
    CHECK_STATUS(400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n");
    CHECK_STATUS(400, WITH("A : b\r\n"));
    CHECK_STATUS(400, WITH("A\t: b\r\n"));
    CHECK_STATUS(400, WITH(": b\r\n"));
    CHECK_STATUS(400, WITH("A\r\n"));
    CHECK_STATUS(400, WITH("A b: c\r\n"));
    CHECK_STATUS(400, WITH("A(: c\r\n"));
    CHECK_STATUS(400, WITH("\xc3\xa4: c\r\n"));
}

Test(http_request, says_what_smugglers_would_like_to_know)
{
    static struct http_request r;
    const struct verdict folded = parse_every_way(&r, BYTES_LITERAL(WITH("A: b\r\n c: d\r\n")));
    const struct verdict spaced = parse_every_way(&r, BYTES_LITERAL(WITH("A : b\r\n")));
    cr_assert(eq(str, (char *)folded.why, "A header line starts with white space."));
    cr_assert(eq(str, (char *)spaced.why, "White space stands before a header line's colon."));
}

Test(http_request, refuses_control_characters_but_tabs_in_values)
{
    static struct http_request r;
    for (unsigned c = 0; c < 256; c++) {
        uint8_t head[] = WITH("A: x?y\r\n");
        *(uint8_t *)strchr((char *)head, '?') = (uint8_t)c;
        const bool control = (c < 0x20 && c != '\t') || c == 0x7f;
        const struct verdict v = parse_every_way(&r, (struct bytes){head, sizeof(head) - 1});
        cr_assert(eq(int, v.result, control ? HTTP_PARSE_BAD : HTTP_PARSE_DONE), "byte %u", c);
    }
}

Test(http_request, wants_exactly_one_host_in_1_1_and_none_in_1_0)
{
    CHECK_STATUS(400, "GET / HTTP/1.1\r\n\r\n");
    CHECK_STATUS(400, "GET / HTTP/1.1\r\n" LINE_HOST LINE_HOST "\r\n");
    CHECK_STATUS(400, "GET http://a/ HTTP/1.1\r\n\r\n");
    CHECK_STATUS(400, "GET / HTTP/1.0\r\n" LINE_HOST LINE_HOST "\r\n");
    cr_assert(is(good("GET / HTTP/1.0\r\n\r\n")->host, NULL));
    cr_assert(is(good("GET / HTTP/1.0\r\n" LINE_HOST "\r\n")->host, "a.example"));
}

Test(http_request, refuses_hosts_that_are_none)
{
    static const char *const hosts[] = {
        "",      ":80", "a b",   "a/b",      "u@a",      "a:80:80", "a:x",  "a:-1", "[::1",
        "::1",   "[]",  "[::g]", "[::1]a",   "a]",       "a%",      "a%4",  "a%zz", "a\"",
        "a,b c", "a?b", "a#b",   "a:123456", "\xc3\xa4", "[::1]:x", "a\\b", "<a>"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        char head[200];
        snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]);
        CHECK_STATUS(400, head);
    }
}

Test(http_request, takes_hosts_of_every_kind)
{
    static const char *const hosts[] = {
        "a",     "a:",          "a:80",   "1.2.3.4:5", "[::1]", "[::1]:80", "[::ffff:1.2.3.4]",
        "a%20b", "x_y.example", "A-b.c.", "a:65535"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        char head[200];
        snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nhOST: %s\r\n\r\n", hosts[i]);
        cr_assert(is(good(head)->host, hosts[i]));
    }
}

Test(http_request, reads_one_content_length)
{
    cr_assert(eq(u64, good(WITH("Content-Length: 0\r\n"))->content_length, 0));
    cr_assert(eq(u64, good(WITH("Content-Length: 042\r\n"))->content_length, 42));
    cr_assert(eq(u64, good(WITH("Content-Length:\t42 \r\n"))->content_length, 42));
    cr_assert(eq(u64, good(WITH("content-length: 18446744073709551615\r\n"))->content_length,
                 UINT64_MAX));
    CHECK_STATUS(400, WITH("Content-Length: 18446744073709551616\r\n"));
    CHECK_STATUS(400, WITH("Content-Length: 99999999999999999999999999\r\n"));
}

Test(http_request, refuses_ambiguous_content_lengths)
{
    static const char *const values[] = {"",    "+1",  "-1",  "1, 1", "1,1", "0x1", "1.0",
                                         "1 1", "abc", "1;x", ",",    "１",  "1_0", "0o1"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char head[200];
        snprintf(head, sizeof(head), WITH("Content-Length: %s\r\n"), values[i]);
        CHECK_STATUS(400, head);
    }
    CHECK_STATUS(400, WITH("Content-Length: 1\r\nContent-Length: 1\r\n"));
    CHECK_STATUS(400, WITH("Content-Length: 1\r\nContent-Length: 2\r\n"));
    CHECK_STATUS(400, WITH("Content-Length: 99999999999999999999x\r\n"));
}

Test(http_request, takes_chunked_once_and_nothing_else)
{
    cr_assert(good(WITH("Transfer-Encoding: chunked\r\n"))->chunked);
    cr_assert(good(WITH("transfer-encoding:\tChunKED \r\n"))->chunked);
    CHECK_STATUS(501, WITH("Transfer-Encoding: gzip\r\n"));
    CHECK_STATUS(501, WITH("Transfer-Encoding: identity\r\n"));
    CHECK_STATUS(501, WITH("Transfer-Encoding: gzip, chunked\r\n"));
    CHECK_STATUS(501, WITH("Transfer-Encoding: xchunked\r\n"));
    CHECK_STATUS(501, WITH("Transfer-Encoding: chunked;q=1\r\n"));
    CHECK_STATUS(501, WITH("Transfer-Encoding: \"chunked\"\r\n"));
    CHECK_STATUS(400, WITH("Transfer-Encoding:\r\n"));
    CHECK_STATUS(400, WITH("Transfer-Encoding: chunked, chunked\r\n"));
    CHECK_STATUS(400, WITH("Transfer-Encoding: chunked, gzip\r\n"));
    CHECK_STATUS(400, WITH("Transfer-Encoding: , chunked\r\n"));
    CHECK_STATUS(400, WITH("Transfer-Encoding: chunked,\r\n"));
    CHECK_STATUS(400, WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"));
    CHECK_STATUS(400, WITH("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"));
}

Test(http_request, refuses_two_framings_at_once)
{
    CHECK_STATUS(400, WITH("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"));
    CHECK_STATUS(400, WITH("Content-Length: 0\r\nTransfer-Encoding: gzip\r\n"));
    CHECK_STATUS(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
}

Test(http_request, expects_100_continue_where_a_body_comes)
{
    cr_assert(good(WITH("Expect: 100-continue\r\nContent-Length: 1\r\n"))->expect_continue);
    cr_assert(
        good(WITH("expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n"))->expect_continue);
    cr_assert(good(WITH("Expect: 100-continue,100-CONTINUE\r\nExpect: ,\r\nContent-Length: 1\r\n"))
                  ->expect_continue);
    cr_assert(not(good(WITH("Expect: 100-continue\r\n"))->expect_continue));
    cr_assert(not(good(WITH("Expect:\r\nContent-Length: 1\r\n"))->expect_continue));
    cr_assert(not(good("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
                      ->expect_continue));
    cr_assert(not(good("POST / HTTP/1.0\r\nExpect: cake\r\n\r\n")->expect_continue));
    CHECK_STATUS(417, WITH("Expect: cake\r\n"));
    CHECK_STATUS(417, WITH("Expect: 100-continue, cake\r\n"));
    CHECK_STATUS(417, WITH("Expect: 100-continue\r\nExpect: cake\r\n"));
}

Test(http_request, keeps_alive_as_the_version_says)
{
    cr_assert(good(WITH(""))->keep_alive);
    cr_assert(not(good(WITH("Connection: close\r\n"))->keep_alive));
    cr_assert(not(good(WITH("Connection: Upgrade\r\nConnection: x , CLOSE\r\n"))->keep_alive));
    cr_assert(good(WITH("Connection: closed\r\n"))->keep_alive);
    cr_assert(not(good("GET / HTTP/1.0\r\n\r\n")->keep_alive));
    cr_assert(good("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")->keep_alive);
    cr_assert(not(good("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n")->keep_alive));
}

Test(http_request, finds_tokens_in_lists)
{
    const struct http_request *r =
        good(WITH("Connection: keep-alive ,\tUPGRADE\r\nUpgrade: h2c, websocket\r\n"
                  "Upgrade: other\r\n"));
    cr_assert(http_request_has_token(r, "connection", "upgrade"));
    cr_assert(http_request_has_token(r, "connection", "keep-alive"));
    cr_assert(http_request_has_token(r, "upgrade", "WebSocket"));
    cr_assert(http_request_has_token(r, "upgrade", "other"));
    cr_assert(not(http_request_has_token(r, "upgrade", "socket")));
    cr_assert(not(http_request_has_token(r, "connection", "keep")));
    cr_assert(not(http_request_has_token(r, "te", "trailers")));
    cr_assert(eq(uint, http_request_field_count(r, "upgrade"), 2));
    cr_assert(eq(uint, http_request_field_count(r, "te"), 0));
}

static bool accepts_events(const char *accept)
{
    char head[300];
    snprintf(head, sizeof(head), WITH("Accept: %s\r\n"), accept);
    return http_request_accepts(good(head), "text/event-stream");
}

Test(http_request, accepts_a_media_type_that_is_named)
{
    cr_assert(accepts_events("text/event-stream"));
    cr_assert(accepts_events("text/html, Text/Event-Stream ; charset=utf-8"));
    cr_assert(accepts_events("text/event-stream;q=0.1"));
    cr_assert(accepts_events("text/event-stream; q=0.001"));
    cr_assert(accepts_events("text/html;a=\"x, y\\\", z\", text/event-stream"));
    cr_assert(accepts_events("text/html\r\nAccept: text/event-stream"));
}

Test(http_request, accepts_no_wildcards_and_nothing_of_weight_zero)
{
    cr_assert(not(accepts_events("*/*")));
    cr_assert(not(accepts_events("text/*")));
    cr_assert(not(accepts_events("")));
    cr_assert(not(accepts_events("text/event-streams")));
    cr_assert(not(accepts_events("text/event-stream;q=0")));
    cr_assert(not(accepts_events("text/event-stream ; a=b ; Q=0.000")));
    cr_assert(not(accepts_events("text/html;a=\", text/event-stream, \"")));
    cr_assert(not(accepts_events("text/html;a=\"\\\", text/event-stream, \"")));
    cr_assert(not(http_request_accepts(good(WITH("")), "text/event-stream")));
}

/* GET /aaa... with a target of that length. */
static char *head_with_target(size_t target_len)
{
    char *head = malloc(target_len + 100);
    memcpy(head, "GET /", 5);
    memset(head + 5, 'a', target_len - 1);
    strcpy(head + 4 + target_len, " HTTP/1.1\r\n" LINE_HOST "\r\n");
    return head;
}

Test(http_request, takes_targets_up_to_their_limit)
{
    char *fits = head_with_target(HTTP_TARGET_MAX);
    char *too_long = head_with_target(HTTP_TARGET_MAX + 1);
    cr_assert(eq(sz, good(fits)->target.len, HTTP_TARGET_MAX));
    CHECK_STATUS(414, too_long);
    free(fits);
    free(too_long);
}

Test(http_request, refuses_an_endless_request_line_before_it_ends)
{
    char *endless = malloc(10000);
    memset(endless, 'a', 10000);
    endless[9999] = '\0';
    CHECK_STATUS(400, endless); /* has not even a method */
    endless[8200] = ' ';
    CHECK_STATUS(414, endless);
    memcpy(endless, "\r\n\r\nGET /", 9);
    endless[9000] = '\x01'; /* behind the limit: not what it is refused for */
    CHECK_STATUS(414, endless);
    free(endless);
}

/* A head of exactly that many bytes: one long field. */
static char *head_of_size(size_t size)
{
    static const char start[] = "GET / HTTP/1.1\r\n" LINE_HOST "A: ";
    char *head = malloc(size + 1);
    memset(head, 'x', size);
    memcpy(head, start, sizeof(start) - 1);
    memcpy(head + size - 4, "\r\n\r\n", 5);
    return head;
}

Test(http_request, takes_heads_up_to_their_limit)
{
    char *fits = head_of_size(HTTP_HEAD_MAX);
    char *too_large = head_of_size(HTTP_HEAD_MAX + 1);
    cr_assert(eq(uint, good(fits)->field_count, 2));
    CHECK_STATUS(431, too_large);
    free(fits);
    free(too_large);
}

/* With `extra` fields besides Host, and then `last`. */
static char *head_with_fields(unsigned extra, const char *last)
{
    char *head = malloc(16 * extra + 200), *at = head;
    at += sprintf(at, "GET / HTTP/1.1\r\n" LINE_HOST);
    for (unsigned i = 0; i < extra; i++)
        at += sprintf(at, "x-%u: %u\r\n", i, i);
    sprintf(at, "%s\r\n", last);
    return head;
}

Test(http_request, takes_a_hundred_fields)
{
    char *fits = head_with_fields(HTTP_FIELDS_MAX - 1, "");
    char *too_many = head_with_fields(HTTP_FIELDS_MAX, "");
    char *malformed = head_with_fields(HTTP_FIELDS_MAX + 50, "no colon\r\n");
    const struct http_request *r = good(fits);
    cr_assert(eq(uint, r->field_count, HTTP_FIELDS_MAX));
    cr_assert(is(http_request_field(r, "x-98"), "98"));
    CHECK_STATUS(431, too_many);
    CHECK_STATUS(400, malformed);
    free(fits);
    free(too_many);
    free(malformed);
}
