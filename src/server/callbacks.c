/* The embedder's callbacks, from the reactors' terms to those of uproar.h. */
#include "server/server_internal.h"

static_assert((int)PEER_HTTP == (int)UPROAR_HTTP, "one order of protocols");
static_assert((int)PEER_WS == (int)UPROAR_WS, "one order of protocols");
static_assert((int)VERDICT_ALLOW == (int)UPROAR_ALLOW, "one order of verdicts");
static_assert((int)VERDICT_LATER == (int)UPROAR_LATER, "one order of verdicts");

/* What a callback is shown of a peer. */
struct shown {
    struct uproar_peer_info info;
    struct uproar_header headers[HTTP_FIELDS_MAX];
};

static const struct uproar_peer_info *show(const struct peer *p, struct shown *out)
{
    for (uint32_t i = 0; i < p->field_count; i++)
        out->headers[i] =
            (struct uproar_header){str_of(p->fields[i].name), str_of(p->fields[i].value)};
    out->info = (struct uproar_peer_info){
        .peer = {p->id},
        .proto = (enum uproar_proto)p->proto,
        .address = str_of(bytes_from(p->address)),
        .path = str_of(p->path),
        .query = str_of(p->query),
        .origin = str_of(p->origin),
        .subprotocol = str_of(p->subprotocol),
        .headers = out->headers,
        .header_count = p->field_count,
        .user = p->user,
    };
    return &out->info;
}

static enum verdict on_open(void *user, const struct peer *p, uint64_t ticket)
{
    const struct uproar *u = user;
    struct shown shown;
    return (enum verdict)u->on.on_open(u->user, show(p, &shown), (struct uproar_ticket){ticket});
}

static enum verdict on_subscribe(void *user, const struct peer *p, struct bytes pattern,
                                 uint64_t ticket)
{
    const struct uproar *u = user;
    struct shown shown;
    return (enum verdict)u->on.on_subscribe(u->user, show(p, &shown), str_of(pattern),
                                            (struct uproar_ticket){ticket});
}

static enum verdict on_publish(void *user, const struct peer *p, const struct message *m,
                               uint64_t ticket)
{
    const struct uproar *u = user;
    struct shown shown;
    struct uproar_message message;
    struct uproar_header headers[HEADER_COUNT_MAX];
    message_show(u->broker.slot_count, m, &message);
    message.header_count = message_show_headers(m, headers);
    message.headers = headers;
    return (enum verdict)u->on.on_publish(u->user, show(p, &shown), &message,
                                          (struct uproar_ticket){ticket});
}

static void on_close(void *user, const struct peer *p, unsigned code, struct bytes reason)
{
    const struct uproar *u = user;
    struct shown shown;
    u->on.on_close(u->user, show(p, &shown), (int)code, str_of(reason));
}

void callbacks_init(struct uproar *u)
{
    const struct uproar_callbacks *on = &u->on;
    u->hooks = (struct judge_hooks){
        .open = on->on_open ? on_open : NULL,
        .subscribe = on->on_subscribe ? on_subscribe : NULL,
        .publish = on->on_publish ? on_publish : NULL,
        .close = on->on_close ? on_close : NULL,
        .user = u,
    };
    if (on->on_open || on->on_subscribe || on->on_publish || on->on_close)
        u->broker.hooks = &u->hooks;
}
