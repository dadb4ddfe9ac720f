/* Finds a message's bytes in a wire form, and puts consecutive ones together for all who are at the
 * same place. Sending them is sender.c's. */
#include "conn/batch.h"

#include "conn/reactor.h"
#include "conn/slow.h"
#include "conn/wire.h"

/* --- images ----------------------------------------------------------------------------------- */

static ON_REACTOR const struct image *transient(struct reactor *r, const struct message *m,
                                                const struct wire_form *form)
{
    struct sender *s = &r->sender;
    struct wire_maker maker = wire_maker(r);
    struct image *image = form->build(m, &maker);
    if (!image)
        return NULL;
    image->next = s->transients;
    s->transients = image;
    s->transient_bytes += image->len;
    return image;
}

void batch_forget(struct sender *s)
{
    s->batch_count = 0;
    while (s->transients) {
        struct image *image = s->transients;
        s->transients = image->next;
        image_free(&image);
    }
    s->transient_bytes = 0;
}

ON_REACTOR struct bytes batch_wire_at(struct reactor *r, enum wire wire, uint64_t seq)
{
    const struct history *h = &r->subscriptions.history;
    struct message *m = history_at(h, seq);
    wire = wire_now(r, wire, m);
    const struct wire_form *form = wire_form(wire, m);
    if (!form)
        return message_ws_frame(m);
    const struct image *image =
        history_shares_images(h, seq) ? wire_image(r, m, form) : transient(r, m, form);
    return image ? wire_slice(wire, image, m) : (struct bytes){0};
}

/* --- batches ---------------------------------------------------------------------------------- */

/* Each message's time from publish to its first send on this reactor, once. */
static ON_REACTOR void time_message(struct reactor *r, uint64_t seq)
{
    if (seq <= r->sender.timed_seq)
        return;
    r->sender.timed_seq = seq;
    const uint64_t since_ns = history_at(&r->subscriptions.history, seq)->appended_ns;
    histogram_record(&r->stats.publish_to_send, r->now_ns > since_ns ? r->now_ns - since_ns : 0);
}

static ON_REACTOR bool add_to(struct reactor *r, enum wire wire, uint64_t seq, struct gathering *g)
{
    if (history_at(&r->subscriptions.history, seq)->kind == MESSAGE_END) {
        g->is_end = g->count == 0;
        return false;
    }
    if (g->newest_only && slow_is_superseded(r, seq))
        return false;
    const struct bytes b = batch_wire_at(r, wire, seq);
    if (!b.at || (g->count > 0 && g->bytes + b.len > BATCH_BYTES_MAX))
        return false;
    time_message(r, seq);
    g->vecs[g->count++] = batch_vec(b);
    g->bytes += b.len;
    if (g->count == 1)
        g->first_seq = seq;
    g->last_seq = g->seen_seq = seq;
    return true;
}

ON_REACTOR void batch_gather(struct reactor *r, const struct set *set, enum wire wire,
                             uint64_t position, struct gathering *g)
{
    struct set_walk walk;
    set_walk_begin(&walk, &r->subscriptions.history, set, position);
    g->seen_seq = position;
    while (g->count < g->max) {
        const uint64_t seq = set_walk_next(&walk);
        if (seq == 0)
            g->seen_seq = walk.seen_seq;
        if (seq == 0 || !add_to(r, wire, seq, g))
            break;
    }
    g->before_seq = walk.before_seq;
}

/* A send of 64 pieces costs the kernel about 2 us more than one of one piece: copied once, when
 * many share it. A single message is in one piece already. */
static void flatten(struct batch *b, const struct set *set, uint8_t *out)
{
    size_t len = 0;
    b->flat = (struct bytes){0};
    if (b->count == 1)
        b->flat = (struct bytes){b->vecs[0].iov_base, b->vecs[0].iov_len};
    if (b->count <= 1 || set_count(set) < FLAT_MEMBERS_MIN)
        return;
    for (uint32_t i = 0; i < b->count; i++) {
        memcpy(out + len, b->vecs[i].iov_base, b->vecs[i].iov_len);
        len += b->vecs[i].iov_len;
    }
    b->flat = (struct bytes){out, len};
}

static ON_REACTOR void batch_build(struct reactor *r, struct batch *b, const struct set *set,
                                   uint64_t position)
{
    struct gathering g = {.vecs = b->vecs, .max = BATCH_VECS_MAX};
    batch_gather(r, set, b->wire, position, &g);
    b->is_end = g.is_end;
    b->count = g.count;
    b->before_seq = g.before_seq;
    b->first_seq = g.first_seq;
    b->last_seq = g.last_seq;
    b->seen_seq = g.seen_seq;
    b->bytes = g.bytes;
}

ON_REACTOR void batch_recycle(struct reactor *r)
{
    sender_settle(r);
    batch_forget(&r->sender);
}

ON_REACTOR const struct batch *batch_for(struct reactor *r, const struct set *set, enum wire wire,
                                         uint64_t position)
{
    struct sender *s = &r->sender;
    for (unsigned i = 0; i < s->batch_count; i++) {
        const struct batch *b = &s->batches[i];
        if (b->set_number == set->number && b->wire == wire && b->before_seq <= position &&
            position < b->first_seq)
            return b;
    }
    if (s->batch_count == BATCHES_MAX)
        batch_recycle(r);
    struct batch *b = &s->batches[s->batch_count];
    b->set_number = set->number;
    b->wire = wire;
    batch_build(r, b, set, position);
    if (b->count > 0)
        flatten(b, set, s->flats[s->batch_count++]);
    return b;
}
