/* Growing and taking. It knows nothing of what the bytes are. */
#include "sim/buffer.h"

#include "base/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CAPACITY_MIN = 256, FORMATTED_MAX = 1024 };

uint8_t *buffer_extend(struct buffer *b, size_t count)
{
    if (b->begin > 0 && (b->begin == b->end || b->end + count > b->capacity)) {
        memmove(b->at, b->at + b->begin, b->end - b->begin);
        b->end -= b->begin;
        b->begin = 0;
    }
    if (b->end + count > b->capacity) {
        b->capacity = (b->end + count) * 2 + CAPACITY_MIN;
        b->at = realloc(b->at, b->capacity);
        ASSERT(b->at);
    }
    uint8_t *added = b->at + b->end;
    b->end += count;
    return added;
}

void buffer_shorten(struct buffer *b, size_t count)
{
    ASSERT(count <= buffer_len(b));
    b->end -= count;
}

void buffer_add(struct buffer *b, struct bytes more)
{
    if (more.len > 0)
        memcpy(buffer_extend(b, more.len), more.at, more.len);
}

void buffer_add_str(struct buffer *b, const char *text)
{
    buffer_add(b, bytes_from(text));
}

void buffer_add_format(struct buffer *b, const char *format, ...)
{
    char text[FORMATTED_MAX];
    va_list args;
    va_start(args, format);
    const int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ASSERT(len >= 0);
    ASSERT((size_t)len < sizeof(text));
    buffer_add(b, (struct bytes){(const uint8_t *)text, (size_t)len});
}

void buffer_take(struct buffer *b, size_t count)
{
    ASSERT(count <= buffer_len(b));
    b->begin += count;
}

void buffer_clear(struct buffer *b)
{
    b->begin = b->end = 0;
}

void buffer_fini(struct buffer *b)
{
    free(b->at);
    *b = (struct buffer){0};
}
