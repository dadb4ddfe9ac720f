/* A table: WebSocket frames are contiguous with a payload that was copied; every other form is an
 * image, built once and shared. Compressed ones as well: each message alone, so that it fits every
 * peer whose window is as large as ours (RFC 7692, 7.1.1). */
#include "conn/wire.h"

#include "base/sizes.h"
#include "conn/reactor.h"
#include "io/process.h"
#include "log/envelope.h"
#include "log/ws_frame.h"
#include "sse/sse.h"
#include "ws/deflate.h"
#include "ws/ws.h"

enum {
    WAIT_MIN = SIZED(1000, 3), /* yields: some hundred microseconds */
    BYTES_PER_YIELD = 64,
};

/* --- compressed images ------------------------------------------------------------------------ */

static bool compress(const struct wire_maker *maker, struct bytes payload, struct text *out)
{
    struct reactor *r = maker->reactor;
    if (!r->deflater)
        r->deflater = ws_deflater_new(WIRE_WINDOW_BITS, false);
    if (!r->deflater)
        return false;
    stat_add(&r->stats.deflate_compressions, 1);
    const bool done = ws_deflate(r->deflater, payload, out);
    ws_deflater_reset(r->deflater);
    return done;
}

static struct image *frame_of(struct bytes packed, enum ws_opcode opcode)
{
    uint8_t head[10];
    const size_t head_len = ws_encode_head(head, WS_COMPRESSED | opcode, packed.len);
    struct image *image = image_new((uint32_t)(head_len + packed.len));
    if (!image)
        return NULL;
    memcpy(image->bytes, head, head_len);
    memcpy(image->bytes + head_len, packed.at, packed.len);
    return image;
}

/* False: no memory. *out: the frame, or NULL when that would be no shorter. The same whenever it is
 * asked: of a frame that was cut, the rest has to fit. */
static bool compressed_frame(const struct wire_maker *maker, struct bytes payload,
                             enum ws_opcode opcode, struct image **out)
{
    struct text packed = {0};
    bool made = compress(maker, payload, &packed);
    *out = NULL;
    if (made && packed.len < payload.len) {
        *out = frame_of(text_bytes(&packed), opcode);
        made = *out != NULL;
    }
    text_fini(&packed);
    return made;
}

/* An image without a byte: the message's own frame does. */
static struct image *ws_deflated_new(const struct message *m, void *user)
{
    struct image *image;
    if (!compressed_frame(user, message_payload(m), (enum ws_opcode)m->kind, &image))
        return NULL;
    if (image)
        return image;
    return m->is_taken ? ws_image_new(m, NULL) : image_new(0);
}

static struct image *envelope_deflated_new(const struct message *m, void *user)
{
    struct image *plain = envelope_image_new(m, user), *image = NULL;
    if (!plain)
        return NULL;
    const struct bytes envelope = {plain->bytes + plain->inner_at, plain->inner_len};
    if (compressed_frame(user, envelope, WS_TEXT, &image) && !image)
        return plain;
    image_free(&plain);
    return image;
}

/* --- all of them ------------------------------------------------------------------------------ */

static const struct wire_form forms[WIRES] = {
    [WIRE_WS] = {IMAGE_WS_FRAME, false, false, ws_image_new},
    [WIRE_WS_DEFLATE] = {IMAGE_WS_DEFLATE, false, true, ws_deflated_new},
    [WIRE_SSE_CHUNKED] = {IMAGE_SSE, false, false, sse_image_new},
    [WIRE_SSE_PLAIN] = {IMAGE_SSE, true, false, sse_image_new},
    [WIRE_WS_JSON] = {IMAGE_ENVELOPE, false, false, envelope_image_new},
    [WIRE_WS_JSON_DEFLATE] = {IMAGE_ENVELOPE_DEFLATE, false, true, envelope_deflated_new},
    [WIRE_SSE_JSON_CHUNKED] = {IMAGE_SSE_ENVELOPE, false, false, sse_envelope_image_new},
    [WIRE_SSE_JSON_PLAIN] = {IMAGE_SSE_ENVELOPE, true, false, sse_envelope_image_new},
    [WIRE_POLL] = {IMAGE_ENVELOPE, true, false, envelope_image_new},
};

enum wire wire_uncompressed(enum wire wire)
{
    return wire == WIRE_WS_DEFLATE ? WIRE_WS : wire == WIRE_WS_JSON_DEFLATE ? WIRE_WS_JSON : wire;
}

ON_REACTOR enum wire wire_now(const struct reactor *r, enum wire wire, const struct message *m)
{
    const bool is_short = m->payload_len < r->broker->settings.deflate_bytes_min;
    if (is_short || m->payload_len == 0 || m->payload_len > WS_DEFLATE_MAX ||
        !history_shares_images(&r->subscriptions.history, m->seq))
        return wire_uncompressed(wire);
    return wire;
}

const struct wire_form *wire_form(enum wire wire, const struct message *m)
{
    return wire == WIRE_WS && !m->is_taken ? NULL : &forms[wire];
}

struct bytes wire_slice(enum wire wire, const struct image *image, const struct message *m)
{
    if (image->len == 0)
        return message_ws_frame(m);
    if (forms[wire].inner)
        return (struct bytes){image->bytes + image->inner_at, image->inner_len};
    return (struct bytes){image->bytes, image->len};
}

/* Compressing is dear: who comes second waits for the first, about as long as doing it would take,
 * and only then does it as well. True: the caller is the first. */
static bool claim_or_wait(struct message *m, enum image_kind kind)
{
    const uint32_t yields_max = WAIT_MIN + m->payload_len / BYTES_PER_YIELD;
    if (message_image_there(m, kind))
        return false;
    if (message_claim_image(m, kind))
        return true;
    for (uint32_t i = 0; i < yields_max && !message_image_there(m, kind); i++)
        process_yield();
    return false;
}

ON_REACTOR const struct image *wire_image(struct reactor *r, struct message *m,
                                          const struct wire_form *form)
{
    struct wire_maker maker = wire_maker(r);
    const bool is_first = form->is_dear && claim_or_wait(m, form->kind);
    const struct image *image =
        message_image(m, form->kind, form->build, &maker, &r->broker->image_bytes);
    if (is_first && !image)
        message_give_up_claim(m, form->kind); /* nobody has to wait for us */
    return image;
}

ON_REACTOR struct wire_maker wire_maker(struct reactor *r)
{
    return (struct wire_maker){log_epoch(r->broker->log), r};
}
