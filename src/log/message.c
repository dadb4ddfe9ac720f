/* Builds messages in one allocation, counts their references, and lets reactors race for the
 * images. What an image looks like is the protocols' business. */
#include "log/message.h"

#include "base/alloc.h"

/* RFC 6455, 5.2: lengths up to 125 fit the second byte, then 16 bits, then 64; FIN and opcode 1 or
 * 2 in the first. Written here so that frame and payload are contiguous; nothing else of WebSocket
 * is known to the log. */
enum { FRAME_FIN = 0x80, FRAME_LEN_16 = 126, FRAME_LEN_64 = 127, FRAME_LEN_MAX_7 = 125 };
static_assert(MESSAGE_TEXT == 1, "the kind is the opcode");
static_assert(MESSAGE_BINARY == 2, "the kind is the opcode");

static uint8_t frame_head_len(size_t payload_len)
{
    if (payload_len <= FRAME_LEN_MAX_7)
        return 2;
    return payload_len <= UINT16_MAX ? 4 : 10;
}

static_assert(offsetof(struct message, bytes) + MESSAGE_HEAD_ROOM >= sizeof(struct message),
              "the bytes begin in the struct's padding: assigning the struct must stay inside");

/* Writes the head so that it ends where the payload begins. */
static void write_frame_head(uint8_t *payload, const struct message *m)
{
    uint8_t *head = payload - m->frame_head_len;
    const size_t ext_len = (size_t)m->frame_head_len - 2;
    head[0] = (uint8_t)(FRAME_FIN | m->kind);
    if (ext_len == 0)
        head[1] = (uint8_t)m->payload_len;
    else
        head[1] = ext_len == 2 ? FRAME_LEN_16 : FRAME_LEN_64;
    store_be(head + 2, ext_len, m->payload_len);
}

static uint8_t *append(uint8_t *at, struct bytes b)
{
    if (b.len > 0)
        memcpy(at, b.at, b.len);
    return at + b.len;
}

static void write_bytes(struct message *m, const struct message_options *o)
{
    uint8_t *at = m->bytes;
    at = append(at, o->topic);
    at = append(at, o->event);
    at = append(at, o->content_type);
    memset(at, 0, MESSAGE_HEAD_ROOM);
    at += MESSAGE_HEAD_ROOM;
    append(at, o->payload);
    write_frame_head(at, m);
}

static void check_options(const struct message_options *o)
{
    ASSERT(o->topic.len > 0);
    ASSERT(o->topic.len <= UINT8_MAX);
    ASSERT(o->event.len <= UINT16_MAX);
    ASSERT(o->content_type.len <= UINT16_MAX);
    ASSERT(o->payload.len <= UINT32_MAX);
}

struct message *message_new(const struct message_options *o)
{
    check_options(o);
    const size_t bytes_len =
        o->topic.len + o->event.len + o->content_type.len + MESSAGE_HEAD_ROOM + o->payload.len;
    struct message *m = alloc_bytes(offsetof(struct message, bytes) + bytes_len);
    if (!m)
        return NULL;
    *m = (struct message){
        .refs = 1,
        .payload_len = (uint32_t)o->payload.len,
        .origin = o->origin,
        .event_len = (uint16_t)o->event.len,
        .content_type_len = (uint16_t)o->content_type.len,
        .kind = o->kind,
        .topic_len = (uint8_t)o->topic.len,
        .frame_head_len = frame_head_len(o->payload.len),
    };
    write_bytes(m, o);
    return m;
}

void message_ref(struct message *m, uint32_t n)
{
    /* Relaxed: who takes more already holds one. */
    const uint32_t before = atomic_fetch_add_explicit(&m->refs, n, memory_order_relaxed);
    ASSERT(before > 0);
}

static void message_free(struct message *m)
{
    for (size_t i = 0; i < IMAGE_KINDS; i++)
        alloc_free(atomic_load_explicit(&m->images[i], memory_order_relaxed));
    alloc_free(m);
}

void message_unref(struct message **m_ptr)
{
    struct message *m = *m_ptr;
    *m_ptr = NULL;
    /* Release: our reads are over before another frees; acquire: theirs are before we do. */
    const uint32_t before = atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1)
        message_free(m);
}

struct bytes message_topic(const struct message *m)
{
    return (struct bytes){m->bytes, m->topic_len};
}

struct bytes message_event(const struct message *m)
{
    return m->event_len ? (struct bytes){m->bytes + m->topic_len, m->event_len} : (struct bytes){0};
}

struct bytes message_content_type(const struct message *m)
{
    if (m->content_type_len == 0)
        return (struct bytes){0};
    return (struct bytes){m->bytes + m->topic_len + m->event_len, m->content_type_len};
}

struct bytes message_payload(const struct message *m)
{
    const size_t before = (size_t)m->topic_len + m->event_len + m->content_type_len;
    return (struct bytes){m->bytes + before + MESSAGE_HEAD_ROOM, m->payload_len};
}

struct bytes message_ws_frame(const struct message *m)
{
    const struct bytes payload = message_payload(m);
    return (struct bytes){payload.at - m->frame_head_len, payload.len + m->frame_head_len};
}

const struct image *message_image(struct message *m, enum image_kind kind, image_build_fn *build,
                                  void *user)
{
    _Atomic(struct image *) *slot = &m->images[kind];
    /* Acquire: pairs with the winner's release below; its bytes are complete. */
    struct image *have = atomic_load_explicit(slot, memory_order_acquire);
    if (have)
        return have;
    struct image *mine = build(m, user);
    if (!mine) /* no memory here; another reactor may have had some */
        return atomic_load_explicit(slot, memory_order_acquire);
    if (atomic_compare_exchange_strong_explicit(slot, &have, mine, memory_order_release,
                                                memory_order_acquire))
        return mine;
    alloc_free(mine);
    return have;
}
