/* The machine below the reactors: virtual time, connections with bounded windows in both
 * directions, listeners that share a port, and everything a kernel may do to those who use it. It
 * knows no protocol. What completes when, and how short, the seed decides.
 *
 * A reactor sees it through struct io (kernel_io.c), a peer through the functions below. */
#pragma once

#include "base/bytes.h"
#include "base/list.h"
#include "io/io.h"
#include "sim/random.h"

enum { KERNEL_REACTORS_MAX = 4, KERNEL_SLOTS_MAX = 64 };

/* How often things go wrong: once in so many times; 0: never. */
struct kernel_faults {
    uint32_t short_receive, short_send; /* fewer bytes than there are, or than there is room for */
    uint32_t passing;                   /* -EAGAIN, -ENOMEM, -ENOBUFS although it would work */
    uint32_t reset;                     /* -ECONNRESET out of the blue */
    uint32_t late;                      /* an event comes later than it could, by up to late_ns */
    uint32_t accept;                    /* EMFILE, ENFILE or ENOMEM: the listener rests */
    uint32_t early;     /* the submission queue is full: what is in it starts before io_submit() */
    uint32_t few;       /* io_wait() returns fewer events than there are */
    uint32_t preempted; /* looking at the clock takes up to 20 ms instead of a microsecond */
    uint64_t late_ns;
};

/* Bytes under way in one direction. */
struct pipe {
    uint8_t *at;
    size_t begin, end, capacity;
    size_t window; /* of bytes not yet read; the writer waits when it is used up */
};

enum socket_stage { SOCKET_BACKLOG, SOCKET_ACCEPTED, SOCKET_CLOSING, SOCKET_CLOSED };

/* One connection: both ends, and the wire between. */
struct socket {
    struct list link; /* in kernel.sockets */
    unsigned reactor; /* whose listener got it */
    uint64_t number;  /* of all that ever were */

    /* The server's end. */
    enum socket_stage stage;
    uint32_t slot;
    bool armed_in, armed_out;
    bool shut;                      /* it has sent its end of the stream */
    bool keepalive;                 /* asks a silent peer whether it is still there */
    bool flawed;                    /* `error` is what its next receive or send gets */
    int error;                      /* -errno */
    uint64_t in_due_ns, out_due_ns; /* when the event for an armed poll comes; 0: unknown */
    uint64_t closed_due_ns;         /* IO_CLOSED */
    uint64_t unacknowledged_ns;     /* since then bytes have been under way; 0: none */
    /* What became of it, so that it can be judged who is to blame for an end; 0: it did not. */
    uint64_t shut_ns, closed_ns; /* the server said its end; closed it, in whatever way */
    uint64_t blocked_ns;         /* since then none of its sends went out whole */
    uint64_t refused_ns;         /* the last send that was not taken although there was room */
    uint64_t heard_ns;           /* the server last received something */
    uint64_t unread_ns;          /* since then there has been something to receive */
    struct pipe to_server, to_peer;

    /* The peer's end. */
    bool ended;     /* it has sent its end of the stream */
    bool gone;      /* it has closed, or been reset */
    bool vanished;  /* pulled the plug: acknowledges nothing, says nothing */
    bool was_reset; /* by the server: its RST, or the kernel's for what it left unread */
    uint64_t vanished_ns;
};

struct sim_io;

struct kernel {
    uint64_t now_ns;
    struct random *random;
    struct kernel_faults faults;
    /* What the listeners were told (io/listener.h): after so long a peer that does not acknowledge
     * is given up, and one that is silent is probed. */
    uint64_t user_timeout_ns, keepalive_ns;
    struct list sockets;
    uint64_t socket_count; /* ever made */
    unsigned reactor_count;
    struct sim_io *ios[KERNEL_REACTORS_MAX];
};

/* Takes over time and randomness (base/clock.h) until kernel_fini(). One at a time. */
void kernel_init(struct kernel *k, struct random *random);
/* Every io is freed, or was handed to a reactor that is. Frees the sockets that peers still hold.
 */
void kernel_fini(struct kernel *k);

/* The io of the next reactor. */
struct io *kernel_io_new(struct kernel *k, uint32_t slot_count);
/* Is its reactor in io_wait(), with nothing to be returned yet? */
bool kernel_is_asleep(const struct kernel *k, unsigned reactor);
/* When the next thing happens to a sleeping reactor by itself; UINT64_MAX: never. */
uint64_t kernel_next_ns(const struct kernel *k, unsigned reactor);
/* Descriptors the server has not given back. */
unsigned kernel_held_count(const struct kernel *k);
/* How many bytes the connection in that slot can have on their way to the server at once; 0: there
 * is none. */
size_t kernel_window(const struct kernel *k, unsigned reactor, uint32_t slot);
/* Microseconds go by. */
void kernel_spend(struct kernel *k, uint64_t ns);

/* --- the peers' side -------------------------------------------------------------------------- */

enum { SOCKET_END = -1, SOCKET_RESET = -2 };

/* Connects; the kernel picks the listener unless `reactor` does (-1). windows: in bytes. */
struct socket *socket_connect(struct kernel *k, int reactor, size_t to_server, size_t to_peer);
/* How many bytes were taken; SOCKET_RESET. */
int64_t socket_write(struct kernel *k, struct socket *s, struct bytes b);
/* Bytes read; 0: nothing there now; SOCKET_END: and there will be none; SOCKET_RESET. */
int64_t socket_read(struct kernel *k, struct socket *s, struct span into);
/* shutdown(SHUT_WR). */
void socket_end(struct kernel *k, struct socket *s);
/* The peer is through with it: close(), an RST, or the plug. Clears the caller's pointer. */
void socket_close(struct kernel *k, struct socket **s_ptr);
void socket_reset(struct kernel *k, struct socket **s_ptr);
void socket_vanish(struct kernel *k, struct socket **s_ptr);

/* --- between kernel.c and kernel_io.c --------------------------------------------------------- */

size_t pipe_len(const struct pipe *p);
size_t pipe_room(const struct pipe *p);
void pipe_write(struct pipe *p, struct bytes b);
size_t pipe_read(struct pipe *p, struct span into);
/* Is there something for the server to receive, or to be told? */
bool socket_is_readable(const struct socket *s);
bool socket_is_writable(const struct socket *s);
void socket_fail(struct socket *s, int error);
/* Both sides are through: frees it. */
void socket_release(struct kernel *k, struct socket *s);
/* Has the time of one of its fault knobs come? */
bool kernel_faults(struct kernel *k, uint32_t once_in);
/* Gives up peers that have vanished. */
void kernel_keep_time(struct kernel *k);
