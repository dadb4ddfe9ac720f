/* Builds messages in one allocation, counts their references, and lets reactors race for the
 * images. What an image looks like is the protocols' business. */
#include "log/message.h"

#include "base/alloc.h"
#include "log/ws_frame.h"

static_assert(offsetof(struct message, bytes) + MESSAGE_HEAD_ROOM >= sizeof(struct message),
              "the bytes begin in the struct's padding: assigning the struct must stay inside");

static uint8_t *append(uint8_t *at, struct bytes b)
{
    if (b.len > 0)
        memcpy(at, b.at, b.len);
    return at + b.len;
}

static void write_bytes(uint8_t *at, const struct message_options *o)
{
    at = append(at, o->topic);
    at = append(at, o->event);
    at = append(at, o->content_type);
    memset(at, 0, MESSAGE_HEAD_ROOM);
    at += MESSAGE_HEAD_ROOM;
    append(at, o->payload);
    if (o->kind != MESSAGE_END) /* whose kind is no opcode: nobody is ever sent it */
        ws_frame_write_head(at, o->kind, o->payload.len);
}

static void check_options(const struct message_options *o)
{
    ASSERT(o->topic.len > 0);
    ASSERT(o->topic.len <= UINT8_MAX);
    ASSERT(o->event.len <= UINT16_MAX);
    ASSERT(o->content_type.len <= UINT16_MAX);
    ASSERT(o->payload.len <= UINT32_MAX);
    ASSERT(o->kind != MESSAGE_END || o->payload.len == 0);
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
        .image_holders = 1,
        .event_len = (uint16_t)o->event.len,
        .content_type_len = (uint16_t)o->content_type.len,
        .kind = o->kind,
        .topic_len = (uint8_t)o->topic.len,
    };
    write_bytes(m->bytes, o);
    return m;
}

void message_ref(struct message *m, uint32_t n)
{
    /* Relaxed: who takes more already holds one. */
    const uint32_t before = atomic_fetch_add_explicit(&m->refs, n, memory_order_relaxed);
    ASSERT(before > 0);
}

/* By the last one who could see them: the caller's acquire (of image_holders or refs) makes slots
 * and totals of all others visible. The slots are cleared, because a message may lose its images
 * long before its last reference. Relaxed: whoever looks later comes after the caller's release of
 * its reference. */
static void drop_images(struct message *m)
{
    for (size_t kind = 0; kind < IMAGE_KINDS; kind++) {
        struct image *i = atomic_load_explicit(&m->images[kind], memory_order_relaxed);
        if (!i)
            continue;
        atomic_store_explicit(&m->images[kind], NULL, memory_order_relaxed);
        if (i->total)
            atomic_fetch_sub_explicit(i->total, image_size(i), memory_order_relaxed);
        alloc_free(i);
    }
}

static void message_free(struct message *m)
{
    ASSERT(atomic_load_explicit(&m->pins, memory_order_relaxed) == 0);
    drop_images(m);
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
    if (m->kind == MESSAGE_END)
        return (struct bytes){0};
    const struct bytes payload = message_payload(m);
    const size_t head_len = ws_frame_head_len(payload.len);
    return (struct bytes){payload.at - head_len, payload.len + head_len};
}

/* --- images ----------------------------------------------------------------------------------- */

struct image *image_new(uint32_t len)
{
    struct image *i = alloc_bytes(offsetof(struct image, bytes) + (size_t)len);
    if (!i)
        return NULL;
    i->total = NULL;
    i->next = NULL;
    i->len = len;
    i->inner_at = 0;
    i->inner_len = len;
    return i;
}

void image_free(struct image **i_ptr)
{
    struct image *i = *i_ptr;
    *i_ptr = NULL;
    if (!i)
        return;
    ASSERT(!i->total); /* else a message keeps it */
    alloc_free(i);
}

/* Counted after it is in: by then others may use the image, but not free it, since we have not
 * retired ours and hold a reference. Relaxed: the release of either orders it before the last
 * holder's subtraction, so *total never goes below what there is. */
static const struct image *count_image(const struct image *i)
{
    if (i->total)
        atomic_fetch_add_explicit(i->total, image_size(i), memory_order_relaxed);
    return i;
}

const struct image *message_image(struct message *m, enum image_kind kind, image_build_fn *build,
                                  void *user, _Atomic uint64_t *total)
{
    ASSERT(m->kind != MESSAGE_END);
    _Atomic(struct image *) *slot = &m->images[kind];
    /* Acquire: pairs with the winner's release below; its bytes are complete. */
    struct image *have = atomic_load_explicit(slot, memory_order_acquire);
    if (have)
        return have;
    struct image *mine = build(m, user);
    if (!mine) /* no memory here; another reactor may have had some */
        return atomic_load_explicit(slot, memory_order_acquire);
    mine->total = total;
    /* Release: pairs with the acquires here, also of the loser, who gets the winner's. */
    if (atomic_compare_exchange_strong_explicit(slot, &have, mine, memory_order_release,
                                                memory_order_acquire))
        return count_image(mine);
    alloc_free(mine);
    return have;
}

void message_retire_images(struct message *m)
{
    /* Release: our reads of the images are over before the last one frees them; acquire: those of
     * all others are, when we are the last. */
    const uint16_t before = atomic_fetch_sub_explicit(&m->image_holders, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1)
        drop_images(m);
}

/* --- pins ------------------------------------------------------------------------------------- */

void message_pin(struct message *m, _Atomic uint64_t *total)
{
    message_ref(m, 1);
    /* Relaxed: only counts. What we add here precedes our message_unpin(), whose acq_rel orders it
     * before the subtraction of whoever takes the last pin away: *total never wraps. */
    if (atomic_fetch_add_explicit(&m->pins, 1, memory_order_relaxed) == 0)
        atomic_fetch_add_explicit(total, message_cost(m), memory_order_relaxed);
}

void message_unpin(struct message **m_ptr, _Atomic uint64_t *total)
{
    struct message *m = *m_ptr;
    /* Release: for what we may have added; acquire: for what others have, if we are the last. */
    const uint32_t before = atomic_fetch_sub_explicit(&m->pins, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1)
        atomic_fetch_sub_explicit(total, message_cost(m), memory_order_relaxed);
    message_unref(m_ptr);
}
