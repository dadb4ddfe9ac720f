/* One look-up, one address: a load generator must not spread over what a name happens to mean. */
#include "load/resolve.h"

#include <netdb.h>
#include <stdio.h>

/* IPv4 first: `localhost` is both, and few servers listen on ::1 only. */
static const struct addrinfo *preferred(const struct addrinfo *found)
{
    for (const struct addrinfo *a = found; a; a = a->ai_next)
        if (a->ai_family == AF_INET)
            return a;
    return found;
}

const char *resolve(const struct url *url, union io_address *out)
{
    char host[URL_HOST_MAX + 1], port[8];
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    snprintf(host, sizeof(host), "%.*s", (int)url->host.len, (const char *)url->host.at);
    snprintf(port, sizeof(port), "%u", url->port);
    const int err = getaddrinfo(host, port, &hints, &found);
    if (err != 0)
        return gai_strerror(err);
    const struct addrinfo *chosen = preferred(found);
    *out = (union io_address){0};
    memcpy(out, chosen->ai_addr, chosen->ai_addrlen);
    freeaddrinfo(found);
    return NULL;
}
