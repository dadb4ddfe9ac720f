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

struct listener_options {
    unsigned count;           /* sockets: one per reactor, the kernel spreads peers over them */
    unsigned user_timeout_ms; /* TCP_USER_TIMEOUT: a peer that acknowledges nothing for so long is
                                 dropped */
    unsigned patience_ms;     /* how long to wait for a port in use: a predecessor may be leaving */
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
void listener_close(int fd);
