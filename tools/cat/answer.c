/* Heads by load/response.h, bodies by http/body.h, errors as the server words them. */
#include "cat/answer.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static bool fail(struct wire *w, const char *why)
{
    snprintf(w->why, sizeof(w->why), "%s", why);
    return false;
}

static bool receive(struct wire *w)
{
    switch (wire_receive(w, ANSWER_PATIENCE_MS)) {
    case WIRE_DATA:
        return true;
    case WIRE_END:
        return fail(w, "the server ended the connection");
    case WIRE_SILENT:
        return fail(w, "the server does not answer");
    case WIRE_LOST:
        break;
    }
    return false;
}

bool answer_head(struct wire *w, struct response *out, size_t *head_len)
{
    for (;;) {
        const struct bytes in = span_bytes(wire_unread(w));
        const enum response_parse parsed =
            in.len > 0 ? response_parse(in, out, head_len) : RESPONSE_MORE;
        if (parsed == RESPONSE_DONE)
            return true;
        if (parsed == RESPONSE_BAD)
            return fail(w, "this is no HTTP server");
        if (!receive(w))
            return false;
    }
}

static void take_message(struct answer *a)
{
    const struct bytes body = text_bytes(&a->body);
    json_t *root = json_loadb((const char *)body.at, body.len, 0, NULL);
    const char *message = json_string_value(json_object_get(root, "message"));
    snprintf(a->message, sizeof(a->message), "%s", message ? message : "");
    for (char *c = a->message; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    json_decref(root);
}

static uint64_t retry_after_ms(const struct response *r)
{
    const struct bytes field = response_field(r, "retry-after");
    uint64_t seconds = 0;
    for (size_t i = 0; i < field.len && i < 5 && field.at[i] >= '0' && field.at[i] <= '9'; i++)
        seconds = seconds * 10 + (uint64_t)(field.at[i] - '0');
    return seconds * 1000;
}

/* Appends what is unread of it. False: it is whole, or can be no more. */
static bool take_body(struct wire *w, struct http_body *framing, bool framed, struct text *body,
                      bool *bad)
{
    struct bytes in = span_bytes(wire_unread(w)), slice;
    const size_t before = in.len;
    enum http_body_step step = HTTP_BODY_MORE;
    if (!framed) {
        text_add(body, in);
        in.len = 0;
    }
    while (framed && (step = http_body_next(framing, &in, &slice)) == HTTP_BODY_DATA)
        text_add(body, slice);
    wire_take(w, before - in.len);
    *bad = step == HTTP_BODY_BAD || body->failed || body->len > ANSWER_BODY_MAX;
    return step != HTTP_BODY_DONE && !*bad;
}

bool answer_read(struct wire *w, struct answer *out)
{
    struct response head;
    struct http_body framing;
    size_t head_len;
    bool bad;
    *out = (struct answer){0};
    if (!answer_head(w, &head, &head_len))
        return false;
    out->status = head.status;
    out->closes = head.closes;
    out->retry_after_ms = retry_after_ms(&head);
    const bool bodiless = head.status == 204 || head.status == 304 || head.status < 200;
    const bool framed = response_body_init(&head, &framing);
    wire_take(w, head_len); /* `head` is gone with the next receive */
    while (!bodiless && take_body(w, &framing, framed, &out->body, &bad)) {
        const enum wire_event event = wire_receive(w, ANSWER_PATIENCE_MS);
        if (event == WIRE_END && !framed)
            break;
        if (event != WIRE_DATA)
            return fail(w, "the answer broke off");
    }
    if (!bodiless && bad)
        return fail(w, "an answer that cannot be read");
    out->closes = out->closes || !framed;
    take_message(out);
    return true;
}

void answer_fini(struct answer *a)
{
    text_fini(&a->body);
}

bool answer_is_later(unsigned status)
{
    return status == 429 || status == 500 || (status >= 502 && status <= 504);
}
