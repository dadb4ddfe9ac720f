/* The few socket calls that floor and client share. All descriptors are non-blocking.
 * Not here: what is said over them. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

#include <netinet/in.h>

/* Lets this process have as many descriptors as its hard limit allows; returns how many. */
size_t net_raise_nofile(void);
/* A TCP socket, not bound and not connected, or -errno. */
int net_socket(void) MUST_CHECK;
/* A listening socket on 127.0.0.1, TCP_NODELAY inherited by what it accepts, or -errno.
 * *port 0: any; it is set to the real one. */
int net_listen(uint16_t *port) MUST_CHECK;
/* Begins a connection from source (port chosen at connect) to peer: fd or -errno. It is open, or
 * has failed, once the fd is writable: net_connect_result() says which. */
int net_connect(const struct in_addr *source, const struct sockaddr_in *peer) MUST_CHECK;
int net_connect_result(int fd) MUST_CHECK;
/* Closes with a reset: no TIME_WAIT is left behind to slow down the next run. */
void net_abort(int fd);

enum net_watch_op { NET_WATCH_ADD, NET_WATCH_CHANGE };
/* events: EPOLLIN and friends, level triggered; tag comes back in data.u64. 0 or -errno. */
int net_watch(int epoll_fd, int fd, enum net_watch_op op, uint32_t events, uint64_t tag) MUST_CHECK;
/* Bytes taken (0 when the socket is full) or -errno. */
ssize_t net_send(int fd, struct bytes b) MUST_CHECK;
/* Bytes read, 0 when there are none just now, -ECONNRESET at the end, -errno. */
ssize_t net_recv(int fd, uint8_t *out, size_t room) MUST_CHECK;
