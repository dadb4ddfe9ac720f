/* Answers byte by byte, and dates against the C library's calendar. */
#include "http/reply.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <time.h>

#define DATE       "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define DATE_MS    784111777000
#define HELLO_BODY .body = BYTES_LITERAL("hello"), .date_ms = DATE_MS

static void check_reply(struct http_reply r, const char *expected)
{
    struct text out = {0};
    http_add_reply(&out, &r);
    text_add_byte(&out, '\0');
    cr_assert(not(out.failed));
    cr_assert(eq(str, (char *)out.at, (char *)expected));
    text_fini(&out);
}

Test(http_reply, says_type_length_and_further_lines)
{
    check_reply((struct http_reply){.status = 200,
                                    .content_type = "text/plain",
                                    .headers = "A: b\r\nC: d\r\n",
                                    .more_headers = BYTES_LITERAL("E: f\r\n"),
                                    .keep_alive = true,
                                    HELLO_BODY},
                "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/plain\r\nContent-Length: 5\r\n"
                "A: b\r\nC: d\r\nE: f\r\n\r\nhello");
}

Test(http_reply, declares_an_empty_body)
{
    check_reply((struct http_reply){.status = 404, .date_ms = DATE_MS, .keep_alive = true},
                "HTTP/1.1 404 Not Found\r\n" DATE "Content-Length: 0\r\n\r\n");
}

Test(http_reply, says_that_it_closes)
{
    check_reply((struct http_reply){.status = 400, HELLO_BODY},
                "HTTP/1.1 400 Bad Request\r\n" DATE
                "Content-Length: 5\r\nConnection: close\r\n\r\nhello");
    check_reply((struct http_reply){.status = 400, .minor_0 = true, HELLO_BODY},
                "HTTP/1.1 400 Bad Request\r\n" DATE
                "Content-Length: 5\r\nConnection: close\r\n\r\nhello");
}

Test(http_reply, says_to_http_1_0_that_it_stays)
{
    check_reply((struct http_reply){.status = 200, .keep_alive = true, .minor_0 = true, HELLO_BODY},
                "HTTP/1.1 200 OK\r\n" DATE
                "Content-Length: 5\r\nConnection: keep-alive\r\n\r\nhello");
}

Test(http_reply, answers_head_with_the_length_only)
{
    check_reply(
        (struct http_reply){.status = 200, .head_only = true, .keep_alive = true, HELLO_BODY},
        "HTTP/1.1 200 OK\r\n" DATE "Content-Length: 5\r\n\r\n");
}

Test(http_reply, declares_no_length_to_head_when_nobody_knows_what_get_would_say)
{
    check_reply(
        (struct http_reply){
            .status = 200, .date_ms = DATE_MS, .head_only = true, .keep_alive = true},
        "HTTP/1.1 200 OK\r\n" DATE "\r\n");
}

Test(http_reply, declares_no_length_where_there_is_no_content)
{
    check_reply((struct http_reply){.status = 204, .keep_alive = true, HELLO_BODY},
                "HTTP/1.1 204 No Content\r\n" DATE "\r\n");
    check_reply((struct http_reply){.status = 304, .keep_alive = true, HELLO_BODY},
                "HTTP/1.1 304 Not Modified\r\n" DATE "\r\n");
    check_reply((struct http_reply){.status = 100, HELLO_BODY},
                "HTTP/1.1 100 Continue\r\n" DATE "\r\n");
}

Test(http_reply, knows_the_reasons_it_needs)
{
    cr_assert(eq(str, (char *)http_reason(201), "Created"));
    cr_assert(eq(str, (char *)http_reason(431), "Request Header Fields Too Large"));
    cr_assert(eq(str, (char *)http_reason(505), "HTTP Version Not Supported"));
    cr_assert(eq(str, (char *)http_reason(299), "Unknown"));
}

static void check_date(int64_t unix_ms, const char *expected)
{
    struct text out = {0};
    http_add_date(&out, unix_ms);
    text_add_byte(&out, '\0');
    cr_assert(eq(str, (char *)out.at, (char *)expected));
    text_fini(&out);
}

Test(http_reply, writes_known_dates)
{
    check_date(0, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
    check_date(DATE_MS, DATE);
    check_date(DATE_MS + 999, DATE);
    check_date(951782400000, "Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n");
    check_date(951868799999, "Date: Tue, 29 Feb 2000 23:59:59 GMT\r\n");
    check_date(4107542400000, "Date: Mon, 01 Mar 2100 00:00:00 GMT\r\n");
    check_date(253402300799999, "Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n");
}

Test(http_reply, clamps_dates_that_the_format_cannot_say)
{
    check_date(-1, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
    check_date(INT64_MIN, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
    check_date(INT64_MAX, "Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n");
}

Test(http_reply, agrees_with_the_c_library_on_every_day_of_five_centuries)
{
    for (int64_t day = 0; day < 500 * 366; day++) {
        const time_t s = day * 86400 + day % 86400;
        char expected[64];
        struct tm tm;
        strftime(expected, sizeof(expected), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n",
                 gmtime_r(&s, &tm));

        struct text out = {0};
        http_add_date(&out, (int64_t)s * 1000);
        if (!bytes_equal(text_bytes(&out), bytes_from(expected)))
            cr_fatal("%.*s instead of %s", (int)out.len, out.at, expected);
        text_fini(&out);
    }
}

Test(http_reply, writes_errors_as_json)
{
    struct text out = {0};
    http_add_error_body(&out, "bad_topic", "The \"topic\" is empty.");
    text_add_byte(&out, '\0');
    cr_assert(eq(str, (char *)out.at,
                 "{\"error\":\"bad_topic\",\"message\":\"The \\\"topic\\\" is empty.\"}"));
    text_fini(&out);
}
