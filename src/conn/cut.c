/* Pins, and the images of old messages: built once for a cut frame and kept with it, because a slow
 * peer takes a large one in a hundred pieces. Both count as pinned bytes. */
#include "conn/cut.h"

#include "base/alloc.h"
#include "conn/reactor.h"
#include "conn/wire.h"

enum { LOOKED_AT_MAX = 16 }; /* of those cut last: who is cut in one frame, is about now */

static enum image_kind kind_of(enum wire wire, const struct message *m)
{
    const struct wire_form *form = wire_form(wire, m);
    return form ? form->kind : IMAGE_WS_FRAME;
}

static ON_REACTOR struct cut *find(struct reactor *r, const struct message *m, enum image_kind kind)
{
    int looked_at = 0;
    for (struct list *l = r->cuts.prev; l != &r->cuts && looked_at < LOOKED_AT_MAX; l = l->prev) {
        struct cut *cut = LIST_OWNER(l, struct cut, link);
        if (cut->message == m && cut->kind == kind)
            return cut;
        looked_at++;
    }
    return NULL;
}

ON_REACTOR struct cut *cut_pin(struct reactor *r, struct message *m, enum wire wire)
{
    const enum wire sent = wire_now(r, wire, m);
    struct cut *cut = find(r, m, kind_of(sent, m));
    if (cut) {
        cut->conn_count++;
        return cut;
    }
    cut = alloc_zeroed(sizeof(*cut));
    if (!cut)
        return NULL;
    cut->message = m;
    cut->kind = kind_of(sent, m);
    cut->conn_count = 1;
    message_pin(m, &r->broker->pinned_bytes);
    list_push_back(&r->cuts, &cut->link);
    return cut;
}

ON_REACTOR void cut_unpin(struct reactor *r, struct cut **cut_ptr)
{
    struct cut *cut = *cut_ptr;
    *cut_ptr = NULL;
    if (!cut || --cut->conn_count > 0)
        return;
    list_remove(&cut->link);
    if (cut->image)
        atomic_fetch_sub_explicit(&r->broker->pinned_bytes, image_size(cut->image),
                                  memory_order_relaxed);
    image_free(&cut->image);
    message_unpin(&cut->message, &r->broker->pinned_bytes);
    alloc_free(cut);
}

static ON_REACTOR const struct image *own_image(struct reactor *r, struct cut *cut,
                                                const struct wire_form *form)
{
    struct wire_maker maker = wire_maker(r);
    if (cut->image)
        return cut->image;
    cut->image = form->build(cut->message, &maker);
    if (cut->image)
        atomic_fetch_add_explicit(&r->broker->pinned_bytes, image_size(cut->image),
                                  memory_order_relaxed);
    return cut->image;
}

ON_REACTOR struct bytes cut_frame(struct reactor *r, struct cut *cut, enum wire wire)
{
    if (kind_of(wire, cut->message) != cut->kind)
        wire = wire_uncompressed(wire); /* it was cut in what is sent of short and old ones */
    const struct wire_form *form = wire_form(wire, cut->message);
    if (!form)
        return message_ws_frame(cut->message);
    const struct image *image = history_shares_images(&r->subscriptions.history, cut->message->seq)
                                    ? wire_image(r, cut->message, form)
                                    : own_image(r, cut, form);
    return image ? wire_slice(wire, image, cut->message) : (struct bytes){0};
}
