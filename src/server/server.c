/* The public API over the workers: start, stop, free. */
#include "server/server_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "conn/metrics.h"
#include "http/target.h"
#include "io/listener.h"
#include "log/cursor.h"
#include "ws/handshake.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { PORT_PATIENCE_MS = 1000 }; /* a predecessor may be leaving */

/* The build passes UPROAR_VERSION: the version stands in meson.build, and nowhere else. */
const char *uproar_version(void)
{
    return UPROAR_VERSION;
}

/* --- start ------------------------------------------------------------------------------------ */

static void wake_reactor(void *user, unsigned reactor)
{
    struct uproar *u = user;
    io_wake(u->reactors[reactor].io);
}

static int open_log(struct uproar *u)
{
    struct broker *b = &u->broker;
    const struct log_options o = {
        .reactor_count = u->worker_count,
        .history_count = b->settings.history_count,
        .history_bytes = b->settings.history_bytes,
        .wake = wake_reactor,
        .wake_user = u,
    };
    clock_random_bytes(&b->hash_key, sizeof(b->hash_key));
    b->version = UPROAR_VERSION;
    b->io_name = io_backend_name(u->io.backend);
    b->reactors = u->reactors;
    b->reactor_count = u->worker_count;
    b->slot_count = u->io.slot_count;
    callbacks_init(u);
    return log_new(&b->log, &o);
}

static int allocate(struct uproar *u)
{
    u->workers = alloc_zeroed(u->worker_count * sizeof(struct worker));
    u->reactors = alloc_reserve(u->worker_count * sizeof(struct reactor));
    return u->workers && u->reactors ? open_log(u) : -ENOMEM;
}

static int open_listener(struct uproar *u, unsigned index, const struct uproar_listen *listen,
                         struct span why)
{
    int fds[LOG_REACTORS_MAX];
    const struct listener_options o = {
        .count = u->worker_count,
        .heartbeat_ms = u->broker.settings.heartbeat_ms,
        .patience_ms = PORT_PATIENCE_MS,
    };
    const int err = listen->address ? listener_open(listen->address, &o, fds, &u->ports[index], why)
                                    : listener_adopt(listen->fd, &o, fds, &u->ports[index], why);
    if (err != 0)
        return err;
    for (unsigned i = 0; i < u->worker_count; i++)
        u->workers[i].listen_fds[index] = fds[i];
    u->listener_count = index + 1;
    return 0;
}

static int open_listeners(struct uproar *u, const struct uproar_options *o, char *why,
                          size_t why_len)
{
    const struct span line = {(uint8_t *)why, why_len};
    int err = 0;
    for (unsigned i = 0; i < o->listen_count && err == 0; i++)
        err = open_listener(u, i, &o->listen[i], line);
    return err;
}

/* Each reactor has a duplicate. */
static void take_descriptors(const struct uproar_options *o)
{
    for (size_t i = 0; i < o->listen_count; i++)
        if (!o->listen[i].address)
            listener_close(o->listen[i].fd);
}

static void close_listeners(struct uproar *u)
{
    for (unsigned i = 0; i < u->worker_count; i++)
        for (unsigned k = 0; k < u->listener_count; k++)
            listener_close(u->workers[i].listen_fds[k]);
}

static void destroy(struct uproar *u)
{
    if (u->workers)
        close_listeners(u);
    if (u->broker.log)
        log_free(&u->broker.log);
    settings_fini(u);
    alloc_free(u->workers);
    alloc_release(u->reactors, u->worker_count * sizeof(struct reactor));
    pthread_cond_destroy(&u->gate.changed);
    pthread_mutex_destroy(&u->gate.lock);
    alloc_release(u, sizeof(*u));
}

/* OpenSSL's first digest loads and relocates for milliseconds: not in a reactor's turn. */
static int warm_up(void)
{
    char accept[WS_ACCEPT_LEN];
    return ws_accept(BYTES_LITERAL("AAAAAAAAAAAAAAAAAAAAAA=="), accept) ? 0 : -ENOMEM;
}

static int start(struct uproar *u, const struct uproar_options *o, char *why, size_t why_len)
{
    int err = settings_init(u, o, why, why_len);
    if (err == 0)
        err = allocate(u);
    if (err == 0)
        err = warm_up();
    if (err == 0)
        err = open_listeners(u, o, why, why_len);
    if (err == 0)
        err = workers_start(u);
    if (err != 0)
        return err;
    take_descriptors(o);
    settings_log_probes(u);
    return 0;
}

int uproar_start(const struct uproar_options *o, struct uproar **out, char *why, size_t why_len)
{
    *out = NULL;
    char unused[1];
    if (!why || why_len == 0) {
        why = unused;
        why_len = sizeof(unused);
    }
    why[0] = '\0';
    struct uproar *u = alloc_reserve(sizeof(*u));
    if (!u)
        return -ENOMEM;
    pthread_mutex_init(&u->gate.lock, NULL);
    pthread_cond_init(&u->gate.changed, NULL);
    *out = u; /* callbacks may need it before we return */
    const int err = start(u, o, why, why_len);
    if (err != 0) {
        *out = NULL;
        if (why[0] == '\0')
            snprintf(why, why_len, "cannot start: %s", strerror(-err));
        logline_clean(why);
        destroy(u);
    }
    return err;
}

int uproar_port(const struct uproar *u, size_t listen_index)
{
    return listen_index < u->listener_count ? u->ports[listen_index] : -EINVAL;
}

/* No listener has one: uproar_start() refuses what it cannot do. */
int uproar_reload_tls(struct uproar *u, char *why, size_t why_len)
{
    (void)u;
    if (why && why_len > 0)
        snprintf(why, why_len, "no listener has a certificate");
    return -ENOTSUP;
}

const char *uproar_io_name(const struct uproar *u)
{
    return u->broker.io_name;
}

/* --- end -------------------------------------------------------------------------------------- */

int uproar_stop(struct uproar *u)
{
    uint64_t not_draining = 0;
    const bool held = server_enter_until_end(u); /* a callback may call when nobody else may */
    if (!atomic_compare_exchange_strong(&u->broker.drain_ns, &not_draining, clock_monotonic_ns()))
        atomic_store(&u->broker.end_now, true);
    workers_wake(u);
    if (held)
        server_leave(u);
    return 0;
}

static void log_drain(struct uproar *u)
{
    uint32_t told = 0;
    for (unsigned i = 0; i < u->worker_count; i++)
        told += u->reactors[i].drain_done;
    const uint64_t began_ns = atomic_load(&u->broker.drain_ns);
    logline(&u->broker.sink, LOGLINE_INFO, "drained: %u stream%s ended in %.1f s", told,
            told == 1 ? "" : "s", (double)(clock_monotonic_ns() - began_ns) / 1e9);
}

int uproar_free(struct uproar **u_ptr)
{
    struct uproar *u = *u_ptr;
    if (!u)
        return 0;
    if (workers_include_caller(u) || atomic_exchange(&u->is_ending, true))
        return -EDEADLK; /* we call back, too, when the workers are gone */
    if (!broker_is_draining(&u->broker))
        uproar_stop(u);
    workers_join(u);
    log_drain(u);
    destroy(u);
    *u_ptr = NULL;
    return 0;
}

/* --- small things ----------------------------------------------------------------------------- */

int uproar_query_value(struct uproar_str query, const char *name, char *out, size_t out_len)
{
    if (out_len == 0)
        return -EINVAL;
    const int len = http_query_get(bytes_of(query), name, (uint8_t *)out, out_len - 1);
    out[len < 0 ? 0 : len] = '\0';
    if (len < 0)
        return len == HTTP_QUERY_ABSENT ? -ENOENT : -EINVAL;
    return len;
}

int uproar_cursor_parse(struct uproar_str text, struct uproar_cursor *out)
{
    struct cursor c;
    const struct bytes b = {(const uint8_t *)text.at, text.at ? text.len : 0};
    if (!cursor_parse(b, &c))
        return -EINVAL;
    *out = (struct uproar_cursor){c.epoch, c.seq};
    return 0;
}

int uproar_cursor_format(struct uproar_cursor c, char *out)
{
    static_assert((int)UPROAR_CURSOR_TEXT_MAX == (int)CURSOR_TEXT_MAX, "one cursor everywhere");
    return (int)cursor_format((struct cursor){c.epoch, c.seq}, out);
}

int uproar_metrics(const struct uproar *u, char *out, size_t out_len)
{
    struct uproar *counted = (struct uproar *)(uintptr_t)u;
    struct text text = {0};
    const bool held = server_enter_until_end(counted);
    metrics_add(&text, &u->broker);
    if (held)
        server_leave(counted);
    const int len = text.failed ? -ENOMEM : (int)text.len;
    if (out_len > 0 && len >= 0) {
        const size_t copied = text.len < out_len ? text.len : out_len - 1;
        memcpy(out, text.at, copied);
        out[copied] = '\0';
    }
    text_fini(&text);
    return len;
}
