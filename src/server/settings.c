/* From options to settings: defaults, limits, copies. */
#define _GNU_SOURCE
#include "server/server_internal.h"

#include "base/alloc.h"
#include "io/process.h"

#include <errno.h>
#include <stdio.h>

enum {
    THREADS_MAX = LOG_REACTORS_MAX,
    /* Descriptors that are not connections: listeners, rings, wake-ups, standard streams, and the
     * peers that are just being refused. */
    FDS_RESERVED = 256,
    CONNECTIONS_MAX = 100000000, /* the program's flag says so too */
    MESSAGE_BYTES_MAX = 1 << 28, /* its largest image stays below what one send takes */
    SLOTS_MAX = 1 << 20,         /* the largest file table of a ring */
    RING_FDS_MORE = 2,           /* a reactor with several rings: theirs, and so many besides */
    TOKEN_MAX = 512,             /* what a query's token is decoded into */
    INTERVAL_MS_MAX = 24 * 3600 * 1000,
};

void uproar_options_init(struct uproar_options *o, size_t size)
{
    memset(o, 0, size);
    o->size = size;
}

#define DEFAULT(value, otherwise) ((value) ? (value) : (otherwise))

static int refuse(char *why, size_t why_len, const char *line)
{
    snprintf(why, why_len, "%s", line);
    return -EINVAL;
}

static int not_built(char *why, size_t why_len, const char *line)
{
    (void)refuse(why, why_len, line);
    return -ENOTSUP;
}

/* --- strings ---------------------------------------------------------------------------------- */

static size_t copy_size(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

static struct bytes copy_in(char **at, const char *s)
{
    if (!s)
        return (struct bytes){0};
    const size_t size = strlen(s) + 1;
    memcpy(*at, s, size);
    const struct bytes copy = {(const uint8_t *)*at, size - 1};
    *at += size;
    return copy;
}

static int copy_strings(struct uproar *u, const struct uproar_options *o)
{
    size_t count = 0, size = copy_size(o->publish_token) + copy_size(o->subscribe_token) +
                             copy_size(o->admin_token) + 1;
    while (o->allow_origins && o->allow_origins[count])
        size += copy_size(o->allow_origins[count++]);
    u->strings = alloc_bytes(size);
    u->origins = alloc_zeroed((count + 1) * sizeof(char *));
    if (!u->strings || !u->origins)
        return -ENOMEM;
    char *at = u->strings;
    u->broker.settings.publish_token = copy_in(&at, o->publish_token);
    u->broker.settings.subscribe_token = copy_in(&at, o->subscribe_token);
    u->broker.settings.admin_token = copy_in(&at, o->admin_token);
    for (size_t i = 0; i < count; i++)
        u->origins[i] = (const char *)copy_in(&at, o->allow_origins[i]).at;
    u->broker.settings.origins.allowed = u->origins;
    return 0;
}

void settings_fini(struct uproar *u)
{
    alloc_free(u->strings);
    alloc_free(u->origins);
}

/* --- numbers ---------------------------------------------------------------------------------- */

struct probing {
    enum io_backend backend;
    struct io_probe *probe;
};

static void *probe_main(void *arg)
{
    const struct probing *p = arg;
    io_probe(p->backend, p->probe);
    return NULL;
}

/* On a thread of its own: what the kernel has yet to do for rings that are gone interrupts the
 * system calls of the thread that had them, and that would be the embedder's. */
static void probe_io(enum io_backend backend, struct io_probe *probe)
{
    struct probing p = {backend, probe};
    pthread_t thread;
    if (thread_create(&thread, probe_main, &p) == 0)
        pthread_join(thread, NULL);
    else
        probe_main(&p);
}

/* Tries a backend; the result stays in u->probes, to be logged once the server stands. */
static bool try_io(struct uproar *u, enum io_backend backend)
{
    struct io_probe *probe = &u->probes[u->probe_count++];
    probe_io(backend, probe);
    u->io.backend = backend;
    return probe->usable;
}

static int choose_io(struct uproar *u, const struct uproar_options *o, char *why, size_t why_len)
{
    if (o->io != UPROAR_IO_EPOLL && try_io(u, IO_URING))
        return 0;
    if (o->io != UPROAR_IO_URING && try_io(u, IO_EPOLL))
        return 0;
    const struct io_probe *last = &u->probes[u->probe_count - 1];
    snprintf(why, why_len, "--io %s does not work here: %s", io_backend_name(u->io.backend),
             last->why);
    return last->err == -ENOMEM || last->err == -EMFILE ? last->err : -ENOTSUP;
}

void settings_log_probes(const struct uproar *u)
{
    for (unsigned i = 0; i < u->probe_count; i++) {
        const struct io_probe *probe = &u->probes[i];
        logline(&u->broker.sink, LOGLINE_INFO,
                "%s, as tried here:", probe->usable ? u->broker.io_name : probe->why);
        for (const char *at = probe->table; *at;) {
            const char *end = strchrnul(at, '\n');
            logline(&u->broker.sink, LOGLINE_INFO, "  %.*s", (int)(end - at), at);
            at = *end ? end + 1 : end;
        }
    }
}

static uint64_t square_root(uint64_t n)
{
    uint64_t root = 0;
    while ((root + 1) * (root + 1) <= n)
        root++;
    return root;
}

/* A reactor's slots where one ring has not enough for all. The capacity is the server's: whichever
 * reactor the kernel picks for a peer must have a slot, or the peer waits in its backlog, unserved
 * and not refused. The kernel picks by a hash of the addresses, so a reactor's part is binomial:
 * its deviation is below the root of its share. Eight of these, and 2 % for a hash that is not
 * perfect, are cheap: a slot that is not used costs 8 bytes in the ring's table. */
static uint64_t share_slots(uint64_t wanted, uint64_t reactors, uint64_t fds)
{
    const uint64_t share = wanted / reactors + 1;
    const uint64_t slots = share + share / 50 + 8 * square_root(share);
    const uint64_t enough = (slots < wanted ? slots : wanted) + FDS_RESERVED;
    return enough > fds ? enough : fds; /* a first ring that is whole costs nothing more */
}

/* The descriptors that the rings take, on all reactors. */
static uint64_t ring_fds(uint64_t slots, uint64_t reactors, uint64_t fds)
{
    return reactors * ((slots + fds - 1) / fds + RING_FDS_MORE);
}

static int refuse_count(uint64_t wanted, uint64_t fds, uint64_t most, struct span why)
{
    snprintf((char *)why.at, why.len,
             "%llu connections (--max-connections) are more than RLIMIT_NOFILE (%llu) "
             "allows: at most %llu",
             (unsigned long long)wanted, (unsigned long long)fds, (unsigned long long)most);
    return -EINVAL;
}

static int refuse_rings(uint64_t wanted, uint64_t rings, uint64_t fds, struct span why)
{
    snprintf((char *)why.at, why.len,
             "%llu connections (--max-connections) need %llu descriptors for their rings: more "
             "than RLIMIT_NOFILE (%llu) allows",
             (unsigned long long)wanted, (unsigned long long)rings, (unsigned long long)fds);
    return -EINVAL;
}

/* Where a slot is a descriptor, any number below the limit may come. */
static int choose_capacity(struct uproar *u, const struct uproar_options *o, struct span why)
{
    const bool slot_is_fd = u->probes[u->probe_count - 1].slot_is_fd;
    const uint64_t limit = process_fd_limit();
    const uint64_t fds = limit < SLOTS_MAX ? limit : SLOTS_MAX;
    const uint64_t most = fds > 2 * FDS_RESERVED ? fds - FDS_RESERVED : fds / 2;
    const uint64_t wanted = DEFAULT(o->connection_count_max, most);
    uint64_t slots = slot_is_fd || wanted + FDS_RESERVED > fds ? fds : wanted + FDS_RESERVED;
    if (wanted > most && slot_is_fd)
        return refuse_count(wanted, fds, most, why);
    if (wanted > most)
        slots = share_slots(wanted, u->worker_count, fds);
    if (ring_fds(slots, u->worker_count, fds) > most && slots > fds)
        return refuse_rings(wanted, ring_fds(slots, u->worker_count, fds), fds, why);
    u->broker.settings.conn_count_max = (uint32_t)wanted;
    u->io.slot_count = (uint32_t)slots;
    u->io.log = &u->broker.sink;
    return 0;
}

static bool is_long(const char *token)
{
    return token && strlen(token) > TOKEN_MAX;
}

static int check_limits(const struct uproar_options *o, char *why, size_t why_len)
{
    if (o->listen_count > IO_LISTENERS_MAX)
        return refuse(why, why_len, "at most 16 listen addresses");
    if (o->thread_count > THREADS_MAX)
        return refuse(why, why_len, "at most 256 threads");
    if (o->connection_count_max > CONNECTIONS_MAX)
        return refuse(why, why_len, "at most 100 million connections");
    if (is_long(o->publish_token) || is_long(o->subscribe_token) || is_long(o->admin_token))
        return refuse(why, why_len, "a token is at most 512 bytes");
    if (o->message_bytes_max > MESSAGE_BYTES_MAX)
        return refuse(why, why_len, "a message is at most 256 MiB");
    if (o->heartbeat_ms > INTERVAL_MS_MAX || o->ping_ms > INTERVAL_MS_MAX ||
        o->drain_ms > INTERVAL_MS_MAX || o->history_ms > INTERVAL_MS_MAX ||
        o->stream_max_ms > INTERVAL_MS_MAX)
        return refuse(why, why_len, "intervals are at most a day");
    for (size_t i = 0; i < o->listen_count; i++)
        if (o->listen[i].stomp_tcp || o->listen[i].cert_file || o->listen[i].key_file)
            return not_built(why, why_len, "STOMP and TLS are not in this version");
    if ((unsigned)o->io > UPROAR_IO_EPOLL)
        return refuse(why, why_len, "io is none of enum uproar_io");
    if ((unsigned)o->slow > UPROAR_SLOW_LATEST)
        return refuse(why, why_len, "slow is none of enum uproar_slow");
    if ((unsigned)o->deflate > UPROAR_DEFLATE_FULL)
        return refuse(why, why_len, "deflate is none of enum uproar_deflate");
    return 0;
}

enum slow_policy settings_slow(enum uproar_slow slow)
{
    switch (slow) {
    case UPROAR_SLOW_LATEST:
        return SLOW_LATEST;
    case UPROAR_SLOW_SKIP:
        return SLOW_SKIP;
    case UPROAR_SLOW_CLOSE:
        break;
    }
    return SLOW_CLOSE;
}

static enum deflate_policy deflate_policy(enum uproar_deflate deflate)
{
    switch (deflate) {
    case UPROAR_DEFLATE_OFF:
        return DEFLATE_OFF;
    case UPROAR_DEFLATE_FULL:
        return DEFLATE_FULL;
    case UPROAR_DEFLATE_SHARED:
        break;
    }
    return DEFLATE_SHARED;
}

static void fill_settings(struct broker_settings *s, const struct uproar_options *o)
{
    s->message_bytes_max = DEFAULT(o->message_bytes_max, o->target ? 16u << 20 : 1u << 20);
    s->body_bytes_max = DEFAULT(o->body_memory, 256ull << 20);
    s->history_count = DEFAULT(o->history_count, 65536);
    s->history_ms = DEFAULT(o->history_ms, 300000);
    s->history_bytes = DEFAULT(o->history_bytes, 64ull << 20);
    s->heartbeat_ms = DEFAULT(o->heartbeat_ms, 15000);
    s->ping_ms = DEFAULT(o->ping_ms, 25000);
    s->drain_ms = DEFAULT(o->drain_ms, 10000);
    s->stream_max_ms = o->stream_max_ms;
    s->slow = settings_slow(o->slow);
    s->deflate = deflate_policy(o->deflate);
    s->deflate_bytes_min = DEFAULT(o->deflate_bytes_min, 256);
    s->is_target = o->target;
}

int settings_init(struct uproar *u, const struct uproar_options *given, char *why, size_t why_len)
{
    struct uproar_options o = {0};
    if (given->size < sizeof(size_t) || given->size > sizeof(o))
        return refuse(why, why_len, "options.size is not that of this library or an older one");
    memcpy(&o, given, given->size); /* an older program's is shorter: the rest are defaults */
    int err = check_limits(&o, why, why_len);
    if (err != 0)
        return err;
    u->on = o.on;
    u->user = o.user;
    u->broker.sink = (struct logline_sink){.write = o.on.on_log, .user = o.user};
    fill_settings(&u->broker.settings, &o);
    u->worker_count = DEFAULT(o.thread_count, process_cpu_count());
    if (u->worker_count > THREADS_MAX)
        u->worker_count = THREADS_MAX;
    err = choose_io(u, &o, why, why_len);
    if (err != 0)
        return err;
    if (choose_capacity(u, &o, (struct span){(uint8_t *)why, why_len}) != 0)
        return -EINVAL;
    return copy_strings(u, &o);
}
