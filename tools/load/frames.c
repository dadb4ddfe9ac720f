/* A client's frames. A message of several frames is only looked at when its last one is here, so
 * that nothing has to be remembered between two calls but the bytes themselves. */
#include "load/frames.h"

enum { KEY_LEN = 4, MASK_BIT = 0x80, FIN_BIT = 0x80, RESERVED_BITS = 0x70 };

struct head {
    size_t size; /* 0: not whole yet */
    uint64_t payload_len;
    uint8_t opcode;
    bool fin, masked, reserved, minimal;
};

static struct head head_parse(struct bytes in)
{
    if (in.len < 2)
        return (struct head){0};
    const uint8_t len7 = in.at[1] & 0x7f;
    const size_t extended = len7 == 127 ? 8 : len7 == 126 ? 2 : 0;
    if (in.len < 2 + extended)
        return (struct head){0};
    const uint64_t len = extended ? load_be(in.at + 2, extended) : len7;
    return (struct head){
        .size = 2 + extended,
        .payload_len = len,
        .opcode = in.at[0] & 0x0f,
        .fin = in.at[0] & FIN_BIT,
        .masked = in.at[1] & MASK_BIT,
        .reserved = in.at[0] & RESERVED_BITS,
        .minimal = extended == 0 || len > (extended == 2 ? 125 : UINT16_MAX),
    };
}

static bool is_control(uint8_t opcode)
{
    return opcode & 0x08;
}

/* NULL, or what is wrong with a frame at any place (RFC 6455, 5.1, 5.2 and 5.5). */
static const char *head_fault(const struct head *h)
{
    if (h->masked)
        return "a masked frame";
    if (h->reserved)
        return "a reserved bit is set";
    if (h->opcode > WS_PONG || (h->opcode > WS_BINARY && h->opcode < WS_CLOSE))
        return "an unknown opcode";
    if (!h->minimal)
        return "a length that is not in its shortest form";
    if (is_control(h->opcode) && (!h->fin || h->payload_len > WS_CONTROL_MAX))
        return "a control frame that is too long or fragmented";
    return h->payload_len > FRAMES_MESSAGE_MAX ? "a message that is too long" : NULL;
}

static enum frames_event wrong(struct frames_step *step, const char *why)
{
    step->why = why;
    return FRAMES_WRONG;
}

static enum frames_event control_event(struct frames_step *step, uint8_t opcode)
{
    switch (opcode) {
    case WS_PING:
        return FRAMES_PING;
    case WS_PONG:
        return FRAMES_PONG;
    default:
        break;
    }
    if (step->slice.len == 1)
        return wrong(step, "half a close code");
    step->code = WS_CLOSE_NO_STATUS;
    if (step->slice.len >= 2) {
        step->code = (unsigned)load_be(step->slice.at, 2);
        step->slice = bytes_skip(step->slice, 2);
    }
    return FRAMES_CLOSE;
}

/* A control frame at `at`; fragments of a message may stand before it, and close up over it. */
static enum frames_event take_control(struct span *in, size_t at, const struct head *h,
                                      struct frames_step *step)
{
    const size_t payload_len = (size_t)h->payload_len, frame_len = h->size + payload_len;
    memcpy(step->control, in->at + at + h->size, payload_len);
    step->slice = (struct bytes){step->control, payload_len};
    memmove(in->at + frame_len, in->at, at);
    *in = span_skip(*in, frame_len);
    return control_event(step, h->opcode);
}

/* All fragments of the message that begins at in->at are here and end at `end`: joins them behind
 * the first one's head. */
static struct bytes join(struct span in, size_t end)
{
    const struct head first = head_parse(span_bytes(in));
    uint8_t *const message = in.at + first.size;
    size_t len = (size_t)first.payload_len;
    for (size_t at = first.size + len; at < end;) {
        const struct head h = head_parse((struct bytes){in.at + at, end - at});
        memmove(message + len, in.at + at + h.size, (size_t)h.payload_len);
        len += (size_t)h.payload_len;
        at += h.size + (size_t)h.payload_len;
    }
    return (struct bytes){message, len};
}

/* NULL, or why a data frame may not stand there (RFC 6455, 5.4). */
static const char *order_fault(const struct head *h, size_t at)
{
    if (h->opcode == WS_CONTINUATION)
        return at > 0 ? NULL : "a continuation without a message";
    return at == 0 ? NULL : "a new message inside a message";
}

enum frames_event frames_next(struct span *in, struct frames_step *step)
{
    size_t at = 0;
    for (;;) {
        const struct bytes rest = {in->at + at, in->len - at};
        const struct head h = head_parse(rest);
        if (h.size == 0)
            return FRAMES_MORE;
        const char *why = head_fault(&h);
        if (!why && !is_control(h.opcode))
            why = order_fault(&h, at);
        if (why)
            return wrong(step, why);
        if (at > FRAMES_MESSAGE_MAX)
            return wrong(step, "a message that is too long");
        if (rest.len - h.size < h.payload_len)
            return FRAMES_MORE;
        if (is_control(h.opcode))
            return take_control(in, at, &h, step);
        at += h.size + (size_t)h.payload_len;
        if (h.fin) {
            step->slice = join(*in, at);
            *in = span_skip(*in, at);
            return FRAMES_MESSAGE;
        }
    }
}

size_t frames_encode(uint8_t *out, enum ws_opcode opcode, struct bytes payload, uint32_t mask)
{
    uint8_t key[KEY_LEN];
    const size_t head = ws_encode_head(out, opcode, payload.len);
    memcpy(key, &mask, sizeof(key));
    out[1] |= MASK_BIT;
    memcpy(out + head, key, sizeof(key));
    uint8_t *to = out + head + sizeof(key);
    for (size_t i = 0; i < payload.len; i++)
        to[i] = payload.at[i] ^ key[i & 3];
    return head + sizeof(key) + payload.len;
}
