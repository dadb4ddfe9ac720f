/* Bytes as base64 with padding (RFC 4648, 4). Encodes only. */
#pragma once

#include "base/bytes.h"

static inline size_t base64_len(size_t len)
{
    return (len + 2) / 3 * 4;
}

/* Writes base64_len(in.len) bytes to out. */
void base64_encode(uint8_t *out, struct bytes in);
