/* The head of a request, line by line, each refused as soon as it is complete and wrong.
 * What the fields mean is in fields.c; bodies are in body.c.
 *
 * Verdicts do not depend on cuts because errors are found in an order that the bytes alone decide:
 * a byte that may stand nowhere, then the line it ends, then the next line; what only the whole
 * head can tell (number of fields, host, framing) at its end. */
#include "http/request.h"

#include "base/assert.h"
#include "http/http_internal.h"

enum {
    /* RFC 9112, 2.2 wants one empty line ignored. Bounded, so that looking past them is cheap. */
    BLANK_MAX = 8 * 2,
    REQUEST_LINE_MAX = HTTP_TARGET_MAX + 64, /* method, two spaces, version, CRLF */
    VERSION_LEN = 8,                         /* "HTTP/1.1" */
};

/* Length of the empty lines before the request line. */
static size_t blank_len(struct bytes in)
{
    size_t len = 0;
    while (len < BLANK_MAX && in.len - len >= 2 && memcmp(in.at + len, "\r\n", 2) == 0)
        len += 2;
    return len;
}

/* A request line that does not end. Without its first space it has not even a method. */
static struct http_refusal endless_line(struct bytes line)
{
    if (!memchr(line.at, ' ', line.len))
        return HTTP_REFUSED(400, "This does not begin with a method.");
    return HTTP_REFUSED(414, "The request line is too long.");
}

/* What is wrong with byte i wherever it stands. */
static struct http_refusal byte_problem(struct bytes in, size_t i, size_t blank)
{
    const uint8_t c = in.at[i];
    const bool after_cr = i > 0 && in.at[i - 1] == '\r';

    if (i == HTTP_HEAD_MAX)
        return HTTP_REFUSED(431, "The request's head is too large.");
    if (i == blank + REQUEST_LINE_MAX && !memchr(in.at + blank, '\n', REQUEST_LINE_MAX))
        return endless_line((struct bytes){in.at + blank, REQUEST_LINE_MAX});
    /* Others end lines elsewhere: what they and we read must be the same request. */
    if (after_cr && c != '\n')
        return HTTP_REFUSED(400, "A carriage return stands without its line feed.");
    if (!after_cr && c == '\n')
        return HTTP_REFUSED(400, "A line ends without a carriage return.");
    if (http_is_control(c) && c != '\r' && c != '\n')
        return HTTP_REFUSED(400, "The request's head has a control character in it.");
    return HTTP_FINE;
}

/* Moves *scanned on, behind the end of a line (true) or to the end of the input (false). */
static bool scan_line(struct bytes in, size_t blank, size_t *scanned, struct http_refusal *problem)
{
    for (; *scanned < in.len; ++*scanned) {
        *problem = byte_problem(in, *scanned, blank);
        if (problem->status)
            return false;
        if (in.at[*scanned] == '\n') {
            ++*scanned;
            return true;
        }
    }
    return false;
}

static enum http_method method_from(struct bytes name)
{
    static const char *const names[] = {
        [HTTP_GET] = "GET",     [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",
        [HTTP_PUT] = "PUT",     [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS",
        [HTTP_PATCH] = "PATCH",
    };
    for (enum http_method m = HTTP_GET; m < HTTP_OTHER; m++)
        if (bytes_equal(name, bytes_from(names[m])))
            return m;
    return HTTP_OTHER;
}

/* HTTP/1.x: a minor that we do not know is spoken to as 1.1 (RFC 9110, 2.5). */
static struct http_refusal version_parse(struct http_request *r, struct bytes version)
{
    const uint8_t *v = version.at;

    if (version.len != VERSION_LEN || memcmp(v, "HTTP/", 5) != 0 || !http_is_digit(v[5]) ||
        v[6] != '.' || !http_is_digit(v[7]))
        return HTTP_REFUSED(400, "The request line does not end in HTTP/1.1.");
    if (v[5] != '1')
        return HTTP_REFUSED(505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
    r->minor = v[7] != '0';
    return HTTP_FINE;
}

static struct http_refusal target_bytes_check(struct bytes target)
{
    if (target.len > HTTP_TARGET_MAX)
        return HTTP_REFUSED(414, "The request's target is too long.");
    for (size_t i = 0; i < target.len; i++) {
        if (target.at[i] <= 0x20 || target.at[i] > 0x7e)
            return HTTP_REFUSED(400, "The request's target holds a byte that has to be escaped.");
        if (target.at[i] == '#')
            return HTTP_REFUSED(400, "The request's target has a fragment.");
    }
    return HTTP_FINE;
}

/* "/path?query"; after an authority both are optional. */
static void target_split(struct http_request *r, struct bytes rest)
{
    const uint8_t *mark = rest.len > 0 ? memchr(rest.at, '?', rest.len) : NULL;

    r->path = rest;
    if (mark) {
        r->path.len = (size_t)(mark - rest.at);
        r->query = bytes_skip(rest, r->path.len + 1);
    }
}

/* http://host/path, which every server has to accept (RFC 9112, 3.2.2). */
static struct http_refusal absolute_form_parse(struct http_request *r)
{
    const struct bytes http = BYTES_LITERAL("http://"), https = BYTES_LITERAL("https://");
    const struct bytes t = r->target;
    struct http_host host;
    size_t scheme_len = 0;

    if (t.len >= http.len && bytes_equal_nocase((struct bytes){t.at, http.len}, http))
        scheme_len = http.len;
    else if (t.len >= https.len && bytes_equal_nocase((struct bytes){t.at, https.len}, https))
        scheme_len = https.len;
    else
        return HTTP_REFUSED(400, "The request's target is neither a path nor an http address.");

    const struct bytes rest = bytes_skip(t, scheme_len);
    size_t host_len = 0;
    while (host_len < rest.len && rest.at[host_len] != '/' && rest.at[host_len] != '?')
        host_len++;
    r->host = (struct bytes){rest.at, host_len};
    if (!http_host_parse(r->host, &host))
        return HTTP_REFUSED(400, "The request's target names no valid host.");
    target_split(r, bytes_skip(rest, host_len));
    if (r->path.len == 0)
        r->path = (struct bytes){rest.at - 1, 1}; /* RFC 9110, 4.2.3: "/"; the scheme ends in one */
    return HTTP_FINE;
}

/* host:port, which only CONNECT has (RFC 9112, 3.2.3). What follows it would not be HTTP. */
static struct http_refusal authority_form_parse(struct bytes target)
{
    struct http_host host;

    if (!http_host_parse(target, &host) || host.port.len == 0)
        return HTTP_REFUSED(400, "The target of CONNECT is not host:port.");
    return HTTP_REFUSED(501, "No tunnels are opened here.");
}

static struct http_refusal target_parse(struct http_request *r)
{
    const struct http_refusal problem = target_bytes_check(r->target);

    if (problem.status)
        return problem;
    if (bytes_equal(r->method_name, BYTES_LITERAL("CONNECT")))
        return authority_form_parse(r->target);
    if (r->target.len > 0 && r->target.at[0] == '/') {
        target_split(r, r->target);
        return HTTP_FINE;
    }
    if (r->method == HTTP_OPTIONS && bytes_equal(r->target, BYTES_LITERAL("*"))) {
        r->path = r->target;
        return HTTP_FINE;
    }
    return absolute_form_parse(r);
}

/* method SP target SP version, with exactly one space each (RFC 9112, 3). */
static struct http_refusal request_line_parse(struct http_request *r, struct bytes line)
{
    const uint8_t *first = line.len > 0 ? memchr(line.at, ' ', line.len) : NULL;
    if (!first)
        return HTTP_REFUSED(400, "The request line is not METHOD TARGET VERSION.");
    r->method_name = (struct bytes){line.at, (size_t)(first - line.at)};
    if (!http_is_token(r->method_name))
        return HTTP_REFUSED(400, "The request's method is not a token.");
    r->method = method_from(r->method_name);

    const struct bytes rest = bytes_skip(line, r->method_name.len + 1);
    const uint8_t *second = rest.len > 0 ? memchr(rest.at, ' ', rest.len) : NULL;
    if (!second)
        return HTTP_REFUSED(400, "The request line is not METHOD TARGET VERSION.");
    r->target = (struct bytes){rest.at, (size_t)(second - rest.at)};

    /* The version first: it says whether the rest may be read by our rules. */
    const struct http_refusal problem = version_parse(r, bytes_skip(rest, r->target.len + 1));
    return problem.status ? problem : target_parse(r);
}

static size_t line_start(struct bytes in, size_t at)
{
    while (at > 0 && in.at[at - 1] != '\n')
        at--;
    return at;
}

/* Reads on from *scanned to the end of the head or of the input. Lines that an earlier call has
 * seen are not in r. */
static enum http_parse take_lines(struct http_request *r, struct bytes in, size_t *scanned,
                                  struct http_refusal *problem)
{
    const size_t blank = blank_len(in);
    size_t at = *scanned;

    memset(r, 0, offsetof(struct http_request, fields)); /* the array is large and counted */
    while (scan_line(in, blank, &at, problem)) {
        const size_t start = line_start(in, *scanned);
        const struct bytes line = {in.at + start, at - 2 - start};

        if (start == blank)
            *problem = request_line_parse(r, line);
        else if (start > blank && line.len == 0)
            return HTTP_PARSE_DONE;
        else if (start > blank)
            *problem = http_field_parse(r, line);
        if (problem->status)
            return HTTP_PARSE_BAD;
        *scanned = at;
    }
    if (problem->status)
        return HTTP_PARSE_BAD;
    *scanned = at;
    return HTTP_PARSE_MORE;
}

/* A peer that speaks TLS or some binary protocol hears so at its first byte. */
static bool starts_like_request(struct bytes in)
{
    const size_t blank = blank_len(in);
    return in.len == blank || in.at[blank] == '\r' || http_is_tchar(in.at[blank]);
}

static enum http_parse parse_head(struct http_request *r, struct bytes in, size_t *scanned,
                                  struct http_refusal *problem)
{
    if (!starts_like_request(in)) {
        *problem = HTTP_REFUSED(400, "This is not an HTTP request.");
        return HTTP_PARSE_BAD;
    }
    const size_t from = *scanned;
    enum http_parse result = take_lines(r, in, scanned, problem);
    if (result != HTTP_PARSE_DONE)
        return result;
    if (from > 0) {
        /* The buffer may have moved and r may be another: read all of it, this once. */
        *scanned = 0;
        result = take_lines(r, in, scanned, problem);
        ASSERT(result == HTTP_PARSE_DONE);
    }
    *problem = http_fields_settle(r);
    return problem->status ? HTTP_PARSE_BAD : HTTP_PARSE_DONE;
}

enum http_parse http_request_parse(struct http_request *r, struct bytes in, size_t *scanned,
                                   size_t *head_len, unsigned *status, const char **why)
{
    struct http_refusal problem = HTTP_FINE;
    const enum http_parse result = parse_head(r, in, scanned, &problem);

    if (result != HTTP_PARSE_DONE)
        r->field_count = 0; /* counts beyond the array, too: looking a field up has to be safe */
    switch (result) {
    case HTTP_PARSE_MORE:
        break;
    case HTTP_PARSE_DONE:
        *head_len = *scanned + 2; /* the empty line */
        *scanned = 0;
        break;
    case HTTP_PARSE_BAD:
        *status = problem.status;
        *why = problem.why;
        break;
    }
    return result;
}
