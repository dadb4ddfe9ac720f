/* What liburing 2.3 (Debian 12) lacks or gets wrong. Nothing about which kernel runs: see
 * uring_probe.c, which tries. */
#pragma once

#include <liburing.h>

/* io_uring_prep_accept_direct() of 2.3 adds one to IORING_FILE_INDEX_ALLOC and so asks for an
 * ordinary descriptor: the field has to be set by hand. */
static inline void compat_prep_accept_direct(struct io_uring_sqe *sqe, int fd,
                                             struct sockaddr *peer, socklen_t *peer_len)
{
    io_uring_prep_accept(sqe, fd, peer, peer_len, 0);
    sqe->file_index = IORING_FILE_INDEX_ALLOC;
}
