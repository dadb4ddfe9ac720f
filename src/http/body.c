/* Body framing: declared length or chunks. Keeps no bytes; trailers and chunk extensions are
 * checked and dropped. */
#include "http/body.h"

#include "base/assert.h"
#include "http/http_internal.h"

enum {
    CHUNK_LINE_MAX = 256,  /* size, extensions, CRLF */
    CHUNK_DIGITS_MAX = 15, /* 60 bits: the size cannot overflow */
    TRAILERS_MAX = 4096,   /* the whole section with its empty line */
};

enum body_state {
    BODY_OVER,
    BODY_FAULTY,
    BODY_LENGTH,   /* of a declared length: `left` bytes to come */
    BODY_CHUNK,    /* of a chunk: `left` bytes to come */
    BODY_CHUNK_CR, /* behind a chunk's bytes */
    BODY_CHUNK_LF,
    BODY_SIZE,       /* in a chunk's hexadecimal size */
    BODY_SIZE_SPACE, /* white space that only an extension may follow */
    BODY_EXT_START,  /* behind a semicolon */
    BODY_EXT_NAME,
    BODY_EXT_NAME_SPACE,
    BODY_EXT_VALUE_START, /* behind an equals sign */
    BODY_EXT_TOKEN,
    BODY_EXT_QUOTED,
    BODY_EXT_ESCAPED,
    BODY_EXT_END, /* behind a quoted string */
    BODY_SIZE_LF,
    BODY_TRAILER_START, /* a trailer line or the end */
    BODY_TRAILER_NAME,
    BODY_TRAILER_VALUE,
    BODY_TRAILER_LF,
    BODY_END_LF,
};

void http_body_init(struct http_body *b, const struct http_request *r)
{
    *b = (struct http_body){.state = BODY_OVER};
    if (r->chunked) {
        b->state = BODY_SIZE;
    } else if (r->content_length > 0) {
        b->state = BODY_LENGTH;
        b->left = r->content_length;
    }
}

static enum body_state expect(uint8_t c, uint8_t wanted, enum body_state next)
{
    return c == wanted ? next : BODY_FAULTY;
}

/* What may follow a size or a whole extension: another extension, or the end of the line. */
static enum body_state extension_end_byte(uint8_t c)
{
    if (c == '\r')
        return BODY_SIZE_LF;
    if (c == ';')
        return BODY_EXT_START;
    return http_is_space(c) ? BODY_SIZE_SPACE : BODY_FAULTY;
}

static enum body_state size_byte(struct http_body *b, uint8_t c)
{
    const int digit = http_hex_digit(c);

    if (digit < 0)
        return b->digits > 0 ? extension_end_byte(c) : BODY_FAULTY;
    if (b->digits == CHUNK_DIGITS_MAX)
        return BODY_FAULTY;
    b->digits++;
    b->left = b->left << 4 | (uint64_t)digit;
    return BODY_SIZE;
}

static enum body_state size_space_byte(uint8_t c)
{
    if (c == ';')
        return BODY_EXT_START;
    return http_is_space(c) ? BODY_SIZE_SPACE : BODY_FAULTY;
}

/* Behind ';' or '=': white space, then a token. */
static enum body_state extension_start_byte(uint8_t c, enum body_state here, enum body_state token)
{
    if (http_is_space(c))
        return here;
    return http_is_tchar(c) ? token : BODY_FAULTY;
}

static enum body_state extension_name_byte(uint8_t c)
{
    if (c == '=')
        return BODY_EXT_VALUE_START;
    if (http_is_space(c))
        return BODY_EXT_NAME_SPACE;
    return http_is_tchar(c) ? BODY_EXT_NAME : extension_end_byte(c);
}

static enum body_state extension_name_space_byte(uint8_t c)
{
    if (c == '=')
        return BODY_EXT_VALUE_START;
    if (c == ';')
        return BODY_EXT_START;
    return http_is_space(c) ? BODY_EXT_NAME_SPACE : BODY_FAULTY;
}

static enum body_state extension_quoted_byte(uint8_t c)
{
    if (c == '"')
        return BODY_EXT_END;
    if (c == '\\')
        return BODY_EXT_ESCAPED;
    return http_is_control(c) ? BODY_FAULTY : BODY_EXT_QUOTED;
}

/* *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) of RFC 9112, 7.1.1. Nobody wants
 * them, but what is not of this shape ends elsewhere for other readers. */
static enum body_state extension_byte(enum body_state state, uint8_t c)
{
    if (state == BODY_EXT_START)
        return extension_start_byte(c, BODY_EXT_START, BODY_EXT_NAME);
    if (state == BODY_EXT_NAME)
        return extension_name_byte(c);
    if (state == BODY_EXT_NAME_SPACE)
        return extension_name_space_byte(c);
    if (state == BODY_EXT_VALUE_START && c == '"')
        return BODY_EXT_QUOTED;
    if (state == BODY_EXT_VALUE_START)
        return extension_start_byte(c, BODY_EXT_VALUE_START, BODY_EXT_TOKEN);
    if (state == BODY_EXT_TOKEN && http_is_tchar(c))
        return BODY_EXT_TOKEN;
    if (state == BODY_EXT_QUOTED)
        return extension_quoted_byte(c);
    if (state == BODY_EXT_ESCAPED)
        return http_is_control(c) ? BODY_FAULTY : BODY_EXT_QUOTED;
    return extension_end_byte(c);
}

/* A trailer's value: anything but control characters, up to CR. */
static enum body_state trailer_value_byte(uint8_t c)
{
    if (c == '\r')
        return BODY_TRAILER_LF;
    return http_is_control(c) ? BODY_FAULTY : BODY_TRAILER_VALUE;
}

static enum body_state size_line_end(struct http_body *b, uint8_t c)
{
    if (c != '\n')
        return BODY_FAULTY;
    b->digits = 0;
    b->line_len = 0;
    return b->left > 0 ? BODY_CHUNK : BODY_TRAILER_START;
}

static enum body_state trailer_start_byte(uint8_t c)
{
    if (c == '\r')
        return BODY_END_LF;
    return http_is_tchar(c) ? BODY_TRAILER_NAME : BODY_FAULTY;
}

static enum body_state trailer_name_byte(uint8_t c)
{
    if (c == ':')
        return BODY_TRAILER_VALUE;
    return http_is_tchar(c) ? BODY_TRAILER_NAME : BODY_FAULTY;
}

/* One byte that is not content. */
static enum body_state framing_byte(struct http_body *b, uint8_t c)
{
    switch ((enum body_state)b->state) {
    case BODY_CHUNK_CR:
        return expect(c, '\r', BODY_CHUNK_LF);
    case BODY_CHUNK_LF:
        b->line_len = 0;
        return expect(c, '\n', BODY_SIZE);
    case BODY_SIZE:
        return size_byte(b, c);
    case BODY_SIZE_SPACE:
        return size_space_byte(c);
    case BODY_EXT_START:
    case BODY_EXT_NAME:
    case BODY_EXT_NAME_SPACE:
    case BODY_EXT_VALUE_START:
    case BODY_EXT_TOKEN:
    case BODY_EXT_QUOTED:
    case BODY_EXT_ESCAPED:
    case BODY_EXT_END:
        return extension_byte((enum body_state)b->state, c);
    case BODY_SIZE_LF:
        return size_line_end(b, c);
    case BODY_TRAILER_START:
        return trailer_start_byte(c);
    case BODY_TRAILER_NAME:
        return trailer_name_byte(c);
    case BODY_TRAILER_VALUE:
        return trailer_value_byte(c);
    case BODY_TRAILER_LF:
        return expect(c, '\n', BODY_TRAILER_START);
    case BODY_END_LF:
        return expect(c, '\n', BODY_OVER);
    case BODY_OVER:
    case BODY_FAULTY:
    case BODY_LENGTH:
    case BODY_CHUNK:
        break;
    }
    UNREACHABLE("body_state");
}

/* Is the current chunk line, or the trailer section, longer than anybody needs? */
static bool line_too_long(const struct http_body *b)
{
    const bool in_trailers = b->state >= BODY_TRAILER_START;
    return b->line_len > (in_trailers ? TRAILERS_MAX : CHUNK_LINE_MAX);
}

static bool is_content(const struct http_body *b)
{
    return b->state == BODY_LENGTH || b->state == BODY_CHUNK;
}

/* Reads over framing until content, the end or a fault. */
static void skip_framing(struct http_body *b, struct bytes *in)
{
    while (in->len > 0 && b->state != BODY_OVER && b->state != BODY_FAULTY && !is_content(b)) {
        b->line_len++;
        if (line_too_long(b)) {
            b->state = BODY_FAULTY;
            return;
        }
        b->state = (uint8_t)framing_byte(b, in->at[0]);
        *in = bytes_skip(*in, 1);
    }
}

static struct bytes take_content(struct http_body *b, struct bytes *in)
{
    const struct bytes slice = {in->at, b->left < in->len ? (size_t)b->left : in->len};

    *in = bytes_skip(*in, slice.len);
    b->left -= slice.len;
    if (b->left == 0)
        b->state = b->state == BODY_LENGTH ? BODY_OVER : BODY_CHUNK_CR;
    return slice;
}

enum http_body_step http_body_next(struct http_body *b, struct bytes *in, struct bytes *slice)
{
    skip_framing(b, in);
    if (b->state == BODY_OVER)
        return HTTP_BODY_DONE;
    if (b->state == BODY_FAULTY)
        return HTTP_BODY_BAD;
    if (in->len == 0)
        return HTTP_BODY_MORE;
    *slice = take_content(b, in);
    return HTTP_BODY_DATA;
}
