/* What a reactor asks of the kernel, one instance per reactor thread: accept, connect, poll,
 * receive, send, close, sleep, be woken. Three implementations stand behind it: io_uring, epoll,
 * and (tests only) a simulated kernel. It knows sockets by slot, not by protocol: nothing here
 * parses or allocates per connection.
 *
 * SLOTS. A socket has a slot: its place in the registered file table (io_uring) or its file
 * descriptor (epoll), below `slot_count`. It is the reactor's connection index. A slot belongs to
 * the reactor from IO_ACCEPTED, or from io_connect(), until IO_CLOSED; it is never handed out twice
 * in between.
 *
 * TWO KINDS OF RESULTS. Receives and sends never wait: what io_submit() starts is finished when it
 * returns, and their results stand in io_results() until the next io_submit(). Everything else
 * (accepts, connects, polls, closes, wake-ups) arrives as events from io_wait().
 *
 * Threads: all calls on the reactor's own thread, io_wake() on any. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"
#include "base/logline.h"
#include "base/sizes.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct io;

enum io_backend { IO_URING = 1, IO_EPOLL };

/* One batch: what fits between two io_submit() calls. Measured: other sizes are not better. */
enum { IO_BATCH_MAX = SIZED(256, 4), IO_EVENTS_MAX = 4096, IO_LISTENERS_MAX = 16 };

union io_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

enum io_kind {
    IO_ACCEPTED,      /* slot: the new socket, listener: whose; peer: its address */
    IO_ACCEPT_FAILED, /* result: -errno (EMFILE, ENFILE, ENOMEM...); accepting goes on by itself:
                         the backend retries every 100 ms, the peer waits in the backlog */
    IO_CONNECTED,     /* io_connect() has come to its end; result: 0, or -errno */
    IO_READABLE,      /* a poll for IO_IN fired (data, end of stream, or an error to be received) */
    IO_WRITABLE,      /* a poll for IO_OUT fired (room, or an error to be sent into) */
    IO_CLOSED,        /* the slot is free; the kernel holds nothing of it any more */
    IO_WOKEN,         /* somebody called io_wake() */
};

struct io_event {
    enum io_kind kind;
    uint32_t slot;
    int32_t result;
    uint32_t listener;
    bool last_resort;      /* IO_ACCEPTED only: on the reserve descriptor; let it go soon */
    union io_address peer; /* IO_ACCEPTED only */
};

/* The outcome of one io_recv() or of one io_send() that did not go out whole. */
struct io_result {
    uint32_t slot;
    uint32_t tag;   /* the caller's, from io_recv() or io_send() */
    int32_t result; /* bytes, or -errno; receive: 0 is the end of the stream */
};

enum io_poll { IO_IN = 1, IO_OUT = 2 };

enum io_close {
    IO_CLOSE_FLUSH, /* close(): the kernel still delivers what was sent */
    IO_CLOSE_RESET, /* RST at once: nothing unsent stays in kernel memory */
};

struct io_options {
    enum io_backend backend;
    /* Sockets at once, this reactor. Where slots are descriptors at most RLIMIT_NOFILE are of use;
     * io_uring with registered files opens one ring for each RLIMIT_NOFILE slots, and takes one
     * descriptor for each ring and two more. */
    uint32_t slot_count;
    /* How many of the slots, the last ones, are for io_connect() alone. Where slots are descriptors
     * (epoll, some kernels) nothing is kept: both take what number comes. */
    uint32_t connect_count;
    const struct logline_sink *log;
};

/* What trying each operation found. `why` is one line for people when the answer is no. */
struct io_probe {
    bool usable;
    int err; /* why not: -ENOMEM and -EMFILE say nothing about the backend */
    char why[160];
    char table[1024]; /* "operation  yes|no (errno)" lines, logged at start */
    /* Slots are descriptors of the process, in which other reactors' lie between: slot_count should
     * be RLIMIT_NOFILE then. Always with epoll; with io_uring where the kernel lets go of
     * registered files late (before 6.13 or so), found by trying. */
    bool slot_is_fd;
};
/* Tries every operation that the backend needs, on sockets and rings of its own; leaves nothing
 * behind. Any thread. */
void io_probe(enum io_backend backend, struct io_probe *out);

/* *out owns everything it opened until io_free(). -errno on failure.
 * To be called on the reactor's own thread, like all that follows: a ring has one submitter. */
int io_new(struct io **out, const struct io_options *options) MUST_CHECK;
/* Starts what is queued, closes every socket still open, and waits until the kernel let go of
 * them: ports are free right afterwards. NULL allowed. */
void io_free(struct io **io_ptr);

/* --- listeners -------------------------------------------------------------------------------- */

/* Starts accepting on a listening socket, a few dozen accepts in flight where the backend can.
 * fd is borrowed: the caller closes it after io_listen_stop() or io_free(). Its O_NONBLOCK is set
 * as the backend needs it. With io_uring accepts under way hold free slots, so give a few dozen
 * slots more than the connections you want. Not after io_listen_stop().
 * Returns the listener's number (0..IO_LISTENERS_MAX-1), or -errno. */
ON_REACTOR int io_listen(struct io *io, int fd) MUST_CHECK;
/* Stops accepting on all listeners (accepts that were under way may still arrive as events). */
ON_REACTOR void io_listen_stop(struct io *io);
/* Pauses or resumes taking new peers: paused, they wait in the kernel's backlog. */
ON_REACTOR void io_listen_pause(struct io *io, bool paused);

/* --- connecting ------------------------------------------------------------------------------- */

/* Connects a new socket to `remote`, from `local` (NULL: any address; port 0: the kernel picks it
 * late, as many as there are remotes may share it). Returns its slot at once; IO_CONNECTED follows,
 * with 0 or -errno. After a failure the slot is closed by io_close(), as any other. Until
 * IO_CONNECTED only io_close() may be asked of the slot, and then no IO_CONNECTED comes any more.
 * -errno, and no slot: -EMFILE when none is free, or what the kernel said at once (ports or
 * descriptors used up, an address that is not ours). TCP_NODELAY is on. */
ON_REACTOR int64_t io_connect(struct io *io, const union io_address *remote,
                              const union io_address *local) MUST_CHECK;

/* --- operations: queued here, started by io_submit() or io_wait() ----------------------------- */

/* One event when the socket is ready for `what`; once. At most one of each kind armed per slot.
 * Level semantics: if it is ready already, the event comes with the next io_wait(). */
ON_REACTOR void io_poll_arm(struct io *io, uint32_t slot, enum io_poll what);

/* Receives without waiting into buf, which must stay until io_submit() returns. -EAGAIN: nothing
 * there. At most one per slot between two io_submit() calls; at most IO_BATCH_MAX ops in all. */
ON_REACTOR void io_recv(struct io *io, uint32_t slot, uint32_t tag, struct span buf);

/* Sends without waiting. No result when every byte went out; exactly one (bytes sent, or -errno:
 * -EAGAIN, -EPIPE, -ECONNRESET) when not. At most ONE send per slot between two io_submit() calls,
 * and at most IO_BATCH_MAX ops in all. Memory, iovecs included, must stay until io_submit()
 * returns, and not longer. Never raises SIGPIPE. */
ON_REACTOR void io_send(struct io *io, uint32_t slot, uint32_t tag, struct bytes contiguous);
ON_REACTOR void io_send_vec(struct io *io, uint32_t slot, uint32_t tag, const struct iovec *vec,
                            unsigned count);

/* SO_KEEPALIVE, as the listener says how: from now on the kernel asks a silent peer whether it is
 * still there. For who waits for long and is not written to. Where the kernel will not (registered
 * files before Linux 6.7) nothing happens. */
ON_REACTOR void io_keepalive(struct io *io, uint32_t slot);

/* No more will be sent: the peer sees the end of the stream after what was sent before. */
ON_REACTOR void io_shutdown(struct io *io, uint32_t slot);

/* Ends the socket; armed polls are withdrawn silently. IO_CLOSED follows, once. Nothing else may be
 * asked of the slot after this. */
ON_REACTOR void io_close(struct io *io, uint32_t slot, enum io_close how);

/* --- turning the crank ------------------------------------------------------------------------ */

/* Starts everything queued and finishes every receive and send among it. */
ON_REACTOR void io_submit(struct io *io);
/* The results of the last io_submit(); at most IO_BATCH_MAX; valid until the next one. */
ON_REACTOR const struct io_result *io_results(const struct io *io, unsigned *count);

/* Starts everything queued, then waits up to timeout_ns (0: no wait; UINT64_MAX: no limit) for
 * events. Returns their number (<= IO_EVENTS_MAX, 0 after a time-out or a signal); *events stays
 * valid until the next io_wait(). */
ON_REACTOR unsigned io_wait(struct io *io, uint64_t timeout_ns, const struct io_event **events);

/* Wakes the reactor out of io_wait() (about 12 us: callers elide it while the reactor is awake). */
ANY_THREAD void io_wake(struct io *io);

/* -EAGAIN, or a shortage that passes: the socket is well, try again when it is ready. */
static inline bool io_is_passing(int64_t result)
{
    return result == -EAGAIN || result == -ENOMEM || result == -ENOBUFS;
}

const char *io_backend_name(enum io_backend backend); /* "uring", "epoll" */
