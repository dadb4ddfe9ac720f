/* One record per connection, one copy of what each request said. Asking about it is judge.c's. */
#include "conn/peer.h"

#include "base/alloc.h"
#include "conn/direct.h"
#include "conn/judge.h"
#include "conn/reactor.h"
#include "io/listener.h"
#include "ws/ws.h"

#include <errno.h>
#include <stdio.h>

static_assert((int)PEER_ADDRESS_MAX == (int)LISTENER_TEXT_MAX, "an address as listeners print it");

/* --- names ------------------------------------------------------------------------------------ */

/* The generation, 1 at least, above the place among all slots: with the limits of the settings
 * there are fewer than 2^32 of them. */
uint64_t peer_id(uint32_t slot_count, const struct peer_name *name)
{
    const uint64_t place = (uint64_t)name->reactor * slot_count + name->slot;
    return ((uint64_t)name->generation + 1) << 32 | place;
}

bool peer_parse(const struct broker *b, uint64_t id, struct peer_name *out)
{
    const uint32_t place = (uint32_t)id, generation = (uint32_t)(id >> 32);
    if (generation == 0 || place / b->slot_count >= b->reactor_count)
        return false;
    *out = (struct peer_name){place / b->slot_count, place % b->slot_count, generation - 1};
    return true;
}

/* --- beginning -------------------------------------------------------------------------------- */

static ON_REACTOR struct peer **place_of(const struct reactor *r, const struct conn *c)
{
    return &r->peers[reactor_slot(r, c)];
}

ON_REACTOR struct peer *peer_of(const struct reactor *r, const struct conn *c)
{
    return r->broker->hooks ? *place_of(r, c) : NULL;
}

ON_REACTOR void peer_connected(struct reactor *r, uint32_t slot, const union io_address *address)
{
    if (!r->broker->hooks)
        return;
    struct peer *p = alloc_zeroed(sizeof(*p));
    r->peers[slot] = p;
    if (p)
        listener_print(address, p->address);
}

static struct bytes copy(uint8_t **at, struct bytes b)
{
    if (!b.at)
        return b;
    if (b.len > 0)
        memcpy(*at, b.at, b.len);
    const struct bytes kept = {*at, b.len};
    *at += b.len;
    return kept;
}

static struct bytes copy_lower(uint8_t **at, struct bytes b)
{
    const struct bytes kept = copy(at, b);
    for (uint8_t *c = *at - kept.len; c < *at; c++)
        *c = byte_lower(*c);
    return kept;
}

static size_t said_size(const struct http_request *q)
{
    size_t size = q->field_count * sizeof(struct http_field) + q->path.len + q->query.len + 1;
    for (uint32_t i = 0; i < q->field_count; i++)
        size += q->fields[i].name.len + q->fields[i].value.len;
    return size;
}

static struct bytes field(const struct peer *p, const char *name)
{
    for (uint32_t i = 0; i < p->field_count; i++)
        if (bytes_equal(p->fields[i].name, bytes_from(name)))
            return p->fields[i].value;
    return (struct bytes){0};
}

static void keep_said(struct peer *p, const struct http_request *q)
{
    struct http_field *fields = p->said;
    uint8_t *at = (uint8_t *)&fields[q->field_count];
    for (uint32_t i = 0; i < q->field_count; i++) {
        fields[i].name = copy_lower(&at, q->fields[i].name);
        fields[i].value = copy(&at, q->fields[i].value);
    }
    p->fields = fields;
    p->field_count = q->field_count;
    p->path = copy(&at, q->path);
    p->query = copy(&at, q->query);
    p->origin = field(p, "origin");
    p->subprotocol = field(p, "sec-websocket-protocol");
}

ON_REACTOR int peer_begin(struct reactor *r, struct conn *c, const struct http_request *q,
                          enum peer_proto proto)
{
    struct peer *p = peer_of(r, c);
    if (!p)
        return -ENOMEM;
    p->said = alloc_bytes(said_size(q));
    if (!p->said)
        return -ENOMEM;
    keep_said(p, q);
    p->proto = proto;
    p->id = peer_id(r->slot_count,
                    &(struct peer_name){r->index, reactor_slot(r, c), conn_generation(c)});
    return 0;
}

/* --- ending ----------------------------------------------------------------------------------- */

ON_REACTOR void peer_will_end(struct reactor *r, struct conn *c, unsigned code, const char *reason)
{
    struct peer *p = peer_of(r, c);
    if (!p || p->code != 0)
        return;
    p->code = (uint16_t)code;
    snprintf(p->reason, sizeof(p->reason), "%s", reason);
}

ON_REACTOR void peer_end(struct reactor *r, struct conn *c)
{
    struct peer *p = peer_of(r, c);
    conn_next_generation(c);
    if (!p)
        return;
    judge_forget(r, c);
    if (p->is_open)
        judge_close(r, c);
    direct_return_letters(r, p);
    alloc_free(p->said);
    struct peer next = {0};
    memcpy(next.address, p->address, sizeof(next.address));
    *p = next;
}

ON_REACTOR void peer_gone(struct reactor *r, struct conn *c)
{
    peer_will_end(r, c, WS_CLOSE_ABNORMAL, "");
    peer_end(r, c);
    if (!r->broker->hooks)
        return;
    alloc_free(*place_of(r, c));
    *place_of(r, c) = NULL;
}
