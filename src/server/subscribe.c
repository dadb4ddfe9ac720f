/* Local subscriptions as uproar.h has them: an eventfd, and messages in public dress. */
#include "server/server_internal.h"

#include "base/alloc.h"
#include "conn/local.h"
#include "http/target.h"
#include "io/wakefd.h"

#include <errno.h>

struct uproar_sub {
    struct local local; /* first: it is aligned to cache lines */

    /* Wakes announced, and seen by the subscriber's thread: while they differ the descriptor is, or
     * will be, readable. */
    _Alignas(64) _Atomic uint64_t announced;
    uint64_t seen;
    int fd;
    uint64_t epoch;      /* the log's; the server itself may be gone */
    uint32_t slot_count; /* of each of its reactors */

    struct message *current; /* what the last call gave */
    struct uproar_header headers[HEADER_COUNT_MAX];
    char pattern[TOPIC_MAX + 1];
};

static struct uproar_sub *sub_of(struct local *l)
{
    return (struct uproar_sub *)l;
}

static void wake(struct local *l)
{
    struct uproar_sub *s = sub_of(l);
    atomic_fetch_add_explicit(&s->announced, 1, memory_order_seq_cst);
    wakefd_ring(s->fd);
}

/* What was announced and has not come yet is left for the next time. */
static void quiet(struct local *l)
{
    struct uproar_sub *s = sub_of(l);
    if (s->seen != atomic_load_explicit(&s->announced, memory_order_seq_cst))
        s->seen += wakefd_take(s->fd);
}

static void free_sub(struct local *l)
{
    struct uproar_sub *s = sub_of(l);
    wakefd_close(s->fd);
    alloc_release(s, sizeof(*s));
}

/* --- subscribing ------------------------------------------------------------------------------ */

static struct cursor start_of(const struct uproar *u, const struct uproar_cursor *after)
{
    if (after)
        return (struct cursor){after->epoch, after->seq};
    return (struct cursor){log_epoch(u->broker.log), log_head(u->broker.log)};
}

static struct reactor *pick_reactor(struct uproar *u)
{
    const uint32_t number = atomic_fetch_add_explicit(&u->next_sub, 1, memory_order_relaxed);
    return &u->reactors[number % u->worker_count];
}

/* -ENOMEM, -EMFILE. */
static int join(struct uproar *u, struct uproar_sub *s, const struct local_options *o)
{
    s->fd = wakefd_open();
    if (s->fd < 0)
        return s->fd;
    s->local.options = *o;
    const int err = local_join(&s->local, pick_reactor(u));
    if (err != 0)
        wakefd_close(s->fd);
    return err;
}

static int subscribe(struct uproar *u, struct bytes pattern, const struct local_options *given,
                     struct uproar_sub **out)
{
    struct uproar_sub *s = alloc_reserve(sizeof(*s));
    if (!s)
        return -ENOMEM;
    memcpy(s->pattern, pattern.at, pattern.len);
    s->epoch = log_epoch(u->broker.log);
    s->slot_count = u->broker.slot_count;
    struct local_options o = *given;
    o.pattern = s->pattern;
    o.wake = wake;
    o.quiet = quiet;
    o.free = free_sub;
    const int err = join(u, s, &o);
    if (err != 0)
        alloc_release(s, sizeof(*s));
    else
        *out = s;
    return err;
}

int uproar_subscribe(struct uproar *u, const char *pattern, const struct uproar_cursor *after,
                     enum uproar_slow slow, struct uproar_sub **out)
{
    const struct bytes name = bytes_from(pattern);
    *out = NULL;
    if (!pattern || topic_filter_problem(name) || (unsigned)slow > UPROAR_SLOW_LATEST)
        return -EINVAL;
    if (!server_enter(u))
        return -ESHUTDOWN;
    const struct local_options o = {.slow = settings_slow(slow), .after = start_of(u, after)};
    const int err = subscribe(u, name, &o, out);
    server_leave(u);
    return err;
}

int uproar_sub_fd(const struct uproar_sub *s)
{
    return s->fd;
}

void uproar_unsubscribe(struct uproar_sub **s_ptr)
{
    struct uproar_sub *s = *s_ptr;
    *s_ptr = NULL;
    if (!s)
        return;
    if (s->current)
        message_unref(&s->current);
    local_leave(&s->local);
}

/* --- taking ----------------------------------------------------------------------------------- */

static void show(struct uproar_sub *s, struct uproar_message *out)
{
    const struct message *m = s->current;
    message_show(s->slot_count, m, out);
    out->cursor = (struct uproar_cursor){s->epoch, m->seq};
    out->header_count = message_show_headers(m, s->headers);
    out->headers = s->headers;
}

static void show_gap(const struct local_gap *gap, struct uproar_gap *out)
{
    *out = (struct uproar_gap){{gap->after.epoch, gap->after.seq},
                               {gap->resumed.epoch, gap->resumed.seq}};
}

enum uproar_next uproar_sub_next(struct uproar_sub *s, struct uproar_message *m,
                                 struct uproar_gap *gap)
{
    struct local_gap lost;
    if (s->current)
        message_unref(&s->current);
    switch (local_next(&s->local, &s->current, &lost)) {
    case LOCAL_MESSAGE:
        show(s, m);
        return UPROAR_MESSAGE;
    case LOCAL_GAP:
        show_gap(&lost, gap);
        return UPROAR_GAP;
    case LOCAL_END:
        return UPROAR_END;
    case LOCAL_NONE:
        break;
    }
    return UPROAR_NONE;
}
