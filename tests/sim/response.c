/* Reads heads as a whole, bodies as they come. Knows nothing of what they mean. */
#include "sim/response.h"

#include "base/assert.h"
#include "sim/failure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_MAX = 16384, CHUNK_LINE_MAX = 64, CONTINUE = 100, SWITCHING = 101 };

void response_reset(struct response *r)
{
    const struct buffer body = r->body;
    *r = (struct response){.who = r->who, .body = body};
    buffer_clear(&r->body);
}

void response_fini(struct response *r)
{
    buffer_fini(&r->body);
}

/* --- heads ------------------------------------------------------------------------------------ */

/* Up to a CR LF, which it takes away; a CR or LF alone is none. Absent: there is no whole line. */
static struct bytes take_line(const struct response *r, struct bytes *in)
{
    const uint8_t *lf = in->len > 0 ? memchr(in->at, '\n', in->len) : NULL;
    if (!lf)
        return (struct bytes){0};
    const struct bytes line = {in->at, (size_t)(lf - in->at)};
    SIM_CHECK("protocol", line.len > 0 && line.at[line.len - 1] == '\r', "%s: a line ends in LF",
              r->who);
    *in = bytes_skip(*in, line.len + 1);
    const struct bytes bare = {line.at, line.len - 1};
    SIM_CHECK("protocol", !memchr(bare.at, '\r', bare.len), "%s: CR in a line", r->who);
    return bare;
}

static struct bytes trimmed(struct bytes b)
{
    while (b.len > 0 && b.at[0] == ' ')
        b = bytes_skip(b, 1);
    while (b.len > 0 && b.at[b.len - 1] == ' ')
        b.len--;
    return b;
}

static uint64_t number_from(const struct response *r, struct bytes digits, int base)
{
    char text[24], *end;
    SIM_CHECK("protocol", digits.len > 0 && digits.len < sizeof(text), "%s: no number: %.*s",
              r->who, (int)digits.len, (const char *)digits.at);
    snprintf(text, sizeof(text), "%.*s", (int)digits.len, (const char *)digits.at);
    const uint64_t n = strtoull(text, &end, base);
    SIM_CHECK("protocol", *end == '\0' && text[0] != '-' && text[0] != ' ', "%s: no number: %s",
              r->who, text);
    return n;
}

static void read_status(struct response *r, struct bytes line)
{
    const struct bytes rest = bytes_skip(line, sizeof("HTTP/1.1 ") - 1);
    SIM_CHECK("protocol", rest.len > 4 && rest.at[3] == ' ', "%s: no status line: %.*s", r->who,
              (int)line.len, (const char *)line.at);
    r->status = (unsigned)number_from(r, (struct bytes){rest.at, 3}, 10);
}

static void keep(const struct response *r, char out[static RESPONSE_FIELD_MAX], struct bytes value)
{
    SIM_CHECK("protocol", out[0] == '\0', "%s: a field twice: %s", r->who, out);
    SIM_CHECK("protocol", value.len < RESPONSE_FIELD_MAX, "%s: a long field", r->who);
    memcpy(out, value.at, value.len);
    out[value.len] = '\0';
}

static void read_length(struct response *r, struct bytes value)
{
    SIM_CHECK("protocol", r->framing == RESPONSE_TO_THE_END, "%s: two framings", r->who);
    r->framing = RESPONSE_WITH_LENGTH;
    r->left = number_from(r, value, 10);
}

static void read_encoding(struct response *r, struct bytes value)
{
    SIM_CHECK("protocol", r->framing == RESPONSE_TO_THE_END, "%s: two framings", r->who);
    SIM_CHECK("protocol", bytes_equal(value, BYTES_LITERAL("chunked")), "%s: encoding %.*s", r->who,
              (int)value.len, (const char *)value.at);
    r->framing = RESPONSE_IN_CHUNKS;
}

static bool has_word(struct bytes list, const char *word)
{
    const struct bytes wanted = bytes_from(word);
    for (; list.len >= wanted.len; list = bytes_skip(list, 1))
        if (bytes_equal_nocase((struct bytes){list.at, wanted.len}, wanted))
            return true;
    return false;
}

static void read_known(struct response *r, struct bytes name, struct bytes value)
{
    if (bytes_equal_nocase(name, BYTES_LITERAL("content-length")))
        read_length(r, value);
    else if (bytes_equal_nocase(name, BYTES_LITERAL("transfer-encoding")))
        read_encoding(r, value);
    else if (bytes_equal_nocase(name, BYTES_LITERAL("connection")))
        r->closes = has_word(value, "close");
    else if (bytes_equal_nocase(name, BYTES_LITERAL("retry-after")))
        r->has_retry = true;
    else if (bytes_equal_nocase(name, BYTES_LITERAL("cache-control")))
        r->is_uncachable = has_word(value, "no-store");
    else if (bytes_equal_nocase(name, BYTES_LITERAL("content-type")))
        keep(r, r->type, value);
    else if (bytes_equal_nocase(name, BYTES_LITERAL("uproar-cursor")))
        keep(r, r->cursor, value);
    else if (bytes_equal_nocase(name, BYTES_LITERAL("etag")))
        keep(r, r->etag, value);
    else if (bytes_equal_nocase(name, BYTES_LITERAL("upgrade")))
        keep(r, r->upgrade, value);
    else if (bytes_equal_nocase(name, BYTES_LITERAL("sec-websocket-protocol")))
        keep(r, r->protocol, value);
    else if (bytes_equal_nocase(name, BYTES_LITERAL("sec-websocket-extensions")))
        keep(r, r->extensions, value);
}

static void read_field(struct response *r, struct bytes line)
{
    const uint8_t *colon = memchr(line.at, ':', line.len);
    SIM_CHECK("protocol", colon && colon > line.at && line.at[0] > ' ', "%s: no field: %.*s",
              r->who, (int)line.len, (const char *)line.at);
    const struct bytes name = {line.at, (size_t)(colon - line.at)};
    read_known(r, name, trimmed(bytes_skip(line, name.len + 1)));
}

/* RFC 9112, 6.3. */
static void find_framing(struct response *r)
{
    const bool never = r->answers_head || r->status == 204 || r->status == 304 ||
                       r->status == CONTINUE || r->status == SWITCHING;
    SIM_CHECK("protocol", r->framing != RESPONSE_TO_THE_END || never || r->closes,
              "%s: a body that ends with the connection, which goes on", r->who);
    if (never)
        r->framing = RESPONSE_WITHOUT_BODY;
    r->is_whole =
        r->framing == RESPONSE_WITHOUT_BODY || (r->framing == RESPONSE_WITH_LENGTH && r->left == 0);
}

/* The length of a whole head, with the empty line; 0: it is not here yet. */
static size_t head_length(const struct response *r, struct bytes in)
{
    static const char begin[] = "HTTP/1.1 ";
    const size_t n = in.len < sizeof(begin) - 1 ? in.len : sizeof(begin) - 1;
    SIM_CHECK("protocol", memcmp(in.at, begin, n) == 0, "%s: no response: %.*s", r->who, (int)n,
              (const char *)in.at);
    for (size_t i = 4; i <= in.len && i <= HEAD_MAX; i++)
        if (memcmp(in.at + i - 4, "\r\n\r\n", 4) == 0)
            return i;
    SIM_CHECK("protocol", in.len < HEAD_MAX, "%s: a head without an end", r->who);
    return 0;
}

static size_t read_head(struct response *r, struct bytes in)
{
    const size_t length = head_length(r, in);
    struct bytes head = {in.at, length}, line = {0};
    if (length == 0)
        return 0;
    r->framing = RESPONSE_TO_THE_END;
    read_status(r, take_line(r, &head));
    while ((line = take_line(r, &head)).len > 0)
        read_field(r, line);
    find_framing(r);
    r->has_head = true;
    return length;
}

/* --- bodies ----------------------------------------------------------------------------------- */

static size_t read_bytes(struct response *r, struct bytes in)
{
    const size_t n = in.len < r->left ? in.len : (size_t)r->left;
    buffer_add(&r->body, (struct bytes){in.at, n});
    r->left -= n;
    return n;
}

/* Sizes and ends of chunks, and the trailer, which is empty. */
static size_t read_chunk_line(struct response *r, struct bytes in)
{
    struct bytes rest = in;
    const struct bytes line = take_line(r, &rest);
    SIM_CHECK("protocol", line.at || in.len < CHUNK_LINE_MAX, "%s: no line of a chunk", r->who);
    if (!line.at)
        return 0;
    SIM_CHECK("protocol", (line.len > 0) == (r->chunk == CHUNK_SIZE), "%s: a chunk's line is %.*s",
              r->who, (int)line.len, (const char *)line.at);
    r->is_whole = r->chunk == CHUNK_TRAILER;
    if (r->chunk == CHUNK_SIZE) {
        r->left = number_from(r, line, 16);
        r->chunk = r->left > 0 ? CHUNK_BYTES : CHUNK_TRAILER;
    } else {
        r->chunk = CHUNK_SIZE;
    }
    return in.len - rest.len;
}

static size_t read_chunk(struct response *r, struct bytes in)
{
    if (r->chunk != CHUNK_BYTES)
        return read_chunk_line(r, in);
    const size_t n = read_bytes(r, in);
    if (r->left == 0)
        r->chunk = CHUNK_END;
    return n;
}

static size_t read_body(struct response *r, struct bytes in)
{
    switch (r->framing) {
    case RESPONSE_WITHOUT_BODY:
        return 0;
    case RESPONSE_WITH_LENGTH: {
        const size_t n = read_bytes(r, in);
        r->is_whole = r->left == 0;
        return n;
    }
    case RESPONSE_IN_CHUNKS:
        return read_chunk(r, in);
    case RESPONSE_TO_THE_END:
        buffer_add(&r->body, in);
        return in.len;
    }
    UNREACHABLE("framing");
}

/* --- both ------------------------------------------------------------------------------------- */

static size_t read_step(struct response *r, struct bytes in)
{
    if (r->has_head)
        return read_body(r, in);
    const size_t n = read_head(r, in);
    if (r->has_head && r->status == CONTINUE)
        response_reset(r);
    return n;
}

size_t response_read(struct response *r, struct bytes in)
{
    size_t used = 0, n = 1;
    while (!r->is_whole && n > 0 && used < in.len) {
        n = read_step(r, bytes_skip(in, used));
        used += n;
    }
    return used;
}

bool response_may_end(const struct response *r)
{
    return r->is_whole || (r->has_head && r->framing == RESPONSE_TO_THE_END);
}
