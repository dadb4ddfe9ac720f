/* What the embedder does with one peer: verdicts, letters, its own pointer. */
#include "server/server_internal.h"

#include "base/utf8.h"
#include "conn/callback.h"
#include "conn/direct.h"
#include "ws/ws.h"

#include <errno.h>

int uproar_answer(struct uproar *u, struct uproar_ticket t, enum uproar_verdict v)
{
    if (v == UPROAR_LATER)
        return -EINVAL;
    if (!server_enter_until_end(u))
        return -ESHUTDOWN;
    const int err = judge_answer(&u->broker, t.id, (enum verdict)v);
    server_leave(u);
    return err;
}

int uproar_send(struct uproar *u, struct uproar_peer p, const void *body, size_t len,
                enum uproar_kind kind)
{
    const struct bytes b = {len > 0 ? body : "", len};
    if (!server_enter_until_end(u))
        return -ESHUTDOWN;
    int err = server_check_body(u, b, kind);
    if (err == 0)
        err = direct_send(&u->broker, p.id, kind == UPROAR_TEXT ? MESSAGE_TEXT : MESSAGE_BINARY, b);
    server_leave(u);
    return err;
}

/* RFC 6455, 7.4: what may stand in a frame, but that 1002 is not the embedder's to say. */
static bool is_close_code(int code)
{
    return (code >= 3000 && code <= 4999) || (code >= 1007 && code <= 1014) || code == 1000 ||
           code == 1001 || code == 1003;
}

int uproar_close(struct uproar *u, struct uproar_peer p, int ws_code, const char *reason)
{
    const struct bytes said = utf8_cut(bytes_from(reason ? reason : ""), WS_CLOSE_REASON_MAX);
    if (!is_close_code(ws_code) || !utf8_is_valid(said))
        return -EINVAL;
    if (!server_enter_until_end(u))
        return -ESHUTDOWN;
    const int err = direct_close(&u->broker, p.id, (unsigned)ws_code, said);
    server_leave(u);
    return err;
}

/* Is the calling thread in a callback about this very peer? */
static struct peer *peer_in_callback(struct uproar *u, uint64_t id)
{
    struct peer_name name;
    if (!peer_parse(&u->broker, id, &name))
        return NULL;
    if (!pthread_equal(pthread_self(), u->workers[name.reactor].thread))
        return NULL;
    const struct reactor *r = &u->reactors[name.reactor];
    struct peer *p = r->callback_slot == name.slot ? r->peers[name.slot] : NULL;
    return p && p->id == id ? p : NULL;
}

int uproar_set_user(struct uproar *u, struct uproar_peer p, void *user)
{
    struct peer *peer = peer_in_callback(u, p.id);
    if (!peer)
        return -EPERM;
    peer->user = user;
    return 0;
}
