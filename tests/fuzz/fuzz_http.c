/* Requests as a peer may send them: the head, then the body, and what the target says.
 * Wherever the bytes are cut, the verdict and the decoded body are the same. */
#include "exact.h"
#include "http/body.h"
#include "http/origin.h"
#include "http/request.h"
#include "http/target.h"

struct verdict {
    enum http_parse result;
    size_t head_len;
    unsigned status;
    const char *why;
};

struct decoded {
    enum http_body_step end;
    size_t used;
    uint64_t len, hash; /* of the content */
};

static struct verdict parse(struct http_request *r, struct bytes in, size_t *scanned)
{
    struct verdict v = {0};
    v.result = http_request_parse(r, in, scanned, &v.head_len, &v.status, &v.why);
    return v;
}

static bool verdict_equal(const struct verdict *a, const struct verdict *b)
{
    return a->result == b->result && a->head_len == b->head_len && a->status == b->status &&
           a->why == b->why;
}

/* All slices of r lie in the head (or are absent). */
static void check_inside(struct bytes slice, struct bytes head)
{
    if (!slice.at) {
        ASSERT(slice.len == 0);
        return;
    }
    ASSERT(slice.at >= head.at);
    ASSERT(slice.at + slice.len <= head.at + head.len);
}

static void check_request(const struct http_request *r, struct bytes head)
{
    check_inside(r->method_name, head);
    check_inside(r->target, head);
    check_inside(r->path, head);
    check_inside(r->query, head);
    check_inside(r->host, head);
    ASSERT(r->path.len > 0);
    ASSERT(r->minor == 0 || r->host.at);
    ASSERT(r->field_count <= HTTP_FIELDS_MAX);
    for (uint32_t i = 0; i < r->field_count; i++) {
        check_inside(r->fields[i].name, head);
        check_inside(r->fields[i].value, head);
    }
}

/* Feeds growing prefixes, `step` bytes at a time. */
static struct verdict parse_stepwise(struct http_request *r, struct bytes in, size_t step)
{
    struct verdict v = {.result = HTTP_PARSE_MORE};
    size_t scanned = 0;

    for (size_t len = 0; v.result == HTTP_PARSE_MORE; len += step) {
        memset(r, 0xa5, offsetof(struct http_request, fields)); /* keeps nothing between calls */
        v = parse(r, (struct bytes){in.at, len < in.len ? len : in.len}, &scanned);
        if (len >= in.len)
            break;
    }
    return v;
}

static void decode_piece(struct http_body *b, struct decoded *d, struct bytes piece)
{
    const size_t before = piece.len;
    struct bytes slice = {0};

    while ((d->end = http_body_next(b, &piece, &slice)) == HTTP_BODY_DATA) {
        ASSERT(slice.len > 0);
        for (size_t i = 0; i < slice.len; i++)
            d->hash = (d->hash ^ slice.at[i]) * 0x100000001b3;
        d->len += slice.len;
    }
    ASSERT(d->end != HTTP_BODY_MORE || piece.len == 0);
    d->used += before - piece.len;
}

static struct decoded decode_stepwise(const struct http_request *r, struct bytes in, size_t step)
{
    struct decoded d = {.end = HTTP_BODY_MORE};
    struct http_body b;

    http_body_init(&b, r);
    decode_piece(&b, &d, (struct bytes){in.at, 0});
    for (size_t at = 0; at < in.len && d.end == HTTP_BODY_MORE; at += step)
        decode_piece(&b, &d, (struct bytes){in.at + at, in.len - at < step ? in.len - at : step});
    return d;
}

static void check_body(const struct http_request *r, struct bytes body, size_t step)
{
    const struct decoded whole = decode_stepwise(r, body, body.len + 1);
    const size_t steps[] = {1, step};

    ASSERT(whole.used <= body.len);
    ASSERT(r->chunked || whole.len <= r->content_length);
    for (size_t i = 0; i < 2; i++) {
        const struct decoded cut = decode_stepwise(r, body, steps[i]);
        ASSERT(cut.end == whole.end);
        ASSERT(cut.used == whole.used);
        ASSERT(cut.len == whole.len);
        ASSERT(cut.hash == whole.hash);
    }
}

/* What the target says, within bounds that are too small for some. */
static void check_target(const struct http_request *r)
{
    const char *const names[] = {"topic", "after", "wait", ""};
    uint8_t out[32];

    const int topic_len = http_percent_decode(r->path, false, out, sizeof(out));
    ASSERT(topic_len >= -1);
    ASSERT(topic_len <= (int)sizeof(out));
    if (topic_len >= 0)
        (void)topic_name_problem((struct bytes){out, (size_t)topic_len});
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const size_t room = sizeof(out) >> i;
        const int len = http_query_get(r->query, names[i], out, room);
        ASSERT(len >= -2);
        ASSERT(len <= (int)room);
    }
}

static void check_meaning(const struct http_request *r)
{
    const char *const allowed[] = {"https://app.example", NULL};
    const struct http_origins origins = {allowed};
    struct text headers = {0};

    http_origin_add_headers(&headers, r, http_origin_check(r, &origins));
    text_fini(&headers);
    (void)http_request_accepts(r, "text/event-stream");
    (void)http_request_has_token(r, "connection", "upgrade");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_request r, other; /* large; nothing in them is kept */
    const struct bytes in = exact_copy((struct bytes){data, size});
    /* Steps that move with the input, so that the fuzzer reaches every cut. */
    const size_t step = 2 + (size > 0 ? data[size - 1] % 61 : 0);
    size_t scanned = 0;

    const struct verdict stepped = parse_stepwise(&r, in, step);
    const struct verdict bytewise = parse_stepwise(&other, in, 1);
    const struct verdict whole = parse(&r, in, &scanned);
    ASSERT(verdict_equal(&whole, &stepped));
    ASSERT(verdict_equal(&whole, &bytewise));
    if (whole.result == HTTP_PARSE_BAD)
        ASSERT(whole.status >= 400 && whole.why);
    if (whole.result == HTTP_PARSE_DONE) {
        ASSERT(whole.head_len <= HTTP_HEAD_MAX);
        ASSERT(memcmp(&r, &other, offsetof(struct http_request, fields)) == 0);
        check_request(&r, (struct bytes){in.at, whole.head_len});
        check_target(&r);
        check_meaning(&r);
        check_body(&r, bytes_skip(in, whole.head_len), step);
    }
    exact_free(in);
    return 0;
}
