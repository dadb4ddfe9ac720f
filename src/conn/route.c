/* A table of the paths that exist, and what each does. */
#include "conn/route.h"

#include "conn/answer.h"
#include "conn/echo.h"
#include "conn/finish.h"
#include "conn/inbound.h"
#include "conn/metrics.h"
#include "conn/peer.h"
#include "conn/publish.h"
#include "conn/reactor.h"
#include "conn/stream.h"
#include "conn/subscribe.h"
#include "conn/tab.h"
#include "http/page.h"
#include "http/target.h"
#include "ws/ws.h"

#include <stdio.h>

typedef void route_fn(struct reactor *r, struct conn *c, const struct http_request *q,
                      struct bytes head);
typedef void route_body_fn(struct reactor *r, struct conn *c);

static ON_REACTOR route_fn page, page_or_echo, healthz, readyz, metrics, topics_path, topic_path;
static ON_REACTOR route_body_fn topics_body, topic_body;

struct route {
    const char *path; /* ends in '/': a prefix */
    const char *methods;
    uint32_t allowed; /* bits by enum http_method */
    route_fn *run;
    route_body_fn *body; /* of those that ask for one */
};

#define METHOD(m) (1u << (m))
enum { READ_METHODS = METHOD(HTTP_GET) | METHOD(HTTP_HEAD) };

static const struct route routes[] = {
    {"/", "GET, HEAD, OPTIONS", READ_METHODS, page, NULL},
    {"/healthz", "GET, HEAD, OPTIONS", READ_METHODS, healthz, NULL},
    {"/readyz", "GET, HEAD, OPTIONS", READ_METHODS, readyz, NULL},
    {"/metrics", "GET, HEAD, OPTIONS", READ_METHODS, metrics, NULL},
    {"/t", "GET, HEAD, POST, OPTIONS", READ_METHODS | METHOD(HTTP_POST), topics_path, topics_body},
    {"/tab/", "GET, HEAD, DELETE, OPTIONS", READ_METHODS | METHOD(HTTP_DELETE), tab_request, NULL},
    {"/t/", "GET, HEAD, POST, OPTIONS", READ_METHODS | METHOD(HTTP_POST), topic_path, topic_body},
};
enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

/* With an admin token, topics can be finished. */
static const struct route admin_topic_route = {
    "/t/", "GET, HEAD, POST, DELETE, OPTIONS",
    READ_METHODS | METHOD(HTTP_POST) | METHOD(HTTP_DELETE), topic_path, topic_body};

/* For load tests, where the server is one's target. */
static const struct route target_routes[] = {
    {"/echo", "GET, POST, OPTIONS", METHOD(HTTP_GET) | METHOD(HTTP_POST), echo_request, echo_body},
    {"/headers", "GET, HEAD, OPTIONS", READ_METHODS, echo_headers, NULL},
};
enum { TARGET_ROUTES = sizeof(target_routes) / sizeof(target_routes[0]) };

/* Probes of HTTP servers POST to the root, and expect what they sent. */
static const struct route target_root = {"/", "GET, HEAD, POST, OPTIONS",
                                         READ_METHODS | METHOD(HTTP_POST), page_or_echo, echo_body};

/* --- small resources -------------------------------------------------------------------------- */

static ON_REACTOR void page(struct reactor *r, struct conn *c, const struct http_request *q,
                            struct bytes head)
{
    (void)head;
    char headers[1024];
    snprintf(headers, sizeof(headers),
             "Content-Security-Policy: %s\r\nX-Content-Type-Options: nosniff\r\n"
             "Referrer-Policy: no-referrer\r\nCache-Control: no-cache\r\nVary: Accept\r\n",
             http_page_csp);
    const struct answer a = {.status = 200,
                             .content_type = "text/html; charset=utf-8",
                             .body = {http_page_bytes, http_page_len},
                             .headers = headers};
    answer_send(r, c, q, &a);
}

static ON_REACTOR void page_or_echo(struct reactor *r, struct conn *c, const struct http_request *q,
                                    struct bytes head)
{
    if (q->method == HTTP_POST)
        echo_request(r, c, q, head);
    else
        page(r, c, q, head);
}

static ON_REACTOR void plain(struct reactor *r, struct conn *c, const struct http_request *q,
                             unsigned status, const char *text)
{
    const struct answer a = {.status = status,
                             .content_type = "text/plain; charset=utf-8",
                             .body = bytes_from(text),
                             .headers = status == 503 ? "Cache-Control: no-store\r\n"
                                                        "Retry-After: 1\r\n"
                                                      : "Cache-Control: no-store\r\n"};
    answer_send(r, c, q, &a);
}

static ON_REACTOR void healthz(struct reactor *r, struct conn *c, const struct http_request *q,
                               struct bytes head)
{
    (void)head;
    plain(r, c, q, 200, "ok\n");
}

static ON_REACTOR void readyz(struct reactor *r, struct conn *c, const struct http_request *q,
                              struct bytes head)
{
    (void)head;
    const struct broker *b = r->broker;
    if (broker_is_draining(b))
        plain(r, c, q, 503, "draining\n");
    else if (atomic_load_explicit(&b->conn_count, memory_order_relaxed) >=
             b->settings.conn_count_max)
        plain(r, c, q, 503, "full\n");
    else
        plain(r, c, q, 200, "ok\n");
}

static ON_REACTOR void metrics(struct reactor *r, struct conn *c, const struct http_request *q,
                               struct bytes head)
{
    (void)head;
    struct text out = {0};
    metrics_add(&out, r->broker);
    const struct answer a = {.status = out.failed ? 503 : 200,
                             .content_type = "text/plain; version=0.0.4; charset=utf-8",
                             .body = text_bytes(&out),
                             .headers = "Cache-Control: no-store\r\n"};
    answer_send(r, c, q, &a);
    text_fini(&out);
}

/* --- /t and /t/TOPIC -------------------------------------------------------------------------- */

static ON_REACTOR void subscribe(struct reactor *r, struct conn *c, const struct http_request *q,
                                 struct bytes head, struct bytes topic)
{
    if (subscribe_is_for_people(q))
        page(r, c, q, head);
    else
        subscribe_request(r, c, q, head, topic);
}

static ON_REACTOR void topics_path(struct reactor *r, struct conn *c, const struct http_request *q,
                                   struct bytes head)
{
    if (q->method == HTTP_POST)
        subscribe_post(r, c, q, head);
    else
        subscribe(r, c, q, head, (struct bytes){0});
}

static bool is_subscription(const struct http_request *q)
{
    return q->method == HTTP_GET || q->method == HTTP_HEAD;
}

/* Patterns are for subscriptions only. */
static const char *path_problem(const struct http_request *q, struct bytes topic)
{
    return is_subscription(q) ? topic_filter_problem(topic) : topic_name_problem(topic);
}

static ON_REACTOR void topic_path(struct reactor *r, struct conn *c, const struct http_request *q,
                                  struct bytes head)
{
    uint8_t name[TOPIC_MAX];
    const struct bytes raw = bytes_skip(q->path, sizeof("/t/") - 1);
    const int len = http_percent_decode(raw, false, name, sizeof(name));
    const struct bytes topic = {name, len < 0 ? 0 : (size_t)len};
    const char *problem = len < 0 ? "a topic is at most 255 bytes, and %XX are two hex digits"
                                  : path_problem(q, topic);
    if (problem) {
        if (q->method == HTTP_POST)
            stat_add(&r->stats.rejected[REJECTED_bad_topic], 1);
        answer_error(r, c, q, 400, "bad_topic", problem);
    } else if (q->method == HTTP_POST) {
        publish_request(r, c, q, topic, head);
    } else if (q->method == HTTP_DELETE) {
        finish_request(r, c, q, head);
    } else {
        subscribe(r, c, q, head, topic);
    }
}

static ON_REACTOR void refuse(struct reactor *r, struct conn *c, const struct http_request *q,
                              enum refused reason)
{
    stat_add(&r->stats.refused[reason], 1);
    peer_will_end(r, c, reason == REFUSED_draining ? WS_CLOSE_GOING_AWAY : WS_CLOSE_TRY_LATER, "");
    if (q && q->method == HTTP_GET && http_request_accepts(q, "text/event-stream")) {
        stream_refuse(r, c, q);
        return;
    }
    const struct answer a = {.status = 503,
                             .headers = "Retry-After: 1\r\nCache-Control: no-store\r\n"};
    struct http_request last;
    if (q) {
        last = *q;
        last.keep_alive = false; /* its place is for the next one */
        q = &last;
    }
    answer_error_with(r, c, q, &a, reason == REFUSED_full ? "full" : "draining",
                      reason == REFUSED_full ? "the server has all the connections it can hold"
                                             : "the server is going away, try again");
}

static ON_REACTOR void topics_body(struct reactor *r, struct conn *c)
{
    if (broker_is_draining(r->broker))
        refuse(r, c, c->inbound->request, REFUSED_draining); /* it came with the last byte */
    else
        subscribe_body(r, c);
}

static ON_REACTOR void topic_body(struct reactor *r, struct conn *c)
{
    if (c->inbound->request->method == HTTP_DELETE)
        finish_body(r, c);
    else
        publish_body(r, c);
}

ON_REACTOR void route_body_too_large(struct reactor *r, struct conn *c,
                                     const struct http_request *q)
{
    struct http_request last = *q;
    if (q->method == HTTP_POST && bytes_start_with(q->path, BYTES_LITERAL("/t/"))) {
        publish_too_large(r, c, q);
        return;
    }
    last.keep_alive = false; /* the framing of the rest is lost on purpose */
    answer_error(r, c, &last, 413, "too_large", "the body is too long for this request");
}

/* --- finding it ------------------------------------------------------------------------------- */

static bool route_matches(const struct route *route, struct bytes path)
{
    const struct bytes own = bytes_from(route->path);
    const bool prefix = own.len > 1 && own.at[own.len - 1] == '/';
    return prefix ? bytes_start_with(path, own) : bytes_equal(path, own);
}

static const struct route *find_in(const struct route *some, int count, struct bytes path)
{
    for (int i = 0; i < count; i++)
        if (route_matches(&some[i], path))
            return &some[i];
    return NULL;
}

static ON_REACTOR const struct route *find(const struct reactor *r, struct bytes path)
{
    if (r->broker->settings.admin_token.at && route_matches(&admin_topic_route, path))
        return &admin_topic_route;
    if (r->broker->settings.is_target && route_matches(&target_root, path))
        return &target_root;
    const struct route *route = find_in(routes, ROUTES, path);
    if (!route && r->broker->settings.is_target)
        route = find_in(target_routes, TARGET_ROUTES, path);
    return route;
}

ON_REACTOR void route_body(struct reactor *r, struct conn *c)
{
    find(r, c->inbound->request->path)->body(r, c);
}

static ON_REACTOR void preflight(struct reactor *r, struct conn *c, const struct http_request *q,
                                 const char *methods)
{
    struct text headers = {0};
    text_printf(&headers, "Allow: %s\r\n", methods);
    if (http_request_field(q, "access-control-request-method").at &&
        http_origin_check(q, &r->broker->settings.origins) == HTTP_ORIGIN_ALLOWED)
        http_origin_add_preflight(&headers, methods);
    text_add_byte(&headers, '\0');
    const struct answer a = {.status = headers.failed ? 503 : 204,
                             .headers = headers.failed ? NULL : (const char *)headers.at};
    answer_send(r, c, q, &a);
    text_fini(&headers);
}

static ON_REACTOR void wrong_method(struct reactor *r, struct conn *c, const struct http_request *q,
                                    const char *methods)
{
    char headers[128];
    snprintf(headers, sizeof(headers), "Allow: %s\r\n", methods);
    const struct answer a = {.status = 405, .headers = headers};
    answer_error_with(r, c, q, &a, "method_not_allowed",
                      "this method is not served here; see Allow");
}

static ON_REACTOR void not_found(struct reactor *r, struct conn *c, const struct http_request *q)
{
    char message[128];
    uint8_t decoded[HTTP_TARGET_MAX];
    if (http_percent_decode(q->path, false, decoded, sizeof(decoded)) < 0) {
        answer_error(r, c, q, 400, "bad_request", "the path has a % that is no escape");
        return;
    }
    snprintf(message, sizeof(message),
             "these paths exist: /, /t, /t/TOPIC, /tab/KEY%s, /healthz, /readyz, /metrics",
             r->broker->settings.is_target ? ", /echo, /headers" : "");
    answer_error(r, c, q, 404, "not_found", message);
}

/* A full or leaving server still says how it is: a 503 from healthz would have it killed. */
static bool is_probe(const struct route *route)
{
    return route->run == healthz || route->run == readyz || route->run == metrics;
}

ON_REACTOR void route_request(struct reactor *r, struct conn *c, const struct http_request *q,
                              struct bytes head)
{
    const struct route *route = find(r, q->path);
    struct http_request last;
    if (conn_has(c, CONN_REFUSED)) {
        last = *q;
        last.keep_alive = false; /* its place is for the next one */
        q = &last;
    }
    const bool is_refused = conn_has(c, CONN_REFUSED) && !(route && is_probe(route));
    if (is_refused && q->method != HTTP_OPTIONS) /* a preflight's page gets to read the 503 */
        refuse(r, c, q, REFUSED_full);
    else if (q->method == HTTP_OTHER)
        answer_error(r, c, q, 501, "not_implemented", "this method is not known here");
    else if (q->method == HTTP_OPTIONS && (route || bytes_equal(q->path, BYTES_LITERAL("*"))))
        preflight(r, c, q, route ? route->methods : "GET, HEAD, POST, OPTIONS");
    else if (!route)
        not_found(r, c, q);
    else if (!(route->allowed & METHOD(q->method)))
        wrong_method(r, c, q, route->methods);
    else if (broker_is_draining(r->broker) && !is_probe(route))
        refuse(r, c, q, REFUSED_draining);
    else
        route->run(r, c, q, head);
}

ON_REACTOR void route_refuse_silent(struct reactor *r, struct conn *c)
{
    refuse(r, c, NULL, REFUSED_full);
}

const char *route_error_name(unsigned status)
{
    switch (status) {
    case 414:
        return "target_too_long";
    case 417:
        return "expectation_failed";
    case 431:
        return "head_too_large";
    case 501:
        return "not_implemented";
    case 505:
        return "version_not_supported";
    default:
        return "bad_request";
    }
}
