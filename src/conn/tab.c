/* A small table in each reactor, its own to write and anybody's to read; a cut goes by mail to
 * where the connection is. */
#include "conn/tab.h"

#include "base/alloc.h"
#include "conn/access.h"
#include "conn/answer.h"
#include "conn/judge.h"
#include "conn/mail.h"
#include "conn/reactor.h"
#include "http/target.h"

#include <stdio.h>

/* What an idle one holds here: itself, its timer, its place in a set, its slot in io. */
enum { IDLE_BYTES = sizeof(struct conn) + sizeof(uint32_t) + 2 * sizeof(uint64_t) };

static_assert((TABS_MAX & (TABS_MAX - 1)) == 0, "places are found by a mask");

/* --- keys ------------------------------------------------------------------------------------- */

static const char key_rule[] = "a tab's key is 16 to 64 of A-Z, a-z, 0-9, '-' and '_'";

static bool is_key(struct bytes key)
{
    if (key.len < TAB_KEY_MIN || key.len > TAB_KEY_MAX)
        return false;
    for (size_t i = 0; i < key.len; i++) {
        const uint8_t at = key.at[i];
        const bool letter = (at | 0x20) >= 'a' && (at | 0x20) <= 'z';
        if (!letter && !(at >= '0' && at <= '9') && at != '-' && at != '_')
            return false;
    }
    return true;
}

ON_REACTOR bool tab_read(struct reactor *r, struct conn *c, const struct http_request *q,
                         uint64_t *key, bool *has)
{
    uint8_t text[TAB_KEY_MAX];
    const int len = http_query_get(q->query, "tab", text, sizeof(text));
    const struct bytes given = {text, len < 0 ? 0 : (size_t)len};
    *has = len != HTTP_QUERY_ABSENT;
    if (!*has)
        return true;
    *key = siphash(&r->broker->hash_key, given);
    if (is_key(given))
        return true;
    answer_error(r, c, q, 400, "bad_tab", key_rule);
    return false;
}

/* --- places ----------------------------------------------------------------------------------- */

static struct tab_place *place_at(struct reactor *r, uint64_t key, unsigned i)
{
    return &r->tabs.places[(key + i) & (TABS_MAX - 1)];
}

static uint64_t name_of(uint32_t slot, uint32_t generation)
{
    return ((uint64_t)generation + 1) << 32 | slot;
}

/* Is it still the connection that was given this name? */
static bool is_there(const struct reactor *r, uint64_t name)
{
    if (name == 0)
        return false;
    const uint32_t slot = (uint32_t)name;
    return name == name_of(slot, conn_generation(&r->conns[slot]));
}

ON_REACTOR void tab_remember(struct reactor *r, const struct conn *c, uint64_t key)
{
    /* One that is gone; else any of them: whose owner then asks in vain. */
    struct tab_place *place = place_at(r, key, reactor_jitter(r, 0, TAB_PLACES));
    for (unsigned i = 0; i < TAB_PLACES; i++) {
        struct tab_place *p = place_at(r, key, i);
        if (!is_there(r, atomic_load_explicit(&p->name, memory_order_relaxed)))
            place = p;
    }
    /* Whoever sees the new key sees that the old name is gone. */
    atomic_store_explicit(&place->name, 0, memory_order_relaxed);
    atomic_store_explicit(&place->key, key, memory_order_release);
    atomic_store_explicit(&place->name, name_of(reactor_slot(r, c), conn_generation(c)),
                          memory_order_release);
}

/* The connection of that place, if it has this key and is still there; else 0. Any reactor's. */
static uint64_t occupant(const struct reactor *r, struct tab_place *place, uint64_t key)
{
    const uint64_t name = atomic_load_explicit(&place->name, memory_order_acquire);
    const bool is_keys = atomic_load_explicit(&place->key, memory_order_acquire) == key;
    if (!is_keys || atomic_load_explicit(&place->name, memory_order_relaxed) != name)
        return 0;
    return is_there(r, name) ? name : 0;
}

/* --- cutting ---------------------------------------------------------------------------------- */

struct cutting {
    struct mail mail;
    uint64_t name;
};

static ENTERS_REACTOR void open_cutting(struct reactor *r, struct mail *m)
{
    struct cutting *cutting = (struct cutting *)m;
    struct conn *c = reactor_conn(r, (uint32_t)cutting->name);
    if (is_there(r, cutting->name) && (c->phase == CONN_WS || c->phase == CONN_SSE))
        conn_drop(r, c, true);
    alloc_free(cutting);
}

/* False: no memory. Another one's claim goes first: a connection is cut once. */
static bool cut(struct reactor *r, struct tab_place *place, uint64_t name, unsigned *count)
{
    struct cutting *cutting = alloc_bytes(sizeof(*cutting));
    if (!cutting)
        return false;
    *cutting = (struct cutting){{.open = open_cutting}, name};
    if (!atomic_compare_exchange_strong_explicit(&place->name, &name, 0, memory_order_relaxed,
                                                 memory_order_relaxed)) {
        alloc_free(cutting);
        return true;
    }
    mail_send(r, &cutting->mail);
    ++*count;
    return true;
}

/* --- asking ----------------------------------------------------------------------------------- */

/* How many there are, or were cut. False: no memory. */
static bool visit(const struct broker *b, uint64_t key, bool cuts, unsigned *count)
{
    *count = 0;
    for (unsigned i = 0; i < b->reactor_count * TAB_PLACES; i++) {
        struct reactor *r = &b->reactors[i / TAB_PLACES];
        struct tab_place *place = place_at(r, key, i % TAB_PLACES);
        const uint64_t name = occupant(r, place, key);
        if (name != 0 && !cuts)
            ++*count;
        if (name != 0 && cuts && !cut(r, place, name, count))
            return false;
    }
    return true;
}

static ON_REACTOR void tell(struct reactor *r, struct conn *c, const struct http_request *q,
                            unsigned count)
{
    char body[64];
    const size_t bytes = (size_t)count * IDLE_BYTES;
    const int len =
        q->method == HTTP_DELETE
            ? snprintf(body, sizeof(body), "{\"cut\":%u}\n", count)
            : snprintf(body, sizeof(body), "{\"connections\":%u,\"bytes\":%zu}\n", count, bytes);
    const struct answer a = {.status = 200,
                             .content_type = "application/json",
                             .body = {(const uint8_t *)body, (size_t)len},
                             .headers = "Cache-Control: no-store\r\n"};
    answer_send(r, c, q, &a);
}

ON_REACTOR void tab_request(struct reactor *r, struct conn *c, const struct http_request *q,
                            struct bytes head)
{
    unsigned count;
    const struct bytes key = bytes_skip(q->path, sizeof("/tab/") - 1);
    if (!access_origin(r, c, q) || !access_token(r, c, q, r->broker->settings.subscribe_token) ||
        !judge_open(r, c, q, head, PEER_HTTP))
        return;
    if (!is_key(key))
        answer_error(r, c, q, 400, "bad_tab", key_rule);
    else if (!visit(r->broker, siphash(&r->broker->hash_key, key), q->method == HTTP_DELETE,
                    &count))
        answer_no_memory(r, c, q);
    else
        tell(r, c, q, count);
}
