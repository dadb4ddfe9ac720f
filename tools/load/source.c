/* Lists of source addresses, given or made up for loopback targets.
 * Whether an address is this machine's the kernel says when it is used. */
#include "load/source.h"

#include "base/alloc.h"

#include <arpa/inet.h>

enum { ADDRESS_TEXT_MAX = 64 };

bool source_is_loopback(const union io_address *address)
{
    if (address->any.sa_family == AF_INET)
        return ntohl(address->in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return IN6_IS_ADDR_LOOPBACK(&address->in6.sin6_addr);
}

static uint32_t share(uint64_t connections, uint32_t each)
{
    return (uint32_t)((connections + each - 1) / each);
}

uint32_t sources_needed(uint64_t connections)
{
    return share(connections, SOURCE_CONNECTIONS_MAX);
}

static union io_address v4_address(uint32_t host_order)
{
    return (union io_address){.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(host_order)}};
}

static const char *add(struct sources *s, union io_address address)
{
    if (s->count == SOURCES_MAX)
        return "too many addresses (4096 at most)";
    if (s->count > 0 && s->at[0].any.sa_family != address.any.sa_family)
        return "IPv4 and IPv6 cannot be mixed";
    if (!s->at)
        s->at = alloc_bytes(SOURCES_MAX * sizeof(*s->at));
    if (!s->at)
        return "out of memory";
    s->at[s->count++] = address;
    return NULL;
}

int sources_spread(struct sources *s, const union io_address *target, uint64_t connections)
{
    *s = (struct sources){0};
    const uint32_t needed = share(connections, SOURCE_SPREAD_MAX);
    /* ::1 is alone in its network: there is nothing to spread over. */
    if (needed <= 1 || target->any.sa_family != AF_INET || !source_is_loopback(target))
        return 0;
    for (uint32_t i = 0; i < needed && i < SOURCES_MAX; i++)
        if (add(s, v4_address(INADDR_LOOPBACK + i)))
            return -ENOMEM;
    return 0;
}

/* A run of characters up to one of `stops` as an address. */
static bool take_address(const char **list, union io_address *out, const char *stops)
{
    char text[ADDRESS_TEXT_MAX];
    const size_t len = strcspn(*list, stops);
    if (len >= sizeof(text))
        return false;
    memcpy(text, *list, len);
    text[len] = '\0';
    *list += len;
    *out = (union io_address){0};
    if (inet_pton(AF_INET, text, &out->in.sin_addr) == 1) {
        out->in.sin_family = AF_INET;
        return true;
    }
    out->in6.sin6_family = AF_INET6;
    return inet_pton(AF_INET6, text, &out->in6.sin6_addr) == 1;
}

static const char *add_range(struct sources *s, const union io_address *first,
                             const union io_address *last)
{
    if (first->any.sa_family != AF_INET || last->any.sa_family != AF_INET)
        return "a range FIRST-LAST is for IPv4";
    const uint32_t from = ntohl(first->in.sin_addr.s_addr), to = ntohl(last->in.sin_addr.s_addr);
    if (from > to)
        return "a range ends before it begins";
    for (uint64_t host = from; host <= to; host++) {
        const char *why = add(s, v4_address((uint32_t)host));
        if (why)
            return why;
    }
    return NULL;
}

static const char *take_element(struct sources *s, const char **list)
{
    union io_address first, last;
    if (!take_address(list, &first, ",-"))
        return "not an address";
    if (**list != '-')
        return add(s, first);
    (*list)++;
    return take_address(list, &last, ",") ? add_range(s, &first, &last) : "not an address";
}

const char *sources_parse(struct sources *s, const char *list)
{
    const char *why = NULL;
    *s = (struct sources){0};
    do {
        why = take_element(s, &list);
    } while (!why && *list++ == ',');
    if (why)
        sources_fini(s);
    return why;
}

void sources_fini(struct sources *s)
{
    alloc_free(s->at);
    *s = (struct sources){0};
}
