/* The characters of header fields that the handshake reads (RFC 9110, 5.6). */
#pragma once

#include "base/bytes.h"

static inline bool ws_is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* tchar: 5.6.2. */
static inline bool ws_is_token_char(uint8_t c)
{
    const uint8_t lower = byte_lower(c);
    const bool alnum = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
    return alnum || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}
