/* Listening sockets: from "ADDR:PORT" to one socket per reactor on the same port, with the options
 * that accepted sockets inherit. Accepts nobody: io.h does. Resolves no names. */
#pragma once

#include "io/io.h"

enum { LISTENER_TEXT_MAX = 64 }; /* "[" 45 "]:" 5 NUL, and some */

/* "ADDR:PORT": an IPv4 address, an IPv6 address in brackets, or "localhost" (127.0.0.1). Port 0:
 * the system chooses. [::] takes IPv4 peers too. -EINVAL. */
int listener_parse(const char *text, union io_address *out) MUST_CHECK;
/* The inverse. */
void listener_print(const union io_address *at, char out[static LISTENER_TEXT_MAX]);
uint16_t listener_port(const union io_address *at);
/* Can only this machine reach it? 127.0.0.0/8, ::1, and those mapped. */
bool listener_is_loopback(const union io_address *at);

/* What the kernel does for accepted sockets, because options of a listener are inherited and cost
 * no call per connection.
 *
 * A peer of an event stream or of a waiting long-poll that vanished (its machine lost power or
 * network: neither FIN nor RST) is dropped within two heartbeats after it was last heard:
 * - TCP_USER_TIMEOUT, 9/10 of a heartbeat less 0.4 s, at least 0.5 s. An event stream is written to
 *   one heartbeat after it was last heard at the latest, so this has to end before the next. The
 *   kernel counts from the first repetition, which leaves about 0.4 s after what it repeats, later
 *   on long ways; the tenth is for these and for late timers.
 * - TCP_KEEPIDLE, two heartbeats less 4 s, then TCP_KEEPINTVL, 2 s (one heartbeat of 1 s: 1 s and
 *   1 s). A long-poll that waits is not written to: only a probe can tell. One without an answer is
 *   enough, since with a user timeout the kernel no longer counts probes (TCP_KEEPCNT 1 says the
 *   same); 2 s is for the answer, which is a second on a bad mobile network. The 2 s left are how
 *   late the kernel's timer may be: up to an eighth, 2.05 s at 250 Hz.
 *
 * SO_KEEPALIVE itself is not among the options: io_keepalive() sets it for a long-poll that waits.
 * WebSockets are pinged and streams have heartbeats, other requests have their time. Timers of so
 * many seconds fire together for thousands of connections; the probes of a million were more than
 * one packet queue of the kernel holds, and peers whose only probe was dropped were given up.
 *
 * Two consequences. A peer that keeps its receive window shut for a whole user timeout (13.1 s by
 * default) is dropped too, though it answers the kernel's window probes: to TCP_USER_TIMEOUT what
 * is not taken counts like what is not heard (tcp(7)); a window too small for the next segment, of
 * up to 64 KiB, counts as shut. And a long-poll that is answered when its peer has vanished
 * already, but was not given up yet, lasts one user timeout from the answer.
 *
 * TCP_NOTSENT_LOWAT, 64 KiB: what a peer that does not read leaves unsent in the kernel, where no
 * limit of ours counts it. A segment that was begun below the mark is filled: up to 64 KiB more. */
struct listener_options {
    unsigned count;        /* sockets: one per reactor, the kernel spreads peers over them */
    unsigned heartbeat_ms; /* of quiet event streams; 0: vanished peers are the system's business */
    unsigned patience_ms;  /* how long to wait for a port in use: a predecessor may be leaving */
};

/* Opens options->count sockets on *at, whose port 0 is replaced by the real one. The caller owns
 * the descriptors. A port somebody else listens on is refused, even where SO_REUSEPORT would share
 * it: two servers would each get half of the peers. -EADDRINUSE, -EADDRNOTAVAIL, -EACCES,
 * -EMFILE... */
int listener_open_at(union io_address *at, const struct listener_options *options, int *fds)
    MUST_CHECK;
/* A port at the same address that is free now, the next ones up first; 0: none found. */
uint16_t listener_free_port_near(const union io_address *at);

/* All of it, for an address from the command line: waits 1 s for a port in use. On failure `why` is
 * one line for people, which names a free port when this one is taken. */
int listener_open(const char *address, const struct listener_options *options, int *fds,
                  uint16_t *port, struct span why) MUST_CHECK;
/* The same on a socket that somebody else opened and that listens: duplicates, one for each
 * reactor, which take peers from one backlog. fd stays the caller's. -EINVAL: it is no listening
 * TCP socket.
 */
int listener_adopt(int fd, const struct listener_options *options, int *fds, uint16_t *port,
                   struct span why) MUST_CHECK;
void listener_close(int fd);
