/* Reads an Origin from left to right. Names are not resolved, no scheme is unknown. */
#include "daemon/origin.h"

#include "daemon/address.h"

#include <arpa/inet.h>
#include <string.h>

#define DIGITS  "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

enum { NAME_BYTES_MAX = 255 };

/* RFC 3986, 3.1. Returns what stands behind "://", or NULL. */
static const char *skip_scheme(const char *text)
{
    const size_t len = strspn(text, LETTERS DIGITS "+-.");
    if (strspn(text, LETTERS) == 0 || strncmp(text + len, "://", 3) != 0)
        return NULL;
    return text + len + 3;
}

static const char *skip_v6(const char *text)
{
    char host[INET6_ADDRSTRLEN];
    struct in6_addr address;
    const size_t len = strcspn(text + 1, "]");
    if (text[1 + len] != ']' || len >= sizeof(host))
        return NULL;
    memcpy(host, text + 1, len);
    host[len] = '\0';
    return inet_pton(AF_INET6, host, &address) == 1 ? text + len + 2 : NULL;
}

/* Internationalised names come in their ASCII form (xn--). */
static const char *skip_name(const char *text)
{
    const size_t len = strspn(text, LETTERS DIGITS "-._");
    return len > 0 && len <= NAME_BYTES_MAX ? text + len : NULL;
}

bool origin_is_valid(const char *text)
{
    uint16_t port;
    const char *host = skip_scheme(text);
    if (!host)
        return false;
    const char *rest = host[0] == '[' ? skip_v6(host) : skip_name(host);
    if (!rest || *rest == '\0')
        return rest != NULL;
    return *rest == ':' && address_port_parse(rest + 1, &port) && port > 0;
}
