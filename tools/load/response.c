/* Response heads, leniently: a load generator has to cope with any server. What it judges is what a
 * server must answer to a handshake, and that is done where the handshake is. */
#include "load/response.h"

static struct bytes trim(struct bytes b)
{
    while (b.len > 0 && (b.at[0] == ' ' || b.at[0] == '\t'))
        b = bytes_skip(b, 1);
    while (b.len > 0 && strchr(" \t\r", b.at[b.len - 1]))
        b.len--;
    return b;
}

/* Takes a line without its LF; false: there is none. */
static bool take_line(struct bytes *in, struct bytes *line)
{
    const uint8_t *end = in->len > 0 ? memchr(in->at, '\n', in->len) : NULL;
    if (!end)
        return false;
    *line = (struct bytes){in->at, (size_t)(end - in->at)};
    *in = bytes_skip(*in, line->len + 1);
    return true;
}

static bool take_field(struct bytes *fields, struct bytes *name, struct bytes *value)
{
    struct bytes line;
    while (take_line(fields, &line)) {
        const uint8_t *colon = line.len > 0 ? memchr(line.at, ':', line.len) : NULL;
        if (!colon)
            continue;
        *name = (struct bytes){line.at, (size_t)(colon - line.at)};
        *value = trim(bytes_skip(line, name->len + 1));
        return true;
    }
    return false;
}

struct bytes response_field(const struct response *r, const char *name)
{
    struct bytes left = r->fields, field, value;
    while (take_field(&left, &field, &value))
        if (bytes_equal_nocase(field, bytes_from(name)))
            return value;
    return (struct bytes){0};
}

static bool list_has(struct bytes list, struct bytes token)
{
    while (list.len > 0) {
        const uint8_t *comma = memchr(list.at, ',', list.len);
        const size_t len = comma ? (size_t)(comma - list.at) : list.len;
        if (bytes_equal_nocase(trim((struct bytes){list.at, len}), token))
            return true;
        list = bytes_skip(list, comma ? len + 1 : len);
    }
    return false;
}

bool response_has_token(const struct response *r, const char *name, const char *token)
{
    struct bytes left = r->fields, field, value;
    while (take_field(&left, &field, &value))
        if (bytes_equal_nocase(field, bytes_from(name)) && list_has(value, bytes_from(token)))
            return true;
    return false;
}

static bool digits_parse(struct bytes b, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < b.len; i++) {
        if (b.at[i] < '0' || b.at[i] > '9' || *out > UINT64_MAX / 10 - 1)
            return false;
        *out = *out * 10 + (uint64_t)(b.at[i] - '0');
    }
    return b.len > 0;
}

/* "HTTP/1.1 200 OK" (RFC 9112, 4). */
static bool status_parse(struct bytes line, struct response *out)
{
    uint64_t status;
    if (line.len < 12 || !bytes_start_with(line, BYTES_LITERAL("HTTP/1.")) || line.at[8] != ' ')
        return false;
    if (!digits_parse((struct bytes){line.at + 9, 3}, &status) || status < 100)
        return false;
    out->minor = line.at[7] == '0' ? 0 : 1;
    out->status = (unsigned)status;
    return true;
}

/* What the fields say about the body (RFC 9112, 6.3): chunks win over a length. */
static bool framing_settle(struct response *r)
{
    const struct bytes length = response_field(r, "content-length");
    r->chunked = response_has_token(r, "transfer-encoding", "chunked");
    r->has_length = length.at != NULL && !r->chunked;
    if (r->has_length && !digits_parse(length, &r->content_length))
        return false;
    if (r->status < 200 || r->status == 204 || r->status == 304) {
        r->chunked = false;
        r->has_length = true;
        r->content_length = 0;
    }
    r->closes = response_has_token(r, "connection", "close") ||
                (r->minor == 0 && !response_has_token(r, "connection", "keep-alive"));
    return true;
}

/* Bytes up to behind the empty line; 0: it is not there yet. */
static size_t head_length(struct bytes in)
{
    struct bytes left = in, line;
    while (take_line(&left, &line))
        if (trim(line).len == 0)
            return in.len - left.len;
    return 0;
}

enum response_parse response_parse(struct bytes in, struct response *out, size_t *head_len)
{
    struct bytes line;
    *out = (struct response){0};
    *head_len = head_length(in);
    if (*head_len == 0)
        return in.len > RESPONSE_HEAD_MAX ? RESPONSE_BAD : RESPONSE_MORE;
    struct bytes head = {in.at, *head_len};
    if (!take_line(&head, &line) || !status_parse(line, out))
        return RESPONSE_BAD;
    out->fields = head;
    return framing_settle(out) ? RESPONSE_DONE : RESPONSE_BAD;
}

bool response_body_init(const struct response *r, struct http_body *body)
{
    /* The server's reader of bodies does for both directions: they are framed alike. */
    const struct http_request framing = {.chunked = r->chunked,
                                         .content_length = r->content_length};
    http_body_init(body, &framing);
    return r->chunked || r->has_length;
}
