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
    BODY_EXTENSION,
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

static enum body_state size_byte(struct http_body *b, uint8_t c)
{
    const int digit = http_hex_digit(c);

    if (digit >= 0) {
        if (b->digits == CHUNK_DIGITS_MAX)
            return BODY_FAULTY;
        b->digits++;
        b->left = b->left << 4 | (uint64_t)digit;
        return BODY_SIZE;
    }
    if (b->digits == 0)
        return BODY_FAULTY;
    if (c == '\r')
        return BODY_SIZE_LF;
    if (c == ';')
        return BODY_EXTENSION;
    return c == ' ' || c == '\t' ? BODY_SIZE_SPACE : BODY_FAULTY;
}

static enum body_state size_space_byte(uint8_t c)
{
    if (c == ';')
        return BODY_EXTENSION;
    return c == ' ' || c == '\t' ? BODY_SIZE_SPACE : BODY_FAULTY;
}

/* An extension or a trailer's value: anything but control characters, up to `CR`. */
static enum body_state text_byte(uint8_t c, enum body_state here, enum body_state behind_cr)
{
    if (c == '\r')
        return behind_cr;
    return http_is_control(c) ? BODY_FAULTY : here;
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
    case BODY_EXTENSION:
        return text_byte(c, BODY_EXTENSION, BODY_SIZE_LF);
    case BODY_SIZE_LF:
        return size_line_end(b, c);
    case BODY_TRAILER_START:
        return trailer_start_byte(c);
    case BODY_TRAILER_NAME:
        return trailer_name_byte(c);
    case BODY_TRAILER_VALUE:
        return text_byte(c, BODY_TRAILER_VALUE, BODY_TRAILER_LF);
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
