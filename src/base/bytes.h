/* Runs of bytes that somebody else owns, and big-endian loads and stores. Never allocates. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed, read-only. at == NULL: absent (len is 0); an empty run has at != NULL. */
struct bytes {
    const uint8_t *at;
    size_t len;
};

/* Borrowed, writable: receive buffers, which parsers may unmask or decode in place. */
struct span {
    uint8_t *at;
    size_t len;
};

#define BYTES_LITERAL(s) ((struct bytes){(const uint8_t *)(s), sizeof(s) - 1})

static inline struct bytes bytes_from(const char *text)
{
    return (struct bytes){(const uint8_t *)text, text ? strlen(text) : 0};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    /* An absent run has no address to compare; its length is 0, which compilers cannot know. */
    return a.len == b.len && (a.len == 0 || !a.at || !b.at || memcmp(a.at, b.at, a.len) == 0);
}

static inline uint8_t byte_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

/* ASCII case folding, as HTTP field names and tokens want it (RFC 9110, 5.1). */
static inline bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (byte_lower(a.at[i]) != byte_lower(b.at[i]))
            return false;
    return true;
}

static inline bool bytes_start_with(struct bytes a, struct bytes prefix)
{
    return a.len >= prefix.len && (prefix.len == 0 || memcmp(a.at, prefix.at, prefix.len) == 0);
}

/* An absent run stays absent: NULL + 0 is no address in C. */
static inline struct bytes bytes_skip(struct bytes a, size_t n)
{
    return (struct bytes){n ? a.at + n : a.at, a.len - n};
}

static inline struct span span_skip(struct span a, size_t n)
{
    return (struct span){n ? a.at + n : a.at, a.len - n};
}

static inline struct bytes span_bytes(struct span a)
{
    return (struct bytes){a.at, a.len};
}

static inline uint64_t load_be(const uint8_t *at, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++)
        value = value << 8 | at[i];
    return value;
}

static inline void store_be(uint8_t *at, size_t count, uint64_t value)
{
    for (size_t i = count; i > 0; i--, value >>= 8)
        at[i - 1] = (uint8_t)value;
}
