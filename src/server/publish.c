/* Publishing from the embedder's threads: checks, messages, the log. Who gets them is the reactors'
 * business. */
#include "server/server_internal.h"

#include "base/alloc.h"
#include "base/utf8.h"
#include "conn/media.h"
#include "http/target.h"

#include <errno.h>

enum { EVENT_MAX = 255, TYPE_MAX = 127 };

/* --- checks ----------------------------------------------------------------------------------- */

int server_check_body(const struct uproar *u, struct bytes body, enum uproar_kind kind)
{
    if (kind != UPROAR_TEXT && kind != UPROAR_BINARY)
        return -EINVAL;
    if (body.len > u->broker.settings.message_bytes_max)
        return -EMSGSIZE;
    return kind == UPROAR_TEXT && !utf8_is_valid(body) ? -EILSEQ : 0;
}

/* As a name that a protocol's header carries. */
static int check_word(struct bytes word, size_t len_max)
{
    if (word.len > len_max)
        return -EINVAL;
    if (!utf8_is_valid(word))
        return -EILSEQ;
    return word.len > 0 && media_event_problem(word) ? -EINVAL : 0;
}

static bool is_repeated(const struct uproar_message *m, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (bytes_equal(bytes_of(m->headers[i].name), bytes_of(m->headers[at].name)))
            return true;
    return false;
}

static int check_headers(const struct uproar_message *m)
{
    size_t room = MESSAGE_HEADERS_MAX;
    if (m->header_count > HEADER_COUNT_MAX)
        return -EINVAL;
    for (size_t i = 0; i < m->header_count; i++) {
        const struct message_header h = {bytes_of(m->headers[i].name),
                                         bytes_of(m->headers[i].value)};
        if (h.name.len > room || h.value.len > room || message_headers_size(&h, 1) > room)
            return -EINVAL;
        room -= message_headers_size(&h, 1);
        if (h.name.len == 0 || is_repeated(m, i))
            return -EINVAL;
        if (!utf8_is_valid(h.name) || !utf8_is_valid(h.value))
            return -EILSEQ;
    }
    return 0;
}

static int check_message(const struct uproar *u, const struct uproar_message *m)
{
    if (topic_name_problem(bytes_of(m->topic)))
        return -EINVAL;
    int err = server_check_body(u, bytes_of(m->body), m->kind);
    if (err == 0)
        err = check_word(bytes_of(m->event), EVENT_MAX);
    if (err == 0)
        err = check_word(bytes_of(m->content_type), TYPE_MAX);
    return err != 0 ? err : check_headers(m);
}

/* --- messages --------------------------------------------------------------------------------- */

/* What the caller gives besides the message itself. */
struct giving {
    const struct message_taking *taking;
    const struct message_done *done;
};

/* NULL: no memory. */
static struct message *new_message(const struct uproar_message *m, const struct giving *g)
{
    struct message_header headers[HEADER_COUNT_MAX];
    for (size_t i = 0; i < m->header_count; i++)
        headers[i] =
            (struct message_header){bytes_of(m->headers[i].name), bytes_of(m->headers[i].value)};
    const struct bytes body = bytes_of(m->body);
    const struct message_options o = {
        .topic = bytes_of(m->topic),
        .event = bytes_of(m->event),
        .content_type = bytes_of(m->content_type),
        .payload = body,
        .headers = headers,
        .header_count = m->header_count,
        .taking = g->taking,
        .done = g->done,
        .kind = m->kind == UPROAR_TEXT ? MESSAGE_TEXT : MESSAGE_BINARY,
        .origin = {.reactor = ORIGIN_NONE},
    };
    return message_new(&o);
}

static void disown(struct message *chain)
{
    while (chain) {
        struct message *m = chain;
        chain = m->next_in_entry;
        message_disown(m);
        message_unref(&m);
    }
}

/* The last one tells the order. -ENOMEM: nothing is made. */
static int new_chain(const struct uproar_message *m, size_t count, const struct giving *g,
                     struct message **chain)
{
    const struct giving none = {g->taking, NULL};
    struct message **end = chain;
    *chain = NULL;
    for (size_t i = 0; i < count; i++) {
        *end = new_message(&m[i], i + 1 == count ? g : &none);
        if (!*end) {
            disown(*chain);
            return -ENOMEM;
        }
        end = &(*end)->next_in_entry;
    }
    return 0;
}

static int append(struct uproar *u, const struct uproar_message *m, size_t count,
                  const struct giving *g)
{
    struct message *chain;
    int err = new_chain(m, count, g, &chain);
    if (err != 0)
        return err;
    err = log_append(u->broker.log, &chain);
    if (err != 0) {
        disown(chain);
        return err;
    }
    atomic_fetch_add_explicit(&u->broker.api_published, count, memory_order_relaxed);
    return 0;
}

static int publish(struct uproar *u, const struct uproar_message *m, size_t count,
                   const struct giving *g)
{
    if (count == 0)
        return -EINVAL;
    if (!server_enter(u))
        return -ESHUTDOWN;
    int err = 0;
    for (size_t i = 0; i < count && err == 0; i++)
        err = check_message(u, &m[i]);
    if (err == 0)
        err = append(u, m, count, g);
    server_leave(u);
    return err;
}

/* --- the three ways --------------------------------------------------------------------------- */

int uproar_publish(struct uproar *u, const char *topic, const void *body, size_t len,
                   enum uproar_kind kind)
{
    const struct uproar_message m = {
        .topic = {topic, topic ? strlen(topic) : 0},
        .body = {len > 0 ? body : "", len},
        .kind = kind,
    };
    return publish(u, &m, 1, &(struct giving){0});
}

int uproar_publish_taken(struct uproar *u, const struct uproar_message *m,
                         void (*release)(void *user, const void *body), void *user)
{
    const struct message_taking taking = {release, user};
    return publish(u, m, 1, &(struct giving){.taking = &taking});
}

/* What a publisher asked to be told, until it was. */
struct completion {
    uproar_done_fn *done;
    void *user;
    uint64_t epoch;
};

static void complete(void *user, int err, uint64_t seq)
{
    struct completion *c = user;
    c->done(c->user, err, (struct uproar_cursor){c->epoch, seq});
    alloc_free(c);
}

int uproar_publish_many(struct uproar *u, const struct uproar_message *m, size_t count,
                        uproar_done_fn *done, void *user)
{
    if (!done)
        return publish(u, m, count, &(struct giving){0});
    struct completion *c = alloc_bytes(sizeof(*c));
    if (!c)
        return -ENOMEM;
    *c = (struct completion){done, user, log_epoch(u->broker.log)};
    const unsigned reactor =
        atomic_fetch_add_explicit(&u->next_done, 1, memory_order_relaxed) % u->worker_count;
    const struct message_done told = {complete, c, reactor};
    const int err = publish(u, m, count, &(struct giving){.done = &told});
    if (err != 0)
        alloc_free(c);
    return err;
}
