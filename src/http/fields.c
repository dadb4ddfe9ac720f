/* The fields of a request's head: one line, looking them up, and what they say together.
 * Knows only the fields that decide how the connection is read; the rest is for others. */
#include "http/http_internal.h"

bool http_is_token(struct bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        if (!http_is_tchar(b.at[i]))
            return false;
    return b.len > 0;
}

struct bytes http_trim(struct bytes b)
{
    while (b.len > 0 && http_is_space(b.at[0]))
        b = bytes_skip(b, 1);
    while (b.len > 0 && http_is_space(b.at[b.len - 1]))
        b.len--;
    return b;
}

bool http_list_next(struct bytes *list, uint8_t separator, struct bytes *element)
{
    bool quoted = false;
    size_t len = 0;

    if (list->len == 0)
        return false;
    for (; len < list->len && (quoted || list->at[len] != separator); len++) {
        if (list->at[len] == '"')
            quoted = !quoted;
        else if (quoted && list->at[len] == '\\' && len + 1 < list->len)
            len++; /* the escaped byte */
    }
    *element = http_trim((struct bytes){list->at, len});
    *list = bytes_skip(*list, len < list->len ? len + 1 : len);
    return true;
}

struct http_refusal http_field_parse(struct http_request *r, struct bytes line)
{
    /* RFC 9112, 5.2: a server may refuse folded lines; joining them is how readers disagree. */
    if (http_is_space(line.at[0]))
        return HTTP_REFUSED(400, "A header line starts with white space.");
    const uint8_t *colon = memchr(line.at, ':', line.len);
    if (!colon)
        return HTTP_REFUSED(400, "A header line has no colon.");

    const struct bytes name = {line.at, (size_t)(colon - line.at)};
    /* RFC 9112, 5.1: white space there has been used to smuggle requests. */
    if (name.len > 0 && http_is_space(name.at[name.len - 1]))
        return HTTP_REFUSED(400, "White space stands before a header line's colon.");
    if (!http_is_token(name))
        return HTTP_REFUSED(400, "A header's name is not a token.");
    if (r->field_count < HTTP_FIELDS_MAX)
        r->fields[r->field_count] =
            (struct http_field){name, http_trim(bytes_skip(line, name.len + 1))};
    r->field_count++;
    return HTTP_FINE;
}

/* The next field of that name from *index on; moves *index behind it. */
static const struct http_field *next_field(const struct http_request *r, const char *name,
                                           uint32_t *index)
{
    const struct bytes wanted = bytes_from(name);

    while (*index < r->field_count) {
        const struct http_field *f = &r->fields[(*index)++];
        if (bytes_equal_nocase(f->name, wanted))
            return f;
    }
    return NULL;
}

struct bytes http_request_field(const struct http_request *r, const char *name)
{
    uint32_t index = 0;
    const struct http_field *f = next_field(r, name, &index);
    return f ? f->value : (struct bytes){NULL, 0};
}

unsigned http_request_field_count(const struct http_request *r, const char *name)
{
    uint32_t index = 0;
    unsigned count = 0;
    while (next_field(r, name, &index))
        count++;
    return count;
}

static bool list_has(struct bytes list, const char *token)
{
    struct bytes element;
    while (http_list_next(&list, ',', &element))
        if (bytes_equal_nocase(element, bytes_from(token)))
            return true;
    return false;
}

bool http_request_has_token(const struct http_request *r, const char *name, const char *token)
{
    const struct http_field *f;
    for (uint32_t index = 0; (f = next_field(r, name, &index));)
        if (list_has(f->value, token))
            return true;
    return false;
}

/* "q=0", "q=0.000": not acceptable (RFC 9110, 12.4.2). */
static bool is_zero_weight(struct bytes parameter)
{
    if (parameter.len < 3 || byte_lower(parameter.at[0]) != 'q' || parameter.at[1] != '=')
        return false;
    for (size_t i = 2; i < parameter.len; i++)
        if (parameter.at[i] != '0' && parameter.at[i] != '.')
            return false;
    return true;
}

/* One "type/subtype;parameter;q=0.5" of an Accept list. */
static bool range_accepts(struct bytes range, struct bytes media_type)
{
    struct bytes part;

    if (!http_list_next(&range, ';', &part) || !bytes_equal_nocase(part, media_type))
        return false;
    while (http_list_next(&range, ';', &part))
        if (is_zero_weight(part))
            return false;
    return true;
}

bool http_request_accepts(const struct http_request *r, const char *media_type)
{
    const struct bytes wanted = bytes_from(media_type);
    const struct http_field *f;

    for (uint32_t index = 0; (f = next_field(r, "accept", &index));) {
        struct bytes list = f->value, range;
        while (http_list_next(&list, ',', &range))
            if (range_accepts(range, wanted))
                return true;
    }
    return false;
}

/* RFC 9112, 3.2: exactly one in HTTP/1.1; absolute-form overrules it, but does not replace it. */
static struct http_refusal settle_host(struct http_request *r)
{
    const unsigned count = http_request_field_count(r, "host");
    const struct bytes value = http_request_field(r, "host");
    struct http_host host;

    if (count == 0 && r->minor == 0)
        return HTTP_FINE;
    if (count == 0)
        return HTTP_REFUSED(400, "The request has no Host.");
    if (count > 1)
        return HTTP_REFUSED(400, "The request has more than one Host.");
    if (!http_host_parse(value, &host))
        return HTTP_REFUSED(400, "The request's Host is not a host.");
    if (!r->host.at)
        r->host = value;
    return HTTP_FINE;
}

/* RFC 9110, 8.6: 1*DIGIT. False: not so, or beyond 64 bits. */
static bool parse_length(struct bytes digits, uint64_t *out)
{
    if (digits.len == 0)
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        const uint8_t c = digits.at[i];
        if (!http_is_digit(c) || __builtin_mul_overflow(*out, 10u, out) ||
            __builtin_add_overflow(*out, (uint64_t)(c - '0'), out))
            return false;
    }
    return true;
}

/* RFC 9112, 6.3, without its leniency: two readers of one length have to agree. */
static struct http_refusal settle_content_length(struct http_request *r)
{
    const unsigned count = http_request_field_count(r, "content-length");
    const struct bytes value = http_request_field(r, "content-length");

    if (count == 0)
        return HTTP_FINE;
    if (count > 1 || !parse_length(value, &r->content_length))
        return HTTP_REFUSED(400, "Content-Length has to be one number.");
    return HTTP_FINE;
}

/* Why a Transfer-Encoding that is not just `chunked` is refused: RFC 9112, 6.1 and 6.3. Empty
 * elements of the list count: who does not ignore them sees another coding. */
static struct http_refusal codings_problem(struct bytes list)
{
    struct bytes coding;
    bool chunked = false, others = false;

    while (http_list_next(&list, ',', &coding)) {
        if (chunked || coding.len == 0)
            return HTTP_REFUSED(400, "Transfer-Encoding is not a list that ends in chunked.");
        chunked = bytes_equal_nocase(coding, BYTES_LITERAL("chunked"));
        others = others || !chunked;
    }
    if (others)
        return HTTP_REFUSED(501, "No Transfer-Encoding but chunked is known here.");
    return HTTP_REFUSED(400, "Transfer-Encoding has an empty element.");
}

static struct http_refusal settle_transfer_encoding(struct http_request *r)
{
    const unsigned count = http_request_field_count(r, "transfer-encoding");

    if (count == 0)
        return HTTP_FINE;
    if (r->minor == 0)
        return HTTP_REFUSED(400, "HTTP/1.0 has no Transfer-Encoding.");
    if (http_request_field_count(r, "content-length") > 0)
        return HTTP_REFUSED(400, "Content-Length and Transfer-Encoding exclude each other.");
    if (count > 1)
        return HTTP_REFUSED(400, "The request has more than one Transfer-Encoding.");
    const struct bytes value = http_request_field(r, "transfer-encoding");
    r->chunked = bytes_equal_nocase(value, BYTES_LITERAL("chunked"));
    return r->chunked ? HTTP_FINE : codings_problem(value);
}

/* A list of 100-continue and nothing else, in which empty elements do not count. */
static bool expects_100_only(struct bytes list)
{
    struct bytes element;
    while (http_list_next(&list, ',', &element))
        if (element.len > 0 && !bytes_equal_nocase(element, BYTES_LITERAL("100-continue")))
            return false;
    return true;
}

/* RFC 9110, 10.1.1: without a body there is nothing to wait for; HTTP/1.0 peers do not wait. */
static struct http_refusal settle_expect(struct http_request *r)
{
    const struct http_field *f;

    if (r->minor == 0)
        return HTTP_FINE;
    for (uint32_t index = 0; (f = next_field(r, "expect", &index));)
        if (!expects_100_only(f->value))
            return HTTP_REFUSED(417, "No expectation but 100-continue is known here.");
    r->expect_continue = http_request_has_token(r, "expect", "100-continue") &&
                         (r->chunked || r->content_length > 0);
    return HTTP_FINE;
}

struct http_refusal http_fields_settle(struct http_request *r)
{
    typedef struct http_refusal settle_fn(struct http_request *);
    static settle_fn *const steps[] = {settle_host, settle_transfer_encoding, settle_content_length,
                                       settle_expect};

    if (r->field_count > HTTP_FIELDS_MAX)
        return HTTP_REFUSED(431, "The request has too many header fields.");
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        const struct http_refusal problem = steps[i](r);
        if (problem.status)
            return problem;
    }
    /* RFC 9112, 9.3. */
    r->keep_alive = !http_request_has_token(r, "connection", "close") &&
                    (r->minor > 0 || http_request_has_token(r, "connection", "keep-alive"));
    return HTTP_FINE;
}
