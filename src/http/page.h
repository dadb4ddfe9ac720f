/* The page that browsers get on / and /t/TOPIC: made of page/index.html by page/embed.py when the
 * library is built. How it is served (status, caching) is the caller's. */
#pragma once

#include <stddef.h>

extern const unsigned char http_page_bytes[]; /* HTML in UTF-8 */
extern const size_t http_page_len;
/* The value of its Content-Security-Policy: only its inline script and style, only this host. */
extern const char http_page_csp[];
