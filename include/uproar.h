/* uproar: WebSocket and Server-Sent Events over one ordered log of messages, in your process.
 *
 * Threads: any function may be called on any thread, callbacks included, and none blocks, except
 * where marked BLOCKS. Memory: what is passed in is copied before the call returns, unless it is
 * `taken`; what a callback is given dies when it returns. Errors: 0 or a count, else -errno. The
 * library never exits, prints or touches signals; its threads block all signals; there are no
 * globals: several servers may run in one process.
 *
 * Callbacks run on a reactor thread unless said otherwise: never two at once for one peer, in
 * parallel for different peers. They must not block. While one does, the other peers of its reactor
 * wait, and publishing ends in -EAGAIN once that reactor's ring is full; metrics name the callback
 * and the reactor from the moment it is late, and a log line follows when it returns. Who cannot
 * answer at once returns UPROAR_LATER and answers from elsewhere. */
#ifndef UPROAR_H
#define UPROAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The library exports what is marked with it, and nothing else. */
#ifdef __GNUC__
#define UPROAR_API __attribute__((visibility("default")))
#else
#define UPROAR_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes; UPROAR_CURSOR_TEXT_MAX: 16 hex digits, '-', 20 digits, NUL. */
enum { UPROAR_TOPIC_MAX = 255, UPROAR_CURSOR_TEXT_MAX = 38 };

struct uproar;     /* a server with its log */
struct uproar_sub; /* a local subscription */

/* NUL not needed; at == NULL: absent. */
struct uproar_str {
    const char *at;
    size_t len;
};

/* A place in the log: valid for the life of one log (its epoch). */
struct uproar_cursor {
    uint64_t epoch, seq;
};

struct uproar_header {
    struct uproar_str name, value;
};

/* One WebSocket, one event stream, one long-poll, or one other HTTP request: on a connection that
 * is kept each request is a peer of its own, because a proxy may send those of many users through
 * it. An id is not given to another while anybody could still mean the first (not before its place
 * was taken and left four thousand million times). 0: none. */
struct uproar_peer {
    uint64_t id;
};

/* A question that was put off with UPROAR_LATER: answered once. */
struct uproar_ticket {
    uint64_t id;
};

enum uproar_kind { UPROAR_TEXT = 1, UPROAR_BINARY }; /* TEXT is checked: not UTF-8 gives -EILSEQ */
enum uproar_io { UPROAR_IO_AUTO, UPROAR_IO_URING, UPROAR_IO_EPOLL };
enum uproar_proto { UPROAR_HTTP = 1, UPROAR_POLL, UPROAR_SSE, UPROAR_WS, UPROAR_STOMP };

/* What becomes of a subscriber that is so far behind that its next messages are gone from the
 * history: CLOSE ends its connection, it may come back; SKIP tells it the gap and goes on with the
 * oldest message there is; LATEST gives it the newest message of each topic until it keeps up. */
enum uproar_slow { UPROAR_SLOW_CLOSE = 1, UPROAR_SLOW_SKIP, UPROAR_SLOW_LATEST };

/* permessage-deflate (RFC 7692). SHARED: each message is compressed alone and once, for all its
 * subscribers, and costs an idle connection nothing. FULL: what a peer sends may refer to what it
 * has sent before; 40 KiB for each peer that does, within half of body_memory, beyond which it may
 * not. On /echo of a target both sides keep what the peer offers to, within the same bound. */
enum uproar_deflate { UPROAR_DEFLATE_OFF = 1, UPROAR_DEFLATE_SHARED, UPROAR_DEFLATE_FULL };

/* DENY: 403; LOGIN: 401. A WebSocket that publishes without leave is closed with 1008 by either.
 * Anything that is none of these counts as DENY. */
enum uproar_verdict { UPROAR_ALLOW = 1, UPROAR_DENY, UPROAR_LOGIN, UPROAR_LATER };

/* What the handshake said, or the request. Nothing of it was checked but its form. */
struct uproar_peer_info {
    struct uproar_peer peer;
    enum uproar_proto proto;
    struct uproar_str address;     /* "192.0.2.7:4711", "[2001:db8::7]:4711"; of a proxy, its own */
    struct uproar_str path, query; /* as sent: see uproar_query_value(); without '?' */
    struct uproar_str origin;      /* absent: not from a page */
    struct uproar_str subprotocol; /* what a WebSocket offers */
    struct uproar_str login, passcode; /* of STOMP, which this version does not speak: absent */
    struct uproar_str tls_subject;     /* of a client's certificate: absent without TLS */
    const struct uproar_header *headers;
    size_t header_count; /* names in lower case */
    void *user;          /* yours, from uproar_set_user(); NULL at first */
};

struct uproar_message {
    struct uproar_str topic, body;
    struct uproar_str event, content_type; /* at most 255 and 127 bytes; may be absent */
    enum uproar_kind kind;
    /* Yours; JSON envelopes and local subscribers show them. UTF-8, the names differ and are not
     * empty; at most 100 headers, and 65,535 bytes with 4 more for each. */
    const struct uproar_header *headers;
    size_t header_count;
    /* Set by the log; ignored by publish. */
    struct uproar_cursor cursor;
    int64_t time_ms;         /* Unix time */
    struct uproar_peer from; /* 0: published by this process */
};

/* Messages in (after, resumed] may be missing. */
struct uproar_gap {
    struct uproar_cursor after, resumed;
};

/* NULL: allow, ignore. Page loads, probes and preflights are nobody's peer and ask nothing. Options
 * that refuse (allow_origins, tokens) come first. */
struct uproar_callbacks {
    /* Before anything is read or answered: once for each peer. */
    enum uproar_verdict (*on_open)(void *user, const struct uproar_peer_info *,
                                   struct uproar_ticket);
    /* Once for each topic and pattern that it asks for, before it gets any. */
    enum uproar_verdict (*on_subscribe)(void *user, const struct uproar_peer_info *,
                                        struct uproar_str pattern, struct uproar_ticket);
    /* For each message from a peer; what the process itself publishes asks nobody. */
    enum uproar_verdict (*on_publish)(void *user, const struct uproar_peer_info *,
                                      const struct uproar_message *, struct uproar_ticket);
    /* Once for each on_open that allowed (also when on_open is NULL): the peer is gone. code: as a
     * WebSocket's (RFC 6455, 7.4) for everybody: 1000 it has all it asked for, 1001 the server goes
     * away, 1006 it vanished, 1008 refused, 1013 too slow. Also at the end of uproar_free(). */
    void (*on_close)(void *user, const struct uproar_peer_info *, int code,
                     struct uproar_str reason);
    /* A line for people, without its end, of UTF-8 without control characters; syslog levels (3
     * error, 4 warning, 6 info). Any thread of the library, and the caller's in uproar_start() and
     * uproar_free(). Rate-limited by the library: one line per cause and second, with a count. */
    void (*on_log)(void *user, int syslog_level, const char *line);
    /* On reactor thread `index`, as it starts and before it ends: name it, pin it. */
    void (*on_thread)(void *user, unsigned index, bool starting);
};

struct uproar_listen {
    const char *address; /* "127.0.0.1:8080", "[::]:0"; NULL: fd */
    int fd;              /* a listening TCP socket, which is taken when uproar_start() succeeds */
    /* For what is to come: -ENOTSUP in this version when set. */
    bool stomp_tcp;
    const char *cert_file, *key_file;
};

/* From uproar_options_init(); 0 or NULL: the default. */
struct uproar_options {
    size_t size; /* sizeof as compiled: an old program meets a newer library */

    const struct uproar_listen *listen;
    size_t listen_count; /* at most 16; 0: no socket, a broker inside the process */

    enum uproar_io io;     /* AUTO: io_uring where it works, else epoll */
    unsigned thread_count; /* reactors; default: CPUs of the affinity mask */
    /* The whole server; default: what RLIMIT_NOFILE allows. More need io_uring with registered
     * files; otherwise such a start is refused, with the reason. */
    uint32_t connection_count_max;
    uint32_t message_bytes_max; /* default 1 MiB, with `target` 16 MiB */
    uint64_t body_memory;       /* bytes for unfinished bodies and messages; default 256 MiB */

    uint32_t history_count; /* messages the log keeps; default 65,536 */
    uint32_t history_ms;    /* and how long; default 300,000 */
    uint64_t history_bytes; /* payload + 256 a message; default 64 MiB */

    uint32_t heartbeat_ms;  /* SSE comment; who vanished is gone after two; default 15,000 */
    uint32_t ping_ms;       /* WebSocket ping, dead after two without an answer; default 25,000 */
    uint32_t drain_ms;      /* uproar_stop() spreads goodbyes over it; default 10,000 */
    uint32_t stream_max_ms; /* an event stream ends after it, to be resumed; default: never */
    enum uproar_slow slow;  /* of peers; default UPROAR_SLOW_CLOSE */
    enum uproar_deflate deflate; /* of WebSockets that offer it; default UPROAR_DEFLATE_SHARED */
    uint32_t deflate_bytes_min;  /* shorter messages are not compressed; default 256 */
    bool target;                 /* load-test endpoints: /echo and /headers */

    const char *const *allow_origins; /* "https://example.org", ...; ends in NULL */
    const char *publish_token;        /* demanded from publishers; NULL: none */
    const char *subscribe_token;      /* demanded from subscribers; NULL: none */
    const char *admin_token;          /* demanded from who finishes a topic; NULL: nobody may */

    struct uproar_callbacks on;
    void *user; /* handed to the callbacks */
};

/* Sets *o to the defaults. size: sizeof(struct uproar_options) as the caller compiled it. */
UPROAR_API void uproar_options_init(struct uproar_options *o, size_t size);

/* BLOCKS until it listens. *out is set before the first callback. On failure it is NULL, and `why`
 * holds one line for people, as clean as those of on_log. -EINVAL: an option; -EADDRINUSE: a listen
 * address, `why` names a free port; -ENOTSUP: the I/O backend that was asked for does not work
 * here, or this version has not what was; -ENOMEM, -EMFILE and what the system says. */
UPROAR_API int uproar_start(const struct uproar_options *o, struct uproar **out, char *why,
                            size_t why_len);

/* The real port of listen[listen_index], also for port 0. -EINVAL: no such listener. */
UPROAR_API int uproar_port(const struct uproar *u, size_t listen_index);

/* "uring" or "epoll": what was chosen. */
UPROAR_API const char *uproar_io_name(const struct uproar *u);

/* Begins the drain: readyz says 503, no new peers, goodbyes spread over drain_ms (WebSocket 1001,
 * SSE end). What was accepted is delivered first, as long as there is time: a local subscription
 * that does not take it makes the drain last. Called again: ends it now. */
UPROAR_API int uproar_stop(struct uproar *u);

/* BLOCKS: stops if nobody has, waits for the drain's end and for calls under way on other threads,
 * joins the threads, frees, clears *u. No call may begin after it has; local subscriptions stay
 * until uproar_unsubscribe(), and have an end. -EDEADLK in a callback. *u == NULL is fine. Says in
 * one log line how many peers left and how long it took. */
UPROAR_API int uproar_free(struct uproar **u);

/* --- publishing -------------------------------------------------------------------------------
 * -EAGAIN: the log is full, nothing was taken; -EINVAL: not a topic one can publish to, or a field
 * that is none; -EILSEQ: TEXT, or another field, that is not UTF-8; -EMSGSIZE: longer than
 * message_bytes_max; -ESHUTDOWN after uproar_stop(); -ENOMEM. One thread's calls keep their order.
 */

/* Once, when the order is fixed, on a reactor thread. err: 0; -EPIPE: a topic was finished, its
 * messages reach nobody; -ESHUTDOWN, from uproar_free(): the server ended before. last: the place
 * of the last message. */
typedef void uproar_done_fn(void *user, int err, struct uproar_cursor last);

/* Publishes to every subscriber of the topic. */
UPROAR_API int uproar_publish(struct uproar *u, const char *topic, const void *body, size_t len,
                              enum uproar_kind kind);

/* Publishes count >= 1 messages as one adjacent run: all of them or none. done: NULL is fine; after
 * uproar_free() every one has run. On failure it is not called. */
UPROAR_API int uproar_publish_many(struct uproar *u, const struct uproar_message *m, size_t count,
                                   uproar_done_fn *done, void *user);

/* Publishes a message whose body is not copied: it is taken on success, and must not change until
 * release, which is called once, on any thread, after the last subscriber and the history let go of
 * it: with local subscriptions left, after uproar_free(). WebSockets get a copy, made once. */
UPROAR_API int uproar_publish_taken(struct uproar *u, const struct uproar_message *m,
                                    void (*release)(void *user, const void *body), void *user);

/* --- subscribing in this process --------------------------------------------------------------
 * A local subscription is pulled by your loop. It is a cursor into the log like every subscriber:
 * what it has not taken yet is kept by the history, and `slow` decides when that is trimmed. Other
 * threads may use other subscriptions meanwhile; one is for one thread at a time. */

/* pattern: a topic, or one with `*` and `#`. after: NULL, what is published from now on; else the
 * messages behind that place. slow: 0 is UPROAR_SLOW_CLOSE. -EINVAL: not a pattern; -ESHUTDOWN;
 * -ENOMEM, -EMFILE. What is published after it has returned is received. */
UPROAR_API int uproar_subscribe(struct uproar *u, const char *pattern,
                                const struct uproar_cursor *after, enum uproar_slow slow,
                                struct uproar_sub **out);

/* An eventfd that is readable when uproar_sub_next() has something: for poll, epoll or io_uring, to
 * be neither read nor closed. The same for the life of the subscription. */
UPROAR_API int uproar_sub_fd(const struct uproar_sub *s);

enum uproar_next { UPROAR_NONE, UPROAR_MESSAGE, UPROAR_GAP, UPROAR_END };

/* The next message (*m: valid until the next call), gap (*gap), or nothing for now. The fd is quiet
 * again only after UPROAR_NONE: call until then. END: the topic was finished, the server is gone,
 * or it was too slow (UPROAR_SLOW_CLOSE); nothing more will come. */
UPROAR_API enum uproar_next uproar_sub_next(struct uproar_sub *s, struct uproar_message *m,
                                            struct uproar_gap *gap);

/* Ends it and clears *s; NULL is fine. Also after uproar_free(). Take its descriptor out of your
 * loop before: it is closed some time later. */
UPROAR_API void uproar_unsubscribe(struct uproar_sub **s);

/* --- peers ------------------------------------------------------------------------------------ */

/* Answers what was put off with UPROAR_LATER; without an answer in 10 s the peer gets 503 (a
 * WebSocket: 1013). May come before the callback has returned. -ENOENT: not open, already answered
 * or gone; -EINVAL: LATER again; -ENOMEM: it stays open; -ESHUTDOWN at the end. */
UPROAR_API int uproar_answer(struct uproar *u, struct uproar_ticket t, enum uproar_verdict v);

/* A message to one WebSocket or event stream, outside the log: no cursor, no history, behind what
 * is on its way already. JSON formats show it as {"direct":{"data":...}}, or "base64". While its
 * question is open it waits for it. -ENOENT: gone; -EAGAIN: too much waits; -EINVAL, -EILSEQ,
 * -EMSGSIZE: as publishing; -ESHUTDOWN at the end; -ENOMEM. 0: it is on its way; a peer that
 * leaves, or speaks another protocol (on_open tells which), misses it. */
UPROAR_API int uproar_send(struct uproar *u, struct uproar_peer p, const void *body, size_t len,
                           enum uproar_kind kind);

/* Ends a peer: a WebSocket by a close frame (ws_code: 1000, 1001, 1003, 1007-1014 or 3000-4999;
 * reason: UTF-8, cut to 123 bytes, NULL: none), others without a word. -ENOENT: gone; -EINVAL;
 * -ESHUTDOWN at the end; -ENOMEM. */
UPROAR_API int uproar_close(struct uproar *u, struct uproar_peer p, int ws_code,
                            const char *reason);

/* Inside this peer's callbacks only (-EPERM elsewhere): what they are given as `user` of its info
 * from now on. */
UPROAR_API int uproar_set_user(struct uproar *u, struct uproar_peer p, void *user);

/* --- small things ----------------------------------------------------------------------------- */

/* The first value of `name` in a query as uproar_peer_info has it, decoded and ended by NUL.
 * Returns its length. -ENOENT: there is none; -EINVAL: a bad escape, or longer than out_len - 1. */
UPROAR_API int uproar_query_value(struct uproar_str query, const char *name, char *out,
                                  size_t out_len);

/* "EPOCH-SEQ", as peers see it. parse: -EINVAL when unreadable. format: out holds
 * UPROAR_CURSOR_TEXT_MAX bytes; returns the length. */
UPROAR_API int uproar_cursor_parse(struct uproar_str text, struct uproar_cursor *out);
UPROAR_API int uproar_cursor_format(struct uproar_cursor c, char *out);

/* Prometheus text, NUL-terminated when out_len > 0. Returns the length needed, like snprintf. */
UPROAR_API int uproar_metrics(const struct uproar *u, char *out, size_t out_len);

/* Loads the listeners' certificates again; on failure the old ones stay. -ENOTSUP: no listener has
 * one. */
UPROAR_API int uproar_reload_tls(struct uproar *u, char *why, size_t why_len);

UPROAR_API const char *uproar_version(void); /* "0.1.0" */

#ifdef __cplusplus
}
#endif
#endif
