/* Frames: how they are written, how they are read. What the messages say is not known here. */
#include "sim/ws_client.h"

#include "sim/deflate_client.h"
#include "sim/failure.h"

#include <stdio.h>

enum {
    FIN = 0x80,
    RSV1 = 0x40,
    MASKED = 0x80,
    OPCODE_CLOSE = 8,
    OPCODE_PING = 9,
    OPCODE_PONG = 10,
    CONTROL_MAX = 125,
    HEAD_MAX = 14,
    FRAGMENT_ONE_IN = 4,
};

void ws_client_reset(struct ws_client *c)
{
    const struct buffer message = c->message;
    *c = (struct ws_client){.message = message};
    buffer_clear(&c->message);
}

void ws_client_fini(struct ws_client *c)
{
    buffer_fini(&c->message);
}

/* --- out -------------------------------------------------------------------------------------- */

static size_t put_length(uint8_t *out, size_t len)
{
    if (len <= CONTROL_MAX) {
        out[0] = (uint8_t)(MASKED | len);
        return 1;
    }
    const size_t size = len <= UINT16_MAX ? 2 : 8;
    out[0] = (uint8_t)(MASKED | (size == 2 ? 126 : 127));
    store_be(out + 1, size, len);
    return 1 + size;
}

static void say_frame(struct peer *p, unsigned first, struct bytes payload)
{
    uint8_t head[HEAD_MAX] = {(uint8_t)first};
    const size_t key_at = 1 + put_length(head + 1, payload.len);
    store_be(head + key_at, 4, random_next(p->random) & UINT32_MAX);
    peer_say(p, (struct bytes){head, key_at + 4});
    uint8_t *out = buffer_extend(&p->out, payload.len);
    for (size_t i = 0; i < payload.len; i++)
        out[i] = payload.at[i] ^ head[key_at + i % 4];
}

/* Between the fragments of a message control frames may stand (RFC 6455, 5.4). */
static void say_fragments(struct ws_client *c, struct peer *p, unsigned opcode, struct bytes b)
{
    while (b.len > 0 && !random_one_in(p->random, FRAGMENT_ONE_IN)) {
        const size_t n = random_length(p->random, b.len);
        say_frame(p, opcode, (struct bytes){b.at, n});
        b = bytes_skip(b, n);
        opcode = OPCODE_MORE;
        if (random_one_in(p->random, FRAGMENT_ONE_IN))
            ws_client_say_ping(c, p);
    }
    say_frame(p, FIN | opcode, b);
}

static void say_payload(struct ws_client *c, struct peer *p, unsigned opcode, struct bytes b)
{
    if (random_one_in(p->random, FRAGMENT_ONE_IN))
        say_fragments(c, p, opcode, b);
    else
        say_frame(p, FIN | opcode, b);
}

void ws_client_say_message(struct ws_client *c, struct peer *p, bool is_binary, struct bytes b)
{
    const unsigned opcode = is_binary ? OPCODE_BINARY : OPCODE_TEXT;
    if (!c->may_deflate || random_one_in(p->random, FRAGMENT_ONE_IN)) {
        say_payload(c, p, opcode, b);
        return;
    }
    struct buffer packed = {0};
    deflate_client_deflate(p->random, b, &packed);
    say_payload(c, p, RSV1 | opcode, buffer_bytes(&packed));
    buffer_fini(&packed);
}

static struct bytes ping_text(unsigned number, char out[static 16])
{
    snprintf(out, 16, "ping %u", number);
    return bytes_from(out);
}

void ws_client_say_ping(struct ws_client *c, struct peer *p)
{
    char text[16];
    say_frame(p, FIN | OPCODE_PING, ping_text(c->pings_said++, text));
}

void ws_client_say_close(struct ws_client *c, struct peer *p, unsigned code)
{
    uint8_t payload[2];
    if (c->said_close)
        return;
    c->said_close = true;
    store_be(payload, sizeof(payload), code);
    say_frame(p, FIN | OPCODE_CLOSE, (struct bytes){payload, sizeof(payload)});
}

/* --- in --------------------------------------------------------------------------------------- */

struct ws_frame {
    uint8_t opcode;
    bool fin, is_compressed;
    struct bytes payload;
    size_t whole_len;
};

/* False: its head or its payload are not all here. */
static bool read_lengths(const struct peer *p, struct bytes in, struct ws_frame *f)
{
    if (in.len < 2)
        return false;
    const uint8_t short_len = in.at[1] & 0x7f;
    const size_t size = short_len < 126 ? 0 : short_len == 126 ? 2 : 8;
    if (in.len < 2 + size)
        return false;
    const uint64_t len = size == 0 ? short_len : load_be(in.at + 2, size);
    const uint64_t least = size == 0 ? 0 : size == 2 ? 126 : 65536;
    SIM_CHECK("protocol", len >= least && len < (64 << 20), "%s: a length of %lu in %zu bytes",
              p->name, (unsigned long)len, size);
    f->whole_len = 2 + size + (size_t)len;
    f->payload = (struct bytes){in.at + 2 + size, (size_t)len};
    return in.len >= f->whole_len;
}

/* RFC 6455, 5.1, 5.2 and 5.5. Judged as early as it can be. */
static bool read_frame(const struct ws_client *c, const struct peer *p, struct bytes in,
                       struct ws_frame *f)
{
    if (in.len < 2)
        return false;
    f->opcode = in.at[0] & 0x0f;
    f->fin = in.at[0] & FIN;
    f->is_compressed = in.at[0] & RSV1;
    const bool is_control = f->opcode >= OPCODE_CLOSE;
    const bool may_mark =
        c->may_deflate && (f->opcode == OPCODE_TEXT || f->opcode == OPCODE_BINARY);
    SIM_CHECK("protocol", (in.at[0] & (may_mark ? 0x30 : 0x70)) == 0,
              "%s: reserved bits are set: %02x %02x", p->name, in.at[0], in.at[1]);
    SIM_CHECK("protocol", !(in.at[1] & MASKED), "%s: the server masked a frame", p->name);
    SIM_CHECK("protocol", f->opcode <= OPCODE_BINARY || (is_control && f->opcode <= OPCODE_PONG),
              "%s: opcode %u", p->name, f->opcode);
    SIM_CHECK("protocol", !is_control || (f->fin && (in.at[1] & 0x7f) <= CONTROL_MAX),
              "%s: a long or cut control frame", p->name);
    return read_lengths(p, in, f);
}

static void inflate(struct ws_client *c, const struct peer *p)
{
    struct buffer said = {0};
    deflate_client_inflate(buffer_bytes(&c->message), &said, p->name);
    buffer_fini(&c->message);
    c->message = said;
}

static enum ws_got got_data(struct ws_client *c, const struct peer *p, const struct ws_frame *f)
{
    SIM_CHECK("protocol", (f->opcode == OPCODE_MORE) == (c->opcode != 0),
              "%s: opcode %u where the message's was %u", p->name, f->opcode, c->opcode);
    if (f->opcode != OPCODE_MORE) {
        c->opcode = f->opcode;
        c->is_compressed = f->is_compressed;
    }
    buffer_add(&c->message, f->payload);
    if (!f->fin)
        return GOT_SOMETHING;
    if (c->is_compressed)
        inflate(c, p);
    const enum ws_got got = c->opcode == OPCODE_TEXT ? GOT_TEXT : GOT_BINARY;
    c->opcode = 0;
    c->is_told = true;
    return got;
}

static enum ws_got got_close(struct ws_client *c, const struct peer *p, struct bytes payload)
{
    SIM_CHECK("protocol", payload.len != 1, "%s: a close frame with one byte", p->name);
    c->has_close = true;
    if (payload.len >= 2) {
        c->close_code = (unsigned)load_be(payload.at, 2);
        snprintf(c->close_reason, sizeof(c->close_reason), "%.*s", (int)payload.len - 2,
                 (const char *)payload.at + 2);
    }
    return GOT_CLOSE;
}

static void got_pong(struct ws_client *c, const struct peer *p, struct bytes payload)
{
    char text[16];
    SIM_CHECK("protocol", c->pongs_heard < c->pings_said, "%s: a pong without a ping", p->name);
    SIM_CHECK("protocol", bytes_equal(payload, ping_text(c->pongs_heard++, text)),
              "%s: a pong of %.*s, not of %s", p->name, (int)payload.len, (const char *)payload.at,
              text);
}

static enum ws_got take_frame(struct ws_client *c, struct peer *p, const struct ws_frame *f)
{
    switch (f->opcode) {
    case OPCODE_PING:
        if (!c->said_close)
            say_frame(p, FIN | OPCODE_PONG, f->payload);
        return GOT_SOMETHING;
    case OPCODE_PONG:
        got_pong(c, p, f->payload);
        return GOT_SOMETHING;
    case OPCODE_CLOSE:
        return got_close(c, p, f->payload);
    default:
        return got_data(c, p, f);
    }
}

enum ws_got ws_client_read(struct ws_client *c, struct peer *p)
{
    struct ws_frame f;
    const struct bytes in = peer_pending(p);
    if (c->is_told)
        buffer_clear(&c->message);
    c->is_told = false;
    SIM_CHECK("protocol", !c->has_close || in.len == 0, "%s: bytes behind the close frame",
              p->name);
    if (!read_frame(c, p, in, &f))
        return GOT_NOTHING;
    const enum ws_got got = take_frame(c, p, &f);
    peer_understood(p, f.whole_len);
    return got;
}
