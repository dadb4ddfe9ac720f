/* The measuring client: options, the event loop, and what every mode shares. One client for all
 * servers, so that a difference between two figures is a difference between two servers. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

#include <sys/types.h>

enum client_mode { CLIENT_FANOUT, CLIENT_IDLE, CLIENT_ECHO, CLIENT_CONNECT, CLIENT_PUBLISH };

struct client_options {
    enum client_mode mode;
    bool sse;
    bool deflate; /* fan-out: permessage-deflate is offered, and every message has to come so */
    uint16_t port;
    const char *path; /* its first '%' stands for the connection's number */
    pid_t pid;        /* the server whose CPU and memory are read; 0: none */
    int server_core;  /* whose ksoftirqd is watched; -1: none */
    uint32_t conns;
    uint64_t payload_len;
    uint64_t messages, warmup;
    uint64_t rate;   /* fan-out: deliveries per second; 0: as fast as it goes */
    uint32_t window; /* messages in flight, connect: connections being opened */
    uint32_t publishers;
    uint32_t accepted; /* the status that says a message was taken */
    uint32_t settle_ms;
    uint32_t timeout_s;
};

/* Something with a descriptor that the loop calls when it is ready; first member of its owner. */
struct watch;
typedef void watch_fn(struct watch *w, uint32_t events);
struct watch {
    watch_fn *ready;
};

struct loop {
    int epoll_fd;
    uint64_t deadline_ns; /* of the whole run: nothing waits beyond it */
};

int loop_init(struct loop *l, uint32_t timeout_s) MUST_CHECK;
void loop_fini(struct loop *l);
int loop_add(struct loop *l, int fd, uint32_t events, struct watch *w) MUST_CHECK;
int loop_change(struct loop *l, int fd, uint32_t events, struct watch *w) MUST_CHECK;
/* Waits for events, at most until wake_ns, and serves them. 0, or -ETIME after the deadline. */
int loop_turn(struct loop *l, uint64_t wake_ns) MUST_CHECK;
/* Goes on serving for that long. */
int loop_rest(struct loop *l, uint32_t rest_ms) MUST_CHECK;

/* What the server has used since measure_begin(). */
struct measure {
    pid_t pid, softirqd;
    uint64_t cpu_ns, softirqd_ns, wall_ns;
};

void measure_begin(struct measure *m, const struct client_options *o);
void measure_end(struct measure *m);

/* One mode each: prints one JSON object on stdout, returns the exit status. */
int fanout_run(const struct client_options *o, struct loop *l);
int idle_run(const struct client_options *o, struct loop *l);
int echo_run(const struct client_options *o, struct loop *l);
int connect_run(const struct client_options *o, struct loop *l);
int publish_run(const struct client_options *o, struct loop *l);
