/* Whose pages may talk to us, and what browsers are told. */
#include "http/origin.h"
#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

static struct http_request *request(const char *host, const char *more)
{
    static struct http_request r;
    char head[512];
    size_t scanned = 0, head_len;
    unsigned status = 0;
    const char *why = "";

    snprintf(head, sizeof(head), "GET / HTTP/1.%d\r\n%s%s%s%s\r\n", host ? 1 : 0,
             host ? "Host: " : "", host ? host : "", host ? "\r\n" : "", more);
    cr_assert(eq(int,
                 http_request_parse(&r, span_bytes(guarded_copy(bytes_from(head))), &scanned,
                                    &head_len, &status, &why),
                 HTTP_PARSE_DONE),
              "%s: %s", why, head);
    return &r;
}

static enum http_origin check(const char *host, const char *origin)
{
    static const char *const allowed[] = {"https://App.example",
                                          "chrome-extension://abcd",
                                          "null",
                                          "*",
                                          "http://l.example:3000",
                                          NULL};
    const struct http_origins origins = {allowed};
    char field[256];

    snprintf(field, sizeof(field), "Origin: %s\r\n", origin);
    return http_origin_check(request(host, field), &origins);
}

Test(http_origin, is_none_without_the_field)
{
    const struct http_origins origins = {NULL};
    cr_assert(eq(int, http_origin_check(request("a", ""), &origins), HTTP_ORIGIN_NONE));
}

Test(http_origin, is_the_same_where_the_host_is)
{
    static const char *const same[][2] = {
        {"a.example", "http://a.example"},       {"a.example", "https://a.example"},
        {"A.example", "HTTP://a.EXAMPLE"},       {"a.example:8080", "http://a.example:8080"},
        {"a.example:80", "http://a.example"},    {"a.example:443", "https://a.example"},
        {"a.example", "http://a.example:80"},    {"a.example", "https://a.example:443"},
        {"a.example:", "https://a.example:443"}, {"[::1]:8080", "http://[::1]:8080"},
    };
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        cr_assert(eq(int, check(same[i][0], same[i][1]), HTTP_ORIGIN_SAME), "%s %s", same[i][0],
                  same[i][1]);
}

Test(http_origin, is_foreign_elsewhere)
{
    static const char *const foreign[][2] = {
        {"a.example", "http://b.example"},
        {"a.example", "http://a.example:8080"},
        {"a.example:8080", "http://a.example"},
        {"a.example:443", "http://a.example"},
        {"a.example:80", "https://a.example"},
        {"a.example", "http://a.example:443"},
        {"a.example", "http://a.example.evil"},
        {"a.example", "http://xa.example"},
        {"a.example", "http://a.example/"},
        {"a.example", "http://a.example@evil"},
        {"a.example", "http://a.example http://b"},
        {"a.example", "foo://a.example"},
        {"a.example", "a.example"},
        {"a.example", "//a.example"},
        {"a.example", "http://"},
        {"a.example", ""},
        {"a.example", "null"},
        {"a.example", "NULL"},
        {"a.example", "*"},
        {"null", "null"},
        {NULL, "http://a.example"},
    };
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        const enum http_origin o = check(foreign[i][0], foreign[i][1]);
        const bool listed_star = strcmp(foreign[i][1], "*") == 0; /* a name like any other */
        cr_assert(eq(int, o, listed_star ? HTTP_ORIGIN_ALLOWED : HTTP_ORIGIN_FOREIGN), "%s",
                  foreign[i][1]);
    }
}

Test(http_origin, is_allowed_where_it_is_listed_exactly)
{
    cr_assert(eq(int, check("a", "https://app.example"), HTTP_ORIGIN_ALLOWED));
    cr_assert(eq(int, check(NULL, "https://app.example"), HTTP_ORIGIN_ALLOWED));
    cr_assert(eq(int, check("a", "http://l.example:3000"), HTTP_ORIGIN_ALLOWED));
    cr_assert(eq(int, check("a", "chrome-extension://abcd"), HTTP_ORIGIN_ALLOWED));
    cr_assert(eq(int, check("a", "http://app.example"), HTTP_ORIGIN_FOREIGN));
    cr_assert(eq(int, check("a", "https://app.example.evil"), HTTP_ORIGIN_FOREIGN));
    cr_assert(eq(int, check("a", "http://l.example"), HTTP_ORIGIN_FOREIGN));
}

Test(http_origin, is_foreign_when_there_are_several)
{
    const struct http_origins origins = {NULL};
    const struct http_request *r = request("a", "Origin: http://a\r\nOrigin: http://a\r\n");
    cr_assert(eq(int, http_origin_check(r, &origins), HTTP_ORIGIN_FOREIGN));
}

static void check_headers(enum http_origin o, const char *expected)
{
    struct text out = {0};
    http_origin_add_headers(&out, request("a", "Origin: https://app.example\r\n"), o);
    cr_assert(bytes_equal(text_bytes(&out), bytes_from(expected)), "%.*s", (int)out.len, out.at);
    text_fini(&out);
}

Test(http_origin, echoes_only_an_allowed_origin)
{
    check_headers(HTTP_ORIGIN_NONE, "Vary: Origin\r\n");
    check_headers(HTTP_ORIGIN_SAME, "Vary: Origin\r\n");
    check_headers(HTTP_ORIGIN_FOREIGN, "Vary: Origin\r\n");
    check_headers(HTTP_ORIGIN_ALLOWED,
                  "Access-Control-Allow-Origin: https://app.example\r\n"
                  "Access-Control-Allow-Credentials: true\r\n"
                  "Access-Control-Expose-Headers: Uproar-Cursor, ETag, Retry-After\r\n"
                  "Vary: Origin\r\n");
}

Test(http_origin, answers_a_preflight)
{
    struct text out = {0};
    http_origin_add_preflight(&out, "GET, POST");
    cr_assert(bytes_equal(
        text_bytes(&out),
        BYTES_LITERAL("Access-Control-Allow-Methods: GET, POST\r\n"
                      "Access-Control-Allow-Headers: Authorization, Content-Type, Last-Event-ID\r\n"
                      "Access-Control-Max-Age: 86400\r\n")));
    text_fini(&out);
}
