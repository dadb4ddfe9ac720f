/* Growing text. Doubles; never shrinks. */
#include "base/text.h"

#include "base/alloc.h"
#include "base/writer.h"

#include <stdarg.h>
#include <stdio.h>

static bool text_room(struct text *t, size_t more)
{
    if (t->failed)
        return false;
    if (t->capacity - t->len >= more)
        return true;
    size_t capacity = t->capacity ? t->capacity * 2 : 256;
    while (capacity - t->len < more)
        capacity *= 2;
    uint8_t *at = alloc_resize(t->at, capacity);
    if (!at) {
        t->failed = true;
        return false;
    }
    t->at = at;
    t->capacity = capacity;
    return true;
}

uint8_t *text_extend(struct text *t, size_t count)
{
    if (!text_room(t, count))
        return NULL;
    t->len += count;
    return t->at + t->len - count;
}

void text_add(struct text *t, struct bytes b)
{
    if (b.len == 0 || !text_room(t, b.len))
        return;
    memcpy(t->at + t->len, b.at, b.len);
    t->len += b.len;
}

void text_add_str(struct text *t, const char *s)
{
    text_add(t, bytes_from(s));
}

void text_add_byte(struct text *t, uint8_t c)
{
    text_add(t, (struct bytes){&c, 1});
}

void text_printf(struct text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int need = vsnprintf(NULL, 0, format, args);
    if (need >= 0 && text_room(t, (size_t)need + 1)) {
        vsnprintf((char *)t->at + t->len, (size_t)need + 1, format, again);
        t->len += (size_t)need;
    }
    va_end(again);
    va_end(args);
}

void text_add_json(struct text *t, struct bytes b)
{
    struct writer size = {0};
    writer_put_json(&size, b);
    struct writer w = {.at = text_extend(t, size.len)};
    if (w.at)
        writer_put_json(&w, b);
}

void text_fini(struct text *t)
{
    alloc_free(t->at);
    *t = (struct text){0};
}
