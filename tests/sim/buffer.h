/* Bytes that grow at the end and are taken from the front. The peers' own: base/text.h counts as
 * the heap of the code under test, where allocations fail. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

struct buffer {
    uint8_t *at;
    size_t begin, end, capacity;
};

void buffer_add(struct buffer *b, struct bytes more);
void buffer_add_str(struct buffer *b, const char *text);
void buffer_add_format(struct buffer *b, const char *format, ...) PRINTF_LIKE(2, 3);
/* count bytes more, the caller's to fill at once. */
uint8_t *buffer_extend(struct buffer *b, size_t count);
/* Gives back the last bytes of what was extended. */
void buffer_shorten(struct buffer *b, size_t count);
void buffer_take(struct buffer *b, size_t count);
void buffer_clear(struct buffer *b);
void buffer_fini(struct buffer *b);

static inline struct bytes buffer_bytes(const struct buffer *b)
{
    return (struct bytes){b->at ? b->at + b->begin : (const uint8_t *)"", b->end - b->begin};
}

static inline size_t buffer_len(const struct buffer *b)
{
    return b->end - b->begin;
}
