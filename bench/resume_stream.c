/* Is what comes exactly what must come? Numbers of a peer's topics, each larger than the one
 * before: with the right count of them it has all, each once, in order. Everything else is a fault.
 */
#include "resume.h"

#include "lib/head.h"
#include "lib/net.h"

#include <stdio.h>

static bool message_fail(struct resume_peer *p, const char *why, struct bytes what)
{
    char text[400];
    snprintf(text, sizeof(text), "%s: %.*s", why, (int)(what.len < 300 ? what.len : 300),
             (const char *)what.at);
    resume_fail(p, text);
    return false;
}

static bool message_take(struct resume_peer *p, uint64_t number, struct bytes payload)
{
    const struct past *past = p->all->past;
    if (number >= past->count || !past_is_payload(payload, (uint32_t)number))
        return message_fail(p, "not what was published", payload);
    if (!topics_have(p->topics, past->topic_of[number]))
        return message_fail(p, "not of its topics", payload);
    if (number < p->next)
        return message_fail(p, number < p->from ? "before its cursor" : "twice, or out of order",
                            payload);
    if (p->received == p->expected)
        return message_fail(p, "one too many", payload);
    p->next = (uint32_t)number + 1;
    p->received++;
    return true;
}

/* --- reading text ----------------------------------------------------------------------------- */

static bool skip(struct bytes *in, struct bytes prefix)
{
    if (!bytes_start_with(*in, prefix))
        return false;
    *in = bytes_skip(*in, prefix.len);
    return true;
}

static uint64_t digits(struct bytes *in)
{
    uint64_t value = 0;
    size_t count = 0;
    for (; count < in->len && in->at[count] >= '0' && in->at[count] <= '9'; count++)
        value = value * 10 + (uint64_t)(in->at[count] - '0');
    *in = bytes_skip(*in, count);
    return value;
}

/* A cursor of this log. */
static bool cursor_take(const struct past *past, struct bytes *in, uint64_t *seq)
{
    if (!skip(in, bytes_from(past->epoch)) || !skip(in, BYTES_LITERAL("-")))
        return false;
    *seq = digits(in);
    return true;
}

/* Of a sequence; a wild one is a number that was not published. */
static uint64_t number_of(const struct past *past, uint64_t seq)
{
    return seq - past->base_seq - 1;
}

/* --- WebSocket -------------------------------------------------------------------------------- */

static bool raw_take(struct resume_peer *p, struct bytes payload)
{
    struct bytes in = payload;
    in.len = in.len < NUMBER_LEN ? in.len : NUMBER_LEN;
    return message_take(p, digits(&in), payload);
}

static bool opening_take(struct resume_peer *p, struct bytes in)
{
    uint64_t seq = 0;
    return cursor_take(p->all->past, &in, &seq) && seq == p->all->past->base_seq + p->from &&
           bytes_equal(in, BYTES_LITERAL("\"}}"));
}

static bool envelope_take(struct resume_peer *p, struct bytes in)
{
    const struct past *past = p->all->past;
    uint64_t seq;
    if (!skip(&in, BYTES_LITERAL("{\"id\":\"")) || !cursor_take(past, &in, &seq))
        return false;
    const uint64_t number = number_of(past, seq);
    if (number >= past->count || !skip(&in, BYTES_LITERAL("\",\"topic\":\"")) ||
        !skip(&in, bytes_from(past->names[past->topic_of[number]])) ||
        !skip(&in, BYTES_LITERAL("\",\"time\":")))
        return false;
    (void)digits(&in);
    if (!skip(&in, BYTES_LITERAL(",\"data\":\"")) || in.len != PAYLOAD_LEN + 2 ||
        memcmp(in.at + PAYLOAD_LEN, "\"}", 2) != 0)
        return false;
    return message_take(p, number, (struct bytes){in.at, PAYLOAD_LEN});
}

static bool json_take(struct resume_peer *p, struct bytes payload)
{
    struct bytes in = payload;
    const bool good = skip(&in, BYTES_LITERAL("{\"open\":{\"cursor\":\"")) ? opening_take(p, in)
                                                                           : envelope_take(p, in);
    return good || message_fail(p, "not the envelope that was due", payload);
}

/* Answers a ping (RFC 6455, 5.5.3). A mask of zeros keeps the payload as it is. */
static bool pong_send(struct resume_peer *p, struct bytes payload)
{
    static const uint8_t no_mask[4] = {0};
    uint8_t frame[FRAME_HEAD_MAX + 125];
    if (payload.len > 125)
        return message_fail(p, "a ping that is too long", payload);
    const size_t head = frame_head_put(frame, FRAME_PONG, payload.len, no_mask);
    memcpy(frame + head, payload.at, payload.len);
    if (net_send(p->fd, (struct bytes){frame, head + payload.len}) < 0)
        return message_fail(p, "no pong can be sent", payload);
    return true;
}

static bool frame_take(struct resume_peer *p, const struct frame_head *head, struct bytes payload)
{
    if (!head->fin || head->masked)
        return message_fail(p, "a cut or masked frame", payload);
    switch (head->opcode) {
    case FRAME_TEXT:
        return p->kind == RESUME_RAW ? raw_take(p, payload) : json_take(p, payload);
    case FRAME_PING:
        return pong_send(p, payload);
    case FRAME_CLOSE:
        return message_fail(p, "closed", payload.len < 2 ? payload : bytes_skip(payload, 2));
    default:
        return message_fail(p, "a frame of no use", payload);
    }
}

static size_t ws_take(struct resume_peer *p, struct bytes in)
{
    struct frame_head head;
    size_t used = 0;
    while (frame_head_parse(bytes_skip(in, used), &head)) {
        if (in.len - used - head.len < head.payload_len)
            break;
        const struct bytes payload = {in.at + used + head.len, head.payload_len};
        if (!frame_take(p, &head, payload))
            return SIZE_MAX;
        used += head.len + head.payload_len;
    }
    return used;
}

/* --- Server-Sent Events ----------------------------------------------------------------------- */

static bool data_take(struct resume_peer *p, struct bytes payload)
{
    const bool is_due = !p->awaits_id && raw_take(p, payload);
    p->awaits_id = true;
    return is_due;
}

/* The opening's is the peer's own cursor. */
static bool id_take(struct resume_peer *p, struct bytes in)
{
    uint64_t seq;
    const uint64_t due = p->all->past->base_seq + (p->awaits_id ? p->next : p->from);
    const bool is_opening = !p->awaits_id;
    p->awaits_id = false;
    return cursor_take(p->all->past, &in, &seq) && in.len == 0 && seq == due &&
           (!is_opening || p->received == 0);
}

/* Chunks' sizes (RFC 9112, 7.1) and the CRLF behind them
 * are lines that end in CR; a chunk that cut another line would show as an unknown one. */
static bool line_take(struct resume_peer *p, struct bytes line)
{
    struct bytes rest = line;
    if (skip(&rest, BYTES_LITERAL("data: ")))
        return data_take(p, rest) || message_fail(p, "data that was not due", line);
    if (skip(&rest, BYTES_LITERAL("id: ")))
        return id_take(p, rest) || message_fail(p, "not the cursor that was due", line);
    if (line.len == 0 && p->awaits_id)
        return message_fail(p, "data without an id", line);
    const bool passes = line.len == 0 || line.at[line.len - 1] == '\r' ||
                        bytes_equal(line, BYTES_LITERAL(":")) ||
                        bytes_start_with(line, BYTES_LITERAL("retry: "));
    return passes || message_fail(p, "a line of no use", line);
}

static size_t sse_take(struct resume_peer *p, struct bytes in)
{
    size_t used = 0;
    while (used < in.len) {
        const uint8_t *at = in.at + used;
        const uint8_t *end = memchr(at, '\n', in.len - used);
        if (!end)
            break;
        if (!line_take(p, (struct bytes){at, (size_t)(end - at)}))
            return SIZE_MAX;
        used += (size_t)(end - at) + 1;
    }
    return used;
}

size_t resume_stream_take(struct resume_peer *p, struct bytes in)
{
    return p->kind == RESUME_SSE ? sse_take(p, in) : ws_take(p, in);
}
