/* URLs of targets (RFC 3986, as far as a load generator meets it). What it cannot speak to it says
 * in words: TLS, user names, fragments. */
#include "load/url.h"

#include <stdio.h>

enum { PORT_DEFAULT = 80 };

#define NUMBER BYTES_LITERAL("{n}")

static bool take_prefix(struct bytes *in, const char *prefix)
{
    const struct bytes wanted = bytes_from(prefix);
    if (in->len < wanted.len || !bytes_equal_nocase((struct bytes){in->at, wanted.len}, wanted))
        return false;
    *in = bytes_skip(*in, wanted.len);
    return true;
}

static const char *take_scheme(struct bytes *in, struct url *out)
{
    if (take_prefix(in, "wss://") || take_prefix(in, "https://"))
        return "TLS is not spoken here: give the port behind it, ws:// or http://";
    if (take_prefix(in, "ws://"))
        out->scheme = URL_WS;
    else if (take_prefix(in, "http://"))
        out->scheme = URL_HTTP;
    else
        return "must begin with ws:// or http://";
    return NULL;
}

static size_t length_until(struct bytes in, const char *stops)
{
    size_t len = 0;
    while (len < in.len && !strchr(stops, in.at[len]))
        len++;
    return len;
}

static const char *take_host(struct bytes *in, struct url *out)
{
    out->host_is_v6 = in->len > 0 && in->at[0] == '[';
    if (out->host_is_v6)
        *in = bytes_skip(*in, 1);
    out->host = (struct bytes){in->at, length_until(*in, out->host_is_v6 ? "]" : ":/?#")};
    *in = bytes_skip(*in, out->host.len);
    if (out->host_is_v6) {
        if (in->len == 0)
            return "the bracket of the IPv6 address is not closed";
        *in = bytes_skip(*in, 1);
    }
    if (memchr(out->host.at, '@', out->host.len))
        return "user names in a URL are not sent";
    if (out->host.len == 0)
        return "there is no host in it";
    return out->host.len > URL_HOST_MAX ? "the host name is too long" : NULL;
}

static const char *take_port(struct bytes *in, struct url *out)
{
    uint32_t port = 0;
    out->port = PORT_DEFAULT;
    if (in->len == 0 || in->at[0] != ':')
        return NULL;
    *in = bytes_skip(*in, 1);
    const size_t len = length_until(*in, "/?#");
    for (size_t i = 0; i < len; i++) {
        if (in->at[i] < '0' || in->at[i] > '9' || port > UINT16_MAX)
            return "the port is not a number";
        port = port * 10 + (uint32_t)(in->at[i] - '0');
    }
    if (port == 0 || port > UINT16_MAX)
        return "the port must be 1 to 65535";
    *in = bytes_skip(*in, len);
    out->port = (uint16_t)port;
    return NULL;
}

static const char *target_fault(struct bytes target)
{
    if (target.len > URL_TARGET_MAX)
        return "the path is too long";
    if (target.at[0] != '/')
        return "a path begins with /";
    for (size_t i = 0; i < target.len; i++) {
        if (target.at[i] <= ' ' || target.at[i] >= 0x7f)
            return "blanks and other than ASCII must be percent-encoded";
        if (target.at[i] == '#')
            return "a fragment is never sent to a server";
    }
    return NULL;
}

const char *url_parse(const char *text, struct url *out)
{
    struct bytes in = bytes_from(text);
    const char *why = take_scheme(&in, out);
    if (!why)
        why = take_host(&in, out);
    if (!why)
        why = take_port(&in, out);
    if (why)
        return why;
    out->target = in.len > 0 ? in : BYTES_LITERAL("/");
    return target_fault(out->target);
}

void url_add_authority(struct text *out, const struct url *url)
{
    const int len = (int)url->host.len;
    text_printf(out, url->host_is_v6 ? "[%.*s]" : "%.*s", len, (const char *)url->host.at);
    if (url->port != PORT_DEFAULT)
        text_printf(out, ":%u", url->port);
}

void url_add_target(struct text *out, const struct url *url, uint32_t number)
{
    struct bytes left = url->target;
    while (left.len > 0) {
        if (bytes_start_with(left, NUMBER)) {
            text_printf(out, "%u", number);
            left = bytes_skip(left, NUMBER.len);
        } else {
            text_add_byte(out, left.at[0]);
            left = bytes_skip(left, 1);
        }
    }
}

bool url_has_number(const struct url *url)
{
    for (struct bytes left = url->target; left.len > 0; left = bytes_skip(left, 1))
        if (bytes_start_with(left, NUMBER))
            return true;
    return false;
}

struct bytes url_path(const struct url *url)
{
    return (struct bytes){url->target.at, length_until(url->target, "?")};
}
