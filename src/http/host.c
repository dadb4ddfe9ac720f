/* The host of a request or an origin: is it one, and where does its port start (RFC 3986, 3.2.2).
 * Neither resolves nor normalises names. */
#include "http/http_internal.h"

enum { PORT_DIGITS_MAX = 5 };

/* unreserved or sub-delims; '%' only as an escape. */
static bool is_reg_name(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        const uint8_t c = name.at[i];
        if (http_is_alnum(c) || memchr("-._~!$&'()*+,;=", c, 15))
            continue;
        const bool escape = c == '%' && name.len - i > 2 && http_hex_digit(name.at[i + 1]) >= 0 &&
                            http_hex_digit(name.at[i + 2]) >= 0;
        if (!escape)
            return false;
        i += 2;
    }
    return name.len > 0;
}

/* "[" address "]": only the characters are checked, nobody connects to it. */
static bool is_ip_literal(struct bytes name)
{
    if (name.len < 4 || name.at[0] != '[' || name.at[name.len - 1] != ']')
        return false;
    for (size_t i = 1; i < name.len - 1; i++)
        if (http_hex_digit(name.at[i]) < 0 && name.at[i] != ':' && name.at[i] != '.')
            return false;
    return true;
}

static bool is_port(struct bytes port)
{
    for (size_t i = 0; i < port.len; i++)
        if (!http_is_digit(port.at[i]))
            return false;
    return port.len <= PORT_DIGITS_MAX;
}

/* Where the host ends: its ":port" or the end. The colons of an IPv6 address are in brackets. */
static size_t name_len(struct bytes text)
{
    const uint8_t *bracket =
        text.len > 0 && text.at[0] == '[' ? memchr(text.at, ']', text.len) : NULL;
    size_t from = bracket ? (size_t)(bracket - text.at) : 0;
    while (from < text.len && text.at[from] != ':')
        from++;
    return from;
}

bool http_host_parse(struct bytes text, struct http_host *host)
{
    const size_t len = name_len(text);

    *host = (struct http_host){.name = {text.at, len}};
    if (len < text.len)
        host->port = bytes_skip(text, len + 1);
    return (is_reg_name(host->name) || is_ip_literal(host->name)) && is_port(host->port);
}
