/* Reads listen addresses by inet_pton(), as the library does, and knows nothing else about them. */
#include "daemon/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

bool address_port_parse(const char *text, uint16_t *out)
{
    const size_t len = strlen(text);
    uint32_t port = 0;
    if (len == 0 || len > 5)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    if (port > UINT16_MAX)
        return false;
    *out = (uint16_t)port;
    return true;
}

static bool host_parse(const char *host, struct address *out)
{
    if (out->is_v6)
        return inet_pton(AF_INET6, host, &out->v6) == 1;
    return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &out->v4) == 1;
}

bool address_parse(const char *text, struct address *out)
{
    char host[INET6_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    if (!colon || !address_port_parse(colon + 1, &out->port))
        return false;
    size_t len = (size_t)(colon - text);
    out->is_v6 = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    if (out->is_v6) {
        text++;
        len -= 2;
    }
    if (len >= sizeof(host))
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    return host_parse(host, out);
}

bool address_is_equal(const struct address *a, const struct address *b)
{
    if (a->is_v6 != b->is_v6 || a->port != b->port)
        return false;
    return a->is_v6 ? memcmp(&a->v6, &b->v6, sizeof(a->v6)) == 0 : a->v4.s_addr == b->v4.s_addr;
}

static bool v4_is_loopback(uint32_t address_be)
{
    return ntohl(address_be) >> 24 == 127;
}

bool address_is_loopback(const struct address *a)
{
    uint32_t low_be;
    if (!a->is_v6)
        return v4_is_loopback(a->v4.s_addr);
    memcpy(&low_be, a->v6.s6_addr + 12, sizeof(low_be));
    return IN6_IS_ADDR_LOOPBACK(&a->v6) || (IN6_IS_ADDR_V4MAPPED(&a->v6) && v4_is_loopback(low_be));
}

void address_host_for_url(const struct address *a, char out[static ADDRESS_HOST_MAX])
{
    char host[INET6_ADDRSTRLEN];
    if (!a->is_v6) {
        const struct in_addr loopback = {htonl(INADDR_LOOPBACK)};
        const bool is_any = a->v4.s_addr == htonl(INADDR_ANY);
        inet_ntop(AF_INET, is_any ? &loopback : &a->v4, host, sizeof(host));
        snprintf(out, ADDRESS_HOST_MAX, "%s", host);
        return;
    }
    const bool is_any = IN6_IS_ADDR_UNSPECIFIED(&a->v6);
    inet_ntop(AF_INET6, is_any ? &in6addr_loopback : &a->v6, host, sizeof(host));
    snprintf(out, ADDRESS_HOST_MAX, "[%s]", host);
}
