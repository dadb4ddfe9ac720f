/* Builds messages in one allocation, counts their references, and lets reactors race for the
 * images. What an image looks like is the protocols' business. */
#include "log/message.h"

#include "base/alloc.h"
#include "log/ws_frame.h"

#include <errno.h>

static_assert(offsetof(struct message, bytes) + MESSAGE_HEAD_ROOM >= sizeof(struct message),
              "the bytes begin in the struct's padding: assigning the struct must stay inside");

/* A payload that lies elsewhere. */
struct taken {
    const uint8_t *payload;
    struct message_taking taking;
    _Atomic(struct image *) frame;
};
static_assert(offsetof(struct message, bytes) % _Alignof(struct taken) == 0,
              "it stands first among the bytes");

static struct taken *taken_of(const struct message *m)
{
    ASSERT(m->is_taken);
    return (struct taken *)(uintptr_t)m->bytes;
}

static struct message_done *done_of(const struct message *m)
{
    ASSERT(m->has_done);
    return (struct message_done *)(uintptr_t)(m->bytes + (m->is_taken ? sizeof(struct taken) : 0));
}

/* Where the texts begin. */
static const uint8_t *texts(const struct message *m)
{
    return m->bytes + (m->is_taken ? sizeof(struct taken) : 0) +
           (m->has_done ? sizeof(struct message_done) : 0);
}

/* --- making it -------------------------------------------------------------------------------- */

enum { HEADER_LENS = 4 }; /* two lengths of 16 bits before name and value */

size_t message_headers_size(const struct message_header *headers, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += HEADER_LENS + headers[i].name.len + headers[i].value.len;
    return size;
}

static uint8_t *append(uint8_t *at, struct bytes b)
{
    if (b.len > 0)
        memcpy(at, b.at, b.len);
    return at + b.len;
}

static uint8_t *append_header(uint8_t *at, const struct message_header *h)
{
    store_be(at, 2, h->name.len);
    store_be(at + 2, 2, h->value.len);
    return append(append(at + HEADER_LENS, h->name), h->value);
}

static uint8_t *append_texts(uint8_t *at, const struct message_options *o)
{
    at = append(at, o->topic);
    at = append(at, o->event);
    at = append(at, o->content_type);
    for (size_t i = 0; i < o->header_count; i++)
        at = append_header(at, &o->headers[i]);
    return at;
}

static void write_bytes(struct message *m, const struct message_options *o)
{
    if (m->is_taken)
        *taken_of(m) = (struct taken){o->payload.at, *o->taking, NULL};
    if (m->has_done)
        *done_of(m) = *o->done;
    uint8_t *at = append_texts(m->bytes + (texts(m) - m->bytes), o);
    if (m->is_taken)
        return;
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
    ASSERT(o->event.len <= UINT8_MAX);
    ASSERT(o->content_type.len <= UINT8_MAX);
    ASSERT(o->payload.len <= UINT32_MAX);
    ASSERT(message_headers_size(o->headers, o->header_count) <= MESSAGE_HEADERS_MAX);
    ASSERT(o->kind != MESSAGE_END || (o->payload.len == 0 && !o->taking));
}

static size_t bytes_size(const struct message_options *o)
{
    return (o->taking ? sizeof(struct taken) : 0) + (o->done ? sizeof(struct message_done) : 0) +
           o->topic.len + o->event.len + o->content_type.len +
           message_headers_size(o->headers, o->header_count) +
           (o->taking ? 0 : MESSAGE_HEAD_ROOM + o->payload.len);
}

struct message *message_new(const struct message_options *o)
{
    check_options(o);
    struct message *m = alloc_bytes(offsetof(struct message, bytes) + bytes_size(o));
    if (!m)
        return NULL;
    *m = (struct message){
        .refs = 1,
        .payload_len = (uint32_t)o->payload.len,
        .origin = o->origin,
        .image_holders = 1,
        .headers_len = (uint16_t)message_headers_size(o->headers, o->header_count),
        .event_len = (uint8_t)o->event.len,
        .content_type_len = (uint8_t)o->content_type.len,
        .kind = o->kind,
        .is_taken = o->taking != NULL,
        .has_done = o->done != NULL,
        .topic_len = (uint8_t)o->topic.len,
    };
    write_bytes(m, o);
    return m;
}

/* --- who made it ------------------------------------------------------------------------------ */

void message_ordered(struct message *m, int err)
{
    if (!m->has_done || !done_of(m)->run)
        return;
    const struct message_done done = *done_of(m);
    done_of(m)->run = NULL;
    done.run(done.user, err, m->seq);
}

unsigned message_done_reactor(const struct message *m)
{
    return done_of(m)->reactor;
}

void message_disown(struct message *m)
{
    if (m->is_taken)
        taken_of(m)->taking.release = NULL;
    if (m->has_done)
        done_of(m)->run = NULL;
}

static void give_back(const struct message *m)
{
    const struct message_taking *taking = &taken_of(m)->taking;
    if (taking->release)
        taking->release(taking->user, taken_of(m)->payload);
}

/* --- references ------------------------------------------------------------------------------- */

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
static void drop_image(_Atomic(struct image *) *slot)
{
    struct image *i = atomic_load_explicit(slot, memory_order_relaxed);
    if (!i)
        return;
    atomic_store_explicit(slot, NULL, memory_order_relaxed);
    if (i->total)
        atomic_fetch_sub_explicit(i->total, image_size(i), memory_order_relaxed);
    alloc_free(i);
}

static void drop_images(struct message *m)
{
    for (size_t kind = 0; kind < IMAGE_KINDS; kind++)
        drop_image(&m->images[kind]);
    if (m->is_taken)
        drop_image(&taken_of(m)->frame);
}

static void message_free(struct message *m)
{
    ASSERT(atomic_load_explicit(&m->pins, memory_order_relaxed) == 0);
    drop_images(m);
    message_ordered(m, -ESHUTDOWN); /* if no reactor came to it */
    if (m->is_taken)
        give_back(m);
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
    return (struct bytes){texts(m), m->topic_len};
}

struct bytes message_event(const struct message *m)
{
    return m->event_len ? (struct bytes){texts(m) + m->topic_len, m->event_len} : (struct bytes){0};
}

struct bytes message_content_type(const struct message *m)
{
    if (m->content_type_len == 0)
        return (struct bytes){0};
    return (struct bytes){texts(m) + m->topic_len + m->event_len, m->content_type_len};
}

static const uint8_t *headers(const struct message *m)
{
    return texts(m) + m->topic_len + m->event_len + m->content_type_len;
}

struct bytes message_payload(const struct message *m)
{
    if (m->is_taken && m->payload_len > 0)
        return (struct bytes){taken_of(m)->payload, m->payload_len};
    if (m->is_taken)
        return BYTES_LITERAL(""); /* wherever it lay */
    return (struct bytes){headers(m) + m->headers_len + MESSAGE_HEAD_ROOM, m->payload_len};
}

bool message_next_header(const struct message *m, size_t *at, struct message_header *out)
{
    if (*at == m->headers_len)
        return false;
    const uint8_t *header = headers(m) + *at;
    const size_t name_len = (size_t)load_be(header, 2), value_len = (size_t)load_be(header + 2, 2);
    out->name = (struct bytes){header + HEADER_LENS, name_len};
    out->value = (struct bytes){header + HEADER_LENS + name_len, value_len};
    *at += HEADER_LENS + name_len + value_len;
    return true;
}

struct bytes message_ws_frame(const struct message *m)
{
    ASSERT(!m->is_taken);
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

static _Atomic(struct image *) *image_slot(struct message *m, enum image_kind kind)
{
    return kind == IMAGE_WS_FRAME ? &taken_of(m)->frame : &m->images[kind];
}

const struct image *message_image(struct message *m, enum image_kind kind, image_build_fn *build,
                                  void *user, _Atomic uint64_t *total)
{
    ASSERT(m->kind != MESSAGE_END);
    _Atomic(struct image *) *slot = image_slot(m, kind);
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

static uint16_t claim_bit(enum image_kind kind)
{
    return (uint16_t)((IMAGE_HOLDERS_MAX + 1) << kind);
}

bool message_claim_image(struct message *m, enum image_kind kind)
{
    const uint16_t bit = claim_bit(kind);
    /* Relaxed: it orders nothing; the image's own slot does. */
    return !(atomic_fetch_or_explicit(&m->image_holders, bit, memory_order_relaxed) & bit);
}

void message_give_up_claim(struct message *m, enum image_kind kind)
{
    atomic_fetch_and_explicit(&m->image_holders, (uint16_t)~claim_bit(kind), memory_order_relaxed);
}

bool message_image_there(const struct message *m, enum image_kind kind)
{
    return atomic_load_explicit(&m->images[kind], memory_order_relaxed) != NULL;
}

void message_retire_images(struct message *m)
{
    /* Release: our reads of the images are over before the last one frees them; acquire: those of
     * all others are, when we are the last. */
    const uint16_t before =
        atomic_fetch_sub_explicit(&m->image_holders, 1, memory_order_acq_rel) & IMAGE_HOLDERS_MAX;
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
