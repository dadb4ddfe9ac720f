/* Checks made once per request, before anything is read or published. Tokens are never logged. */
#include "conn/access.h"

#include "base/text.h"
#include "conn/answer.h"
#include "conn/reactor.h"
#include "http/target.h"

enum { TOKEN_MAX = 512, ORIGIN_SHOWN_MAX = 128 };

/* Foreign text in a log line: cut, and without control characters. */
static struct bytes shown(struct bytes origin)
{
    return origin.len > ORIGIN_SHOWN_MAX ? (struct bytes){origin.at, ORIGIN_SHOWN_MAX} : origin;
}

ON_REACTOR bool access_origin(struct reactor *r, struct conn *c, const struct http_request *q)
{
    if (http_origin_check(q, &r->broker->settings.origins) != HTTP_ORIGIN_FOREIGN)
        return true;
    const struct bytes origin = shown(http_request_field(q, "origin"));
    stat_add(&r->stats.refused[REFUSED_origin], 1);
    logline_limited(&r->broker->sink, &r->broker->causes.origin, LOGLINE_WARNING,
                    "refused a page of origin %.*s: --allow-origin %.*s would allow it",
                    (int)origin.len, (const char *)origin.at, (int)origin.len,
                    (const char *)origin.at);
    answer_error(r, c, q, 403, "foreign_origin",
                 "pages of this origin may not use this server; see --allow-origin");
    return false;
}

/* Takes as long for a wrong token as for a right one of the same length. */
static bool same_secret(struct bytes a, struct bytes b)
{
    uint8_t difference = 0;
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        difference |= a.at[i] ^ b.at[i];
    return difference == 0;
}

static struct bytes bearer(const struct http_request *q)
{
    static const struct bytes scheme = {(const uint8_t *)"bearer ", 7};
    const struct bytes value = http_request_field(q, "authorization");
    if (value.len <= scheme.len ||
        !bytes_equal_nocase((struct bytes){value.at, scheme.len}, scheme))
        return (struct bytes){0};
    return bytes_skip(value, scheme.len);
}

bool access_has_token(const struct http_request *q, struct bytes token)
{
    if (!token.at)
        return true;
    const struct bytes sent = bearer(q);
    if (sent.at)
        return same_secret(sent, token);
    uint8_t decoded[TOKEN_MAX];
    const int len = http_query_get(q->query, "token", decoded, sizeof(decoded));
    return len >= 0 && same_secret((struct bytes){decoded, (size_t)len}, token);
}

ON_REACTOR bool access_token(struct reactor *r, struct conn *c, const struct http_request *q,
                             struct bytes token)
{
    if (access_has_token(q, token))
        return true;
    stat_add(&r->stats.refused[REFUSED_token], 1);
    const struct answer a = {.status = 401,
                             .headers = "WWW-Authenticate: Bearer\r\nCache-Control: no-store\r\n"};
    answer_error_with(r, c, q, &a, "unauthorized",
                      "a token is needed: Authorization: Bearer TOKEN, or ?token=TOKEN");
    return false;
}
