/* Bytes by the same calls twice: first to measure (at == NULL), then to write. So what is allocated
 * is exact, and a size cannot disagree with its bytes. It does not allocate or grow: see text.h. */
#pragma once

#include "base/bytes.h"

struct writer {
    uint8_t *at; /* room for all that is put; NULL: only measures */
    size_t len;  /* put so far */
};

void writer_put(struct writer *w, struct bytes b);
/* A JSON string with its quotes: escapes as RFC 8259, 7; b must be UTF-8. */
void writer_put_json(struct writer *w, struct bytes b);
void writer_put_base64(struct writer *w, struct bytes b);
