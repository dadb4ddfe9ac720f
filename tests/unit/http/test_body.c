/* Bodies in both framings, at every cut, and all that a strict reader refuses. */
#include "http/body.h"
#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { DECODED_MAX = 600 };

struct decoded {
    enum http_body_step end;
    size_t used, len;
    uint8_t bytes[DECODED_MAX];
};

static struct http_body body_start(bool chunked, uint64_t content_length)
{
    static struct http_request r;
    struct http_body b;
    r.chunked = chunked;
    r.content_length = content_length;
    http_body_init(&b, &r);
    return b;
}

static void feed(struct http_body *b, struct decoded *d, struct bytes piece)
{
    const size_t before = piece.len;
    struct bytes slice;

    while ((d->end = http_body_next(b, &piece, &slice)) == HTTP_BODY_DATA) {
        cr_assert(ge(sz, slice.len, 1));
        cr_assert(le(sz, d->len + slice.len, DECODED_MAX));
        memcpy(d->bytes + d->len, slice.at, slice.len);
        d->len += slice.len;
    }
    if (d->end == HTTP_BODY_MORE)
        cr_assert(eq(sz, piece.len, 0));
    d->used += before - piece.len;
}

/* In pieces of `step` bytes. */
static struct decoded decode_stepwise(struct http_body b, struct bytes in, size_t step)
{
    struct decoded d = {.end = HTTP_BODY_MORE};
    for (size_t at = 0; at < in.len && d.end == HTTP_BODY_MORE; at += step) {
        const size_t len = in.len - at < step ? in.len - at : step;
        feed(&b, &d, span_bytes(guarded_copy((struct bytes){in.at + at, len})));
        guarded_release();
    }
    return d;
}

static void check_same(const struct decoded *a, const struct decoded *b, size_t cut)
{
    cr_assert(eq(int, a->end, b->end), "cut %zu", cut);
    cr_assert(eq(sz, a->used, b->used), "cut %zu", cut);
    cr_assert(bytes_equal((struct bytes){a->bytes, a->len}, (struct bytes){b->bytes, b->len}),
              "cut %zu", cut);
}

static struct decoded decode(struct http_body b, struct bytes in)
{
    struct decoded whole = {0};
    struct http_body fresh = b;
    feed(&fresh, &whole, span_bytes(guarded_copy(in)));

    for (size_t cut = 0; cut <= in.len && in.len < 1000; cut++) {
        struct decoded d = {0};
        fresh = b;
        feed(&fresh, &d, span_bytes(guarded_copy((struct bytes){in.at, cut})));
        if (d.end == HTTP_BODY_MORE)
            feed(&fresh, &d, span_bytes(guarded_copy(bytes_skip(in, cut))));
        check_same(&whole, &d, cut);
        guarded_release();
    }
    const struct decoded bytewise = decode_stepwise(b, in, 1);
    if (in.len > 0)
        check_same(&whole, &bytewise, 1);
    return whole;
}

static struct decoded decode_chunks(const char *text)
{
    return decode(body_start(true, 0), bytes_from(text));
}

static void check_body(const char *chunks, const char *body, size_t left)
{
    const struct decoded d = decode_chunks(chunks);
    cr_assert(eq(int, d.end, HTTP_BODY_DONE), "%s", chunks);
    cr_assert(bytes_equal((struct bytes){d.bytes, d.len}, bytes_from(body)), "%s", chunks);
    cr_assert(eq(sz, strlen(chunks) - d.used, left), "%s", chunks);
}

static void check_bad(const char *chunks)
{
    cr_assert(eq(int, decode_chunks(chunks).end, HTTP_BODY_BAD), "is not refused: %s", chunks);
}

Test(http_body, is_over_at_once_without_a_length)
{
    const struct decoded d = decode(body_start(false, 0), BYTES_LITERAL("GET "));
    cr_assert(eq(int, d.end, HTTP_BODY_DONE));
    cr_assert(eq(sz, d.used, 0));
}

Test(http_body, takes_the_declared_length_and_no_more)
{
    const struct decoded d = decode(body_start(false, 5), BYTES_LITERAL("helloGET /"));
    cr_assert(eq(int, d.end, HTTP_BODY_DONE));
    cr_assert(eq(sz, d.used, 5));
    cr_assert(bytes_equal((struct bytes){d.bytes, d.len}, BYTES_LITERAL("hello")));
    cr_assert(eq(int, decode(body_start(false, 5), BYTES_LITERAL("hell")).end, HTTP_BODY_MORE));
}

Test(http_body, joins_chunks)
{
    check_body("0\r\n\r\n", "", 0);
    check_body("5\r\nhello\r\n0\r\n\r\n", "hello", 0);
    check_body("1\r\na\r\n002\r\nbc\r\nA\r\n0123456789\r\n0\r\n\r\nGET /", "abc0123456789", 5);
    check_body("4\r\n\r\n\r\n\r\n000\r\n\r\n", "\r\n\r\n", 0);
    check_body("1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n", "abcdefghijklmnopqrstuvwxyz", 0);
    check_body("000000000000001\r\nx\r\n0\r\n\r\n", "x", 0);
}

Test(http_body, ignores_chunk_extensions_and_trailers)
{
    check_body("1;a\r\nx\r\n0;b=\"c\"\r\n\r\n", "x", 0);
    check_body("1 ;a=b\r\nx\r\n0\t; b\r\n\r\n", "x", 0);
    check_body("1;a = b ; c\t=\"d\" ;e\r\nx\r\n0;f;g=h\r\n\r\n", "x", 0);
    check_body("1;a=\"b;c,\t\\\"\\\\ \xc3\xa4\";d=\"\"\r\nx\r\n0\r\n\r\n", "x", 0);
    check_body("1\r\nx\r\n0\r\nA: b\r\nC:\td\r\n\r\nnext", "x", 4);
    check_body("0\r\nEmpty:\r\n\r\n", "", 0);
}

Test(http_body, waits_for_the_very_end)
{
    const char chunks[] = "5;x\r\nhello\r\n0\r\nA: b\r\n\r\n";
    for (size_t len = 0; len < sizeof(chunks) - 1; len++) {
        struct http_body b = body_start(true, 0);
        struct decoded d = {0};
        feed(&b, &d, (struct bytes){(const uint8_t *)chunks, len});
        cr_assert(eq(int, d.end, HTTP_BODY_MORE), "at %zu", len);
    }
}

Test(http_body, stays_over_or_faulty)
{
    struct http_body b = body_start(true, 0);
    struct decoded d = {0};
    feed(&b, &d, BYTES_LITERAL("0\r\n\r\n"));
    feed(&b, &d, BYTES_LITERAL("5\r\nhello"));
    cr_assert(eq(int, d.end, HTTP_BODY_DONE));
    cr_assert(eq(sz, d.used, 5));

    b = body_start(true, 0);
    feed(&b, &d, BYTES_LITERAL("x"));
    feed(&b, &d, BYTES_LITERAL("0\r\n\r\n"));
    cr_assert(eq(int, d.end, HTTP_BODY_BAD));
}

Test(http_body, refuses_sizes_that_are_not_plain_hexadecimal)
{
    static const char *const chunks[] = {"\r\n",
                                         "g\r\n",
                                         "-1\r\n",
                                         "+1\r\n",
                                         "0x1\r\n",
                                         " 1\r\n",
                                         ";a\r\n",
                                         "1 \r\nx",
                                         "1\t\r\nx",
                                         "1 2\r\n",
                                         "1,\r\n",
                                         "1\nx",
                                         "1\rx",
                                         "1\r\rx",
                                         "0000000000000001\r\n",
                                         "fffffffffffffffff\r\n",
                                         "1_0\r\n",
                                         "1\x80\r\n"};
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++)
        check_bad(chunks[i]);
}

Test(http_body, refuses_chunks_that_end_elsewhere)
{
    check_bad("1\r\nxy\r\n");
    check_bad("1\r\nx\n0\r\n\r\n");
    check_bad("1\r\nx\rx");
    check_bad("2\r\nx\r\n0\r\n\r\n");
}

Test(http_body, refuses_bare_line_ends_and_controls_in_extensions)
{
    check_bad("1;a\nx");
    check_bad("1;a\rb\r\nx");
    check_bad("1;a\x01\r\nx");
    check_bad("1;a\x7f\r\nx");
    check_bad("1;a=\"b\x01\"\r\nx");
    check_bad("1;a=\"b\r\nx");
    check_bad("1;a=\"b\nx\"\r\nx");
    check_bad("1;a=\"b\\\r\n\"\r\nx");
}

/* Others end a chunk's line elsewhere when it is not of the grammar's shape. */
Test(http_body, refuses_extensions_that_are_not_name_and_value)
{
    static const char *const lines[] = {
        "1;\r\n",         "1; \r\n",        "1;;a\r\n",       "1;=b\r\n",    "1;a=\r\n",
        "1;a= \r\n",      "1;a[=b\r\n",     "1;a b\r\n",      "1;a=b c\r\n", "1;a \r\n",
        "1;a=b \r\n",     "1;a=b=c\r\n",    "1;a=b@\r\n",     "1;a=\"b\r\n", "1;a=\"b\"c\r\n",
        "1;a=\"b\" \r\n", "1;a=b\"c\"\r\n", "1;\xc3\xa4\r\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        check_bad(lines[i]);
}

Test(http_body, refuses_malformed_trailers)
{
    check_bad("0\r\nno colon\r\n\r\n");
    check_bad("0\r\nno-colon\r\n\r\n");
    check_bad("0\r\n: b\r\n\r\n");
    check_bad("0\r\nA : b\r\n\r\n");
    check_bad("0\r\nA: b\r\n folded\r\n\r\n");
    check_bad("0\r\nA: b\nC: d\r\n\r\n");
    check_bad("0\r\nA: b\rC\r\n\r\n");
    check_bad("0\r\nA: \x01\r\n\r\n");
    check_bad("0\r\n\n");
    check_bad("0\r\n\rx");
}

/* "1;xxx...\r\n" of that many bytes in all. */
static size_t put_chunk_line(char *at, size_t line_len)
{
    memset(at, 'x', line_len);
    memcpy(at, "1;", 2);
    memcpy(at + line_len - 2, "\r\n", 2);
    return line_len;
}

static enum http_body_step end_of_chunk_lines(size_t first_len, size_t second_len)
{
    char chunks[800], *at = chunks;
    at += put_chunk_line(at, first_len);
    at = stpcpy(at, "a\r\n");
    at += put_chunk_line(at, second_len);
    strcpy(at, "b\r\n0\r\n\r\n");
    return decode_chunks(chunks).end;
}

Test(http_body, bounds_each_chunk_line)
{
    cr_assert(eq(int, end_of_chunk_lines(256, 256), HTTP_BODY_DONE));
    cr_assert(eq(int, end_of_chunk_lines(257, 10), HTTP_BODY_BAD));
    cr_assert(eq(int, end_of_chunk_lines(10, 257), HTTP_BODY_BAD));
}

/* A trailer section of that many bytes, its empty line included. */
static enum http_body_step end_of_trailers(size_t section_len)
{
    char chunks[5000];
    memset(chunks, 'x', sizeof(chunks));
    memcpy(chunks, "0\r\nA:x\r\nB:", 10);
    strcpy(chunks + 3 + section_len - 4, "\r\n\r\n");
    return decode_chunks(chunks).end;
}

Test(http_body, bounds_the_trailers_together)
{
    cr_assert(eq(int, end_of_trailers(4096), HTTP_BODY_DONE));
    cr_assert(eq(int, end_of_trailers(4097), HTTP_BODY_BAD));
}

Test(http_body, does_not_overflow_at_the_largest_size)
{
    struct http_body b = body_start(true, 0);
    struct decoded d = {0};
    feed(&b, &d, BYTES_LITERAL("fffffffffffffff\r\nabc"));
    cr_assert(eq(int, d.end, HTTP_BODY_MORE));
    cr_assert(eq(sz, d.len, 3));
    cr_assert(eq(u64, b.left, 0xfffffffffffffff - 3));
}
