/* What liburing 2.3 (Debian 12) lacks or gets wrong. Nothing about which kernel runs: see
 * uring_probe.c, which tries. */
#pragma once

#include <liburing.h>
#include <stdint.h>
#include <string.h>

/* io_uring_prep_accept_direct() of 2.3 adds one to IORING_FILE_INDEX_ALLOC and so asks for an
 * ordinary descriptor: the field has to be set by hand. */
static inline void compat_prep_accept_direct(struct io_uring_sqe *sqe, int fd,
                                             struct sockaddr *peer, socklen_t *peer_len)
{
    io_uring_prep_accept(sqe, fd, peer, peer_len, 0);
    sqe->file_index = IORING_FILE_INDEX_ALLOC;
}

/* 2.3 does not know SOCKET_URING_OP_SETSOCKOPT of Linux 6.7, nor by name where its operands lie.
 * *value must stay until the operation has begun. */
static inline void compat_prep_setsockopt(struct io_uring_sqe *sqe, int fd, int level, int name,
                                          const int *value)
{
    enum { SETSOCKOPT = 3 };
    const int level_and_name[2] = {level, name};
    io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, NULL, 0, 0);
    sqe->cmd_op = SETSOCKOPT;
    memcpy(&sqe->addr, level_and_name, sizeof(level_and_name));
    sqe->splice_fd_in = sizeof(*value);      /* optlen */
    sqe->addr3 = (uint64_t)(uintptr_t)value; /* optval */
}
