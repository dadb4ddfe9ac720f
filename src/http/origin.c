/* Which web pages may talk to us, and what browsers have to be told about it.
 * Tokens are checked elsewhere: an origin says who wrote the page, not who looks at it. */
#include "http/origin.h"

#include "http/http_internal.h"

struct origin {
    struct http_host host;
    struct bytes default_port;
};

/* scheme "://" host [":" port] of a page; only those of the web can be our own. */
static bool origin_parse(struct bytes value, struct origin *origin)
{
    static const struct {
        const char *prefix, *port;
    } schemes[] = {{"http://", "80"}, {"https://", "443"}};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        const struct bytes prefix = bytes_from(schemes[i].prefix);
        if (value.len < prefix.len ||
            !bytes_equal_nocase((struct bytes){value.at, prefix.len}, prefix))
            continue;
        origin->default_port = bytes_from(schemes[i].port);
        return http_host_parse(bytes_skip(value, prefix.len), &origin->host);
    }
    return false;
}

static struct bytes port_of(const struct http_host *host, struct bytes default_port)
{
    return host->port.len > 0 ? host->port : default_port;
}

/* Behind a proxy that ends TLS the request does not know its own scheme: the origin's decides
 * which port is the default on both sides. */
static bool is_own_host(struct bytes value, struct bytes own)
{
    struct origin origin;
    struct http_host host;

    if (!origin_parse(value, &origin) || !http_host_parse(own, &host))
        return false;
    return bytes_equal_nocase(origin.host.name, host.name) &&
           bytes_equal(port_of(&origin.host, origin.default_port),
                       port_of(&host, origin.default_port));
}

static bool is_listed(struct bytes value, const char *const *allowed)
{
    for (; allowed && *allowed; allowed++)
        if (bytes_equal_nocase(value, bytes_from(*allowed)))
            return true;
    return false;
}

enum http_origin http_origin_check(const struct http_request *r, const struct http_origins *o)
{
    const unsigned count = http_request_field_count(r, "origin");
    const struct bytes value = http_request_field(r, "origin");

    if (count == 0)
        return HTTP_ORIGIN_NONE;
    /* Sandboxed frames and local files all call themselves null: listing it would let in everybody.
     */
    if (count > 1 || bytes_equal_nocase(value, BYTES_LITERAL("null")))
        return HTTP_ORIGIN_FOREIGN;
    if (is_own_host(value, r->host))
        return HTTP_ORIGIN_SAME;
    return is_listed(value, o->allowed) ? HTTP_ORIGIN_ALLOWED : HTTP_ORIGIN_FOREIGN;
}

void http_origin_add_headers(struct text *out, const struct http_request *r, enum http_origin o)
{
    if (o == HTTP_ORIGIN_ALLOWED) {
        text_add_str(out, "Access-Control-Allow-Origin: ");
        text_add(out, http_request_field(r, "origin"));
        text_add_str(out, "\r\nAccess-Control-Allow-Credentials: true\r\n"
                          "Access-Control-Expose-Headers: Uproar-Cursor, ETag, Retry-After\r\n");
    }
    text_add_str(out, "Vary: Origin\r\n");
}

void http_origin_add_preflight(struct text *out, const char *methods)
{
    text_add_str(out, "Access-Control-Allow-Methods: ");
    text_add_str(out, methods);
    text_add_str(out, "\r\nAccess-Control-Allow-Headers: Authorization, Content-Type, "
                      "Last-Event-ID\r\nAccess-Control-Max-Age: 86400\r\n");
}
