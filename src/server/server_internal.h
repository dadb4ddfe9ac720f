/* What the files of server/ share: a server, its workers, and how their threads start and end
 * together. */
#pragma once

#include "conn/broker.h"
#include "conn/judge.h"
#include "conn/reactor.h"
#include "uproar.h"

#include <pthread.h>

enum worker_state { WORKER_STARTING, WORKER_READY, WORKER_FAILED };

struct worker {
    struct uproar *server;
    unsigned index;
    pthread_t thread;
    bool thread_started;
    enum worker_state state; /* under gate.lock */
    int err;                 /* of WORKER_FAILED */
    int listen_fds[IO_LISTENERS_MAX];
};

/* Threads start together or not at all, and let go of their rings only when none of them turns any
 * more: until then any of them may be woken. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum { GATE_HOLD, GATE_RUN, GATE_QUIT } order;
    unsigned left_count; /* workers that stopped turning */
};

struct uproar {
    struct broker broker;
    struct gate gate;
    struct worker *workers;
    struct reactor *reactors;
    unsigned worker_count;
    struct io_options io;
    struct io_probe probes[2]; /* what was tried to find io.backend */
    unsigned probe_count;
    struct uproar_callbacks on;
    void *user;
    struct judge_hooks hooks; /* `on`, as the reactors call it */
    unsigned listener_count;
    uint16_t ports[IO_LISTENERS_MAX];
    _Alignas(64) _Atomic uint32_t calling; /* calls under way: see server_enter() */
    _Atomic bool is_shut;
    _Atomic bool is_ending;     /* somebody frees it */
    _Atomic uint32_t next_done; /* whose reactor tells a publisher the order */
    _Atomic uint32_t next_sub;  /* whose a local subscription is */
    char *strings;              /* copies of tokens and origins */
    const char **origins;
};

/* Options checked, defaults filled in, strings copied. -EINVAL with *why, -ENOMEM. */
int settings_init(struct uproar *u, const struct uproar_options *given, char *why, size_t why_len)
    MUST_CHECK;
void settings_fini(struct uproar *u);
/* 0, the default, is SLOW_CLOSE too. */
enum slow_policy settings_slow(enum uproar_slow slow);
/* Which backends were tried, and what each operation said. */
void settings_log_probes(const struct uproar *u);

/* A call that reaches the log or a reactor begins. False: the server ends, -ESHUTDOWN is due. Until
 * server_leave() the reactors, their rings and the log stay, whoever calls uproar_free() meanwhile.
 */
ANY_THREAD bool server_enter(struct uproar *u) MUST_CHECK;
/* The same, for what is of use during the drain too: until the reactors have stopped turning. */
ANY_THREAD bool server_enter_until_end(struct uproar *u) MUST_CHECK;
ANY_THREAD void server_leave(struct uproar *u);
/* The reactors have stopped turning: lets nobody in any more, and waits for the calls under way,
 * which do not block. */
ANY_THREAD void server_shut(struct uproar *u);

/* -EINVAL: no kind; -EMSGSIZE; -EILSEQ. */
int server_check_body(const struct uproar *u, struct bytes body, enum uproar_kind kind) MUST_CHECK;

static inline struct bytes bytes_of(struct uproar_str s)
{
    return (struct bytes){(const uint8_t *)s.at, s.at ? s.len : 0};
}

/* Hands the embedder's callbacks about peers to the reactors, if there are any. */
void callbacks_init(struct uproar *u);

static inline struct uproar_str str_of(struct bytes b)
{
    return (struct uproar_str){(const char *)b.at, b.len};
}

/* A message in public dress: all but its cursor and headers. slot_count: of each reactor. */
void message_show(uint32_t slot_count, const struct message *m, struct uproar_message *out);
enum { HEADER_COUNT_MAX = 100 }; /* of a message of ours: uproar.h says so too */
/* Returns how many. */
size_t message_show_headers(const struct message *m,
                            struct uproar_header out[static HEADER_COUNT_MAX]);

/* Signals are the embedder's: our threads block them all. -EAGAIN, -ENOMEM. */
int thread_create(pthread_t *thread, void *(*run)(void *), void *arg) MUST_CHECK;

/* Starts all workers and waits until they listen. On failure none is left. */
int workers_start(struct uproar *u) MUST_CHECK;
/* Wakes every reactor that still turns. Any thread. */
void workers_wake(struct uproar *u);
/* BLOCKS until every thread is gone. */
void workers_join(struct uproar *u);
/* Is the calling thread one of them? */
bool workers_include_caller(const struct uproar *u);
