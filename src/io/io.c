/* Dispatch to the implementation chosen at run time, and the probe's table.
 * Does not know what the implementations do. */
#include "io/io_internal.h"

#include <stdio.h>

int io_new(struct io **out, const struct io_options *options)
{
    if (options->slot_count == 0 || options->connect_count > options->slot_count)
        return -EINVAL;
    switch (options->backend) {
    case IO_URING:
        return uring_new(out, options);
    case IO_EPOLL:
        return epoll_new(out, options);
    }
    return -EINVAL;
}

void io_free(struct io **io_ptr)
{
    struct io *io = *io_ptr;
    *io_ptr = NULL;
    if (io)
        io->impl->destroy(io);
}

int io_listen(struct io *io, int fd)
{
    return io->impl->listen(io, fd);
}

void io_listen_stop(struct io *io)
{
    io->impl->listen_stop(io);
}

void io_listen_pause(struct io *io, bool paused)
{
    io->impl->listen_pause(io, paused);
}

int64_t io_connect(struct io *io, const union io_address *remote, const union io_address *local)
{
    return io->impl->connect(io, remote, local);
}

void io_poll_arm(struct io *io, uint32_t slot, enum io_poll what)
{
    io->impl->poll_arm(io, slot, what);
}

void io_recv(struct io *io, uint32_t slot, uint32_t tag, struct span buf)
{
    io->impl->recv(io, slot, tag, buf);
}

void io_send(struct io *io, uint32_t slot, uint32_t tag, struct bytes contiguous)
{
    io->impl->send(io, slot, tag, contiguous);
}

void io_send_vec(struct io *io, uint32_t slot, uint32_t tag, const struct iovec *vec,
                 unsigned count)
{
    io->impl->send_vec(io, slot, tag, vec, count);
}

void io_keepalive(struct io *io, uint32_t slot)
{
    io->impl->keepalive(io, slot);
}

void io_shutdown(struct io *io, uint32_t slot)
{
    io->impl->shutdown(io, slot);
}

void io_close(struct io *io, uint32_t slot, enum io_close how)
{
    io->impl->close(io, slot, how);
}

void io_submit(struct io *io)
{
    io->impl->submit(io);
}

const struct io_result *io_results(const struct io *io, unsigned *count)
{
    return io->impl->results(io, count);
}

unsigned io_wait(struct io *io, uint64_t timeout_ns, const struct io_event **events)
{
    return io->impl->wait(io, timeout_ns, events);
}

void io_wake(struct io *io)
{
    io->impl->wake(io);
}

const char *io_backend_name(enum io_backend backend)
{
    switch (backend) {
    case IO_URING:
        return "uring";
    case IO_EPOLL:
        return "epoll";
    }
    UNREACHABLE("io_backend");
}

void io_probe(enum io_backend backend, struct io_probe *out)
{
    *out = (struct io_probe){.usable = true};
    switch (backend) {
    case IO_URING:
        uring_probe(out);
        return;
    case IO_EPOLL:
        epoll_probe(out);
        return;
    }
    UNREACHABLE("io_backend");
}

void probe_note(struct io_probe *out, const char *operation, int err, bool needed)
{
    const size_t used = strlen(out->table);
    char answer[32] = "yes";
    if (err != 0)
        snprintf(answer, sizeof(answer), "no (errno %d)", -err);
    snprintf(out->table + used, sizeof(out->table) - used, "%s  %s\n", operation, answer);
    if (err == 0 || !needed || !out->usable)
        return;
    out->usable = false;
    out->err = err;
    snprintf(out->why, sizeof(out->why), "%s: %s", operation, strerror(-err));
}
