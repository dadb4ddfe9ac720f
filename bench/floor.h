/* The floor: the least a C server can do for the same work. One thread, epoll, one send() for each
 * delivery (or for each turn: -b). No history, no topics, no limits, no manners. */
#pragma once

#include "base/assert.h"
#include "lib/held.h"
#include "lib/net.h"

enum conn_kind {
    CONN_CLOSED,
    CONN_HTTP, /* before its request, and publishers for good */
    CONN_WS,
    CONN_SSE,
    CONN_KIND_COUNT
};

struct conn {
    struct held *input;  /* an unfinished request or frame; NULL nearly always */
    struct held *output; /* what a full socket did not take; NULL nearly always */
    uint32_t place;      /* in subscribers[], once it is one */
    enum conn_kind kind;
};
static_assert(sizeof(struct conn) == 24, "the floor of memory per connection is this plus 4");

/* Bytes that all subscribers of one kind shall get. */
struct image {
    uint8_t *at;
    size_t len;
};

enum floor_mode {
    FLOOR_ONE_SEND_EACH, /* a message goes out when it comes in */
    FLOOR_BATCH,         /* what one turn brings in goes out together */
    FLOOR_ECHO,
    FLOOR_HOLD /* subscribers are kept and never looked at again: the least a socket costs */
};

struct floor {
    enum floor_mode mode;
    int epoll_fd, listen_fd;
    struct conn *conns; /* by fd */
    int *subscribers;
    uint32_t subscriber_count;
    struct image out[CONN_KIND_COUNT];
    struct evp_md_st
        *sha1;        /* fetched once: its cost is neither a connection's time nor its memory */
    uint8_t *scratch; /* input of the conn being read */
    struct held *replies;
};

enum {
    FLOOR_FDS_MAX = 1 << 20,
    FLOOR_SCRATCH_LEN = 1 << 18,
    FLOOR_IMAGE_MAX =
        1 << 22, /* one turn's messages: 1024 conns could bring more, then it is sent */
    FLOOR_OUTPUT_MAX = 1 << 24, /* a peer that lags more is cut off */
};

/* floor.c: to a connection, at once or when it can take it. */
void floor_send(struct floor *f, int fd, struct bytes b);
void floor_subscribe(struct floor *f, int fd, enum conn_kind kind);
/* Reads and serves; false: it is closed. */
bool floor_readable(struct floor *f, int fd);
/* Sends what is gathered to every subscriber. */
void floor_fan_out(struct floor *f);

/* floor_input.c: acts on whole requests and frames; returns how many bytes they were. */
size_t floor_consume(struct floor *f, int fd, struct bytes in);
int floor_input_init(struct floor *f);

/* floor_hold.c: the whole loop of FLOOR_HOLD; -errno when it cannot go on. */
int floor_hold(struct floor *f);
