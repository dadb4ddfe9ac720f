/* Frames of a peer into messages and control events, RFC 6455, 5, as a server has to see them.
 * No socket, no allocation, no zlib; answering (pong, close) is the caller's. */
#include "ws/ws.h"

#include "base/assert.h"
#include "base/utf8.h"

/* Without 125 bytes for a cut control frame it would have to be answered piece by piece, which 5.5
 * does not allow. A connection has a reader only in the middle of a frame or message. */
static_assert(sizeof(struct ws_reader) == 160,
              "30 bytes of state, 125 of a control frame, padding");

/* Text that is not ASCII takes a second pass: in blocks, which it finds in the L1 cache. */
enum { BLOCK_LEN = 8192 };

enum { IN_HEADER, IN_DATA, IN_CONTROL, OVER };

struct header {
    uint64_t payload_len;
    uint8_t size;
    uint8_t opcode;
    bool fin, rsv1, rsv23, masked, minimal;
};

/* Deflate may make of bytes that it cannot compress an eighth more. */
static uint64_t compressed_max(uint64_t message_max)
{
    return message_max + message_max / 8 + 1024;
}

static enum ws_event violation(struct ws_reader *r, struct ws_step *step, enum ws_close_code code,
                               const char *why)
{
    r->state = OVER;
    r->close_code = (uint16_t)code;
    step->why = why;
    return WS_EVENT_VIOLATION;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Moves bytes from *in to kept until there are `want`. */
static bool keep(struct ws_reader *r, struct span *in, size_t want)
{
    const size_t n = min_size(want - r->kept_len, in->len);
    if (n > 0) {
        memcpy(r->kept + r->kept_len, in->at, n);
        r->kept_len = (uint8_t)(r->kept_len + n);
        *in = span_skip(*in, n);
    }
    return r->kept_len == want;
}

static uint8_t ext_len_size(uint8_t len7)
{
    return len7 == 127 ? 8 : len7 == 126 ? 2 : 0;
}

static uint8_t header_size(const uint8_t *raw)
{
    return (uint8_t)(2 + ext_len_size(raw[1] & 0x7f) + (raw[1] & 0x80 ? 4 : 0));
}

static bool header_fill(struct ws_reader *r, struct span *in)
{
    if (r->kept_len < 2 && !keep(r, in, 2))
        return false;
    return keep(r, in, header_size(r->kept));
}

static struct header header_decode(const uint8_t *raw)
{
    const uint8_t len7 = raw[1] & 0x7f;
    const uint8_t ext = ext_len_size(len7);
    const uint64_t len = ext > 0 ? load_be(raw + 2, ext) : len7;
    return (struct header){
        .payload_len = len,
        .size = header_size(raw),
        .opcode = raw[0] & 0x0f,
        .fin = raw[0] & 0x80,
        .rsv1 = raw[0] & 0x40,
        .rsv23 = raw[0] & 0x30,
        .masked = raw[1] & 0x80,
        .minimal = ext == 0 || len > (ext == 2 ? 125 : UINT16_MAX),
    };
}

static bool opcode_is_control(uint8_t opcode)
{
    return opcode & 0x08;
}

static bool opcode_is_known(uint8_t opcode)
{
    return opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG);
}

/* RSV1 marks the first frame of a compressed message, where that was agreed on (RFC 7692, 6). */
static bool rsv_is_fine(const struct header *h, bool may_compress)
{
    const bool may_mark = may_compress && (h->opcode == WS_TEXT || h->opcode == WS_BINARY);
    return !h->rsv23 && (may_mark || !h->rsv1);
}

/* NULL, or what is wrong with the frame whatever came before it (RFC 6455, 5.2 and 5.5). */
static const char *frame_fault(const struct header *h, bool may_compress)
{
    if (!rsv_is_fine(h, may_compress))
        return "a reserved bit is set";
    if (!opcode_is_known(h->opcode))
        return "unknown opcode";
    if (!h->masked)
        return "the frame is not masked";
    /* Two spellings of one frame are how a proxy and a server come to disagree about where the next
     * one starts. */
    if (!h->minimal)
        return "the length is not in its shortest form";
    if (h->payload_len > INT64_MAX)
        return "the top bit of the length is set";
    if (!opcode_is_control(h->opcode))
        return NULL;
    if (!h->fin)
        return "a control frame is fragmented";
    return h->payload_len > WS_CONTROL_MAX ? "a control frame is longer than 125 bytes" : NULL;
}

/* NULL, or why the frame may not follow what came before it (RFC 6455, 5.4). */
static const char *order_fault(const struct ws_reader *r, const struct header *h)
{
    if (opcode_is_control(h->opcode))
        return NULL;
    if (h->opcode == WS_CONTINUATION)
        return r->message_opcode ? NULL : "a continuation without a message";
    return r->message_opcode ? "a new message inside a message" : NULL;
}

static void data_enter(struct ws_reader *r, const struct header *h)
{
    if (h->opcode != WS_CONTINUATION) {
        r->message_opcode = h->opcode;
        r->compressed = h->rsv1;
    }
    r->message_len += h->payload_len;
    r->state = IN_DATA;
}

static bool is_too_long(const struct ws_reader *r, const struct header *h, uint64_t message_max)
{
    const bool compressed = h->opcode == WS_CONTINUATION ? r->compressed : h->rsv1;
    const uint64_t max = compressed ? compressed_max(message_max) : message_max;
    return h->payload_len > max || r->message_len > max - h->payload_len;
}

/* The header is whole: judges it and enters the payload. WS_EVENT_MORE: nothing to tell. */
static enum ws_event header_accept(struct ws_reader *r, const struct ws_limits *limits,
                                   struct ws_step *step)
{
    const struct header h = header_decode(r->kept);
    const char *why = frame_fault(&h, limits->may_compress);
    if (!why)
        why = order_fault(r, &h);
    if (why)
        return violation(r, step, WS_CLOSE_PROTOCOL_ERROR, why);

    const bool control = opcode_is_control(h.opcode);
    if (!control && is_too_long(r, &h, limits->message_max))
        return violation(r, step, WS_CLOSE_TOO_BIG, "the message is too long");

    memcpy(r->mask, r->kept + h.size - sizeof(r->mask), sizeof(r->mask));
    r->kept_len = 0;
    r->opcode = h.opcode;
    r->fin = h.fin;
    r->frame_left = h.payload_len;
    if (control)
        r->state = IN_CONTROL;
    else
        data_enter(r, &h);
    return WS_EVENT_MORE;
}

/* Vectors spelled out: gcc -O2 does not make them of a loop over words. */
struct lane {
    uint64_t pair __attribute__((vector_size(16)));
};

/* The same anywhere in memory: memcpy() is the slower way there for clang. */
struct lane_at {
    uint64_t pair __attribute__((vector_size(16)));
} __attribute__((packed, may_alias));

static struct lane unmask_lane(uint8_t *at, struct lane key)
{
    struct lane_at *lane = (struct lane_at *)at;
    lane->pair ^= key.pair;
    return (struct lane){lane->pair};
}

/* Returns which bits are set in any of the 64 results. */
static struct lane unmask_64(uint8_t *at, struct lane key)
{
    const struct lane a = unmask_lane(at, key), b = unmask_lane(at + 16, key);
    const struct lane c = unmask_lane(at + 32, key), d = unmask_lane(at + 48, key);

    return (struct lane){(a.pair | b.pair) | (c.pair | d.pair)};
}

/* RFC 6455, 5.3. True: all of it is ASCII, which came out on the way and is always UTF-8. */
static bool unmask(struct span s, const uint8_t mask[static 4])
{
    uint32_t key32;
    uint64_t seen, word;
    struct lane seen_lane = {0};
    size_t i = 0;

    memcpy(&key32, mask, sizeof(key32));
    const uint64_t key = (uint64_t)key32 << 32 | key32; /* the same in either byte order */
    const struct lane key_lane = {{key, key}};
    for (; s.len - i >= 64; i += 64)
        seen_lane.pair |= unmask_64(s.at + i, key_lane).pair;
    seen = seen_lane.pair[0] | seen_lane.pair[1];
    for (; s.len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, s.at + i, sizeof(word));
        word ^= key;
        seen |= word;
        memcpy(s.at + i, &word, sizeof(word));
    }
    for (; i < s.len; i++)
        seen |= s.at[i] ^= mask[i & 3];
    return (seen & 0x8080808080808080) == 0;
}

/* Makes mask[0] the byte for the payload's next one, after n of them. */
static void mask_turn(struct ws_reader *r, size_t n)
{
    uint8_t turned[4];
    for (size_t i = 0; i < sizeof(turned); i++)
        turned[i] = r->mask[(i + n) & 3];
    memcpy(r->mask, turned, sizeof(turned));
}

/* BLOCK_LEN is a multiple of 4, so the mask needs no turning in between. */
static bool unmask_checked(struct ws_reader *r, struct span payload)
{
    while (payload.len > 0) {
        const struct span block = {payload.at, min_size(payload.len, BLOCK_LEN)};
        const bool harmless = unmask(block, r->mask) && r->utf8 == 0;
        const bool check = r->message_opcode == WS_TEXT && !r->compressed && !harmless;
        if (check && !utf8_stream(&r->utf8, span_bytes(block)))
            return false;
        payload = span_skip(payload, block.len);
    }
    return true;
}

static void tell_message(const struct ws_reader *r, struct ws_step *step)
{
    step->opcode = (enum ws_opcode)r->message_opcode;
    step->compressed = r->compressed;
}

static enum ws_event data_next(struct ws_reader *r, struct span *in, struct ws_step *step)
{
    const size_t n = r->frame_left < in->len ? (size_t)r->frame_left : in->len;
    if (n == 0)
        return WS_EVENT_MORE;
    step->slice = (struct span){in->at, n};
    if (!unmask_checked(r, step->slice)) {
        step->slice = (struct span){0};
        return violation(r, step, WS_CLOSE_BAD_TEXT, "text that is not UTF-8");
    }
    mask_turn(r, n);
    r->frame_left -= n;
    *in = span_skip(*in, n);
    tell_message(r, step);
    return WS_EVENT_DATA;
}

/* The last fragment is over. What is left of the reader equals a zeroed one, as far as it matters:
 * ws_reader_is_idle(). */
static enum ws_event message_end(struct ws_reader *r, struct ws_step *step)
{
    if (r->utf8 != 0)
        return violation(r, step, WS_CLOSE_BAD_TEXT, "text that ends inside a character");
    tell_message(r, step);
    r->message_opcode = 0;
    r->message_len = 0;
    return WS_EVENT_MESSAGE;
}

/* Close codes that a peer may send: RFC 6455, 7.4, and IANA's 1012-1014. */
static bool close_code_is_valid(unsigned code)
{
    if (code >= 3000)
        return code <= 4999;
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

/* RFC 6455, 5.5.1 and 7.1.5. */
static enum ws_event close_accept(struct ws_reader *r, struct span payload, struct ws_step *step)
{
    if (payload.len == 1)
        return violation(r, step, WS_CLOSE_PROTOCOL_ERROR, "half a close code");
    unsigned code = WS_CLOSE_NO_STATUS;
    if (payload.len > 0) {
        code = (unsigned)load_be(payload.at, 2);
        payload = span_skip(payload, 2);
        if (!close_code_is_valid(code))
            return violation(r, step, WS_CLOSE_PROTOCOL_ERROR, "a close code that may not be sent");
    }
    if (!utf8_is_valid(span_bytes(payload)))
        return violation(r, step, WS_CLOSE_BAD_TEXT, "a close reason that is not UTF-8");
    r->state = OVER;
    r->close_code = (uint16_t)code;
    step->slice = payload;
    return WS_EVENT_CLOSE;
}

static enum ws_event control_next(struct ws_reader *r, struct span *in, struct ws_step *step)
{
    if (!keep(r, in, r->frame_left))
        return WS_EVENT_MORE;
    const struct span payload = {r->kept, r->kept_len};
    (void)unmask(payload, r->mask);
    r->kept_len = 0;
    r->state = IN_HEADER;
    if (r->opcode == WS_CLOSE)
        return close_accept(r, payload, step);
    step->slice = payload;
    return r->opcode == WS_PING ? WS_EVENT_PING : WS_EVENT_PONG;
}

static enum ws_event payload_next(struct ws_reader *r, struct span *in, struct ws_step *step)
{
    if (r->state == IN_CONTROL)
        return control_next(r, in, step);
    if (r->frame_left > 0)
        return data_next(r, in, step);
    r->state = IN_HEADER;
    return r->fin ? message_end(r, step) : WS_EVENT_MORE;
}

enum ws_event ws_reader_next(struct ws_reader *r, struct span *in, const struct ws_limits *limits,
                             struct ws_step *step)
{
    *step = (struct ws_step){0};
    /* Each round uses up a header, so *in bounds them; MORE with a new header ahead goes on. */
    while (r->state != OVER) {
        enum ws_event event = WS_EVENT_MORE;
        if (r->state == IN_HEADER) {
            if (!header_fill(r, in))
                return WS_EVENT_MORE;
            event = header_accept(r, limits, step);
        }
        if (event == WS_EVENT_MORE)
            event = payload_next(r, in, step);
        if (event != WS_EVENT_MORE || r->state != IN_HEADER)
            return event;
    }
    if (in->len > 0)
        *in = span_skip(*in, in->len);
    return WS_EVENT_MORE;
}

bool ws_reader_is_idle(const struct ws_reader *r)
{
    return r->state == IN_HEADER && r->kept_len == 0 && r->message_opcode == 0;
}
