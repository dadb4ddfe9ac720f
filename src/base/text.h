/* A growing run of text for replies, log lines and metrics. A failed allocation sticks: the text
 * stays valid but `failed` is set, so callers check once at the end. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

struct text {
    uint8_t *at;
    size_t len, capacity;
    bool failed;
};

void text_add(struct text *t, struct bytes b);
/* count bytes more, the caller's to fill at once; NULL: no memory. */
uint8_t *text_extend(struct text *t, size_t count);
void text_add_str(struct text *t, const char *s);
void text_add_byte(struct text *t, uint8_t c);
void text_printf(struct text *t, const char *format, ...) PRINTF_LIKE(2, 3);
/* A JSON string with its quotes: escapes as RFC 8259, 7; b must be UTF-8. */
void text_add_json(struct text *t, struct bytes b);
void text_fini(struct text *t);

static inline struct bytes text_bytes(const struct text *t)
{
    return (struct bytes){t->at ? t->at : (const uint8_t *)"", t->len};
}
