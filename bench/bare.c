/* bare's loop: sleep, serve, ping. The rings are in bare_rings.c, what bytes mean in bare_input.c.
 * No topics, history, limits or deadlines: a peer that does not answer a ping is not missed. */
#define _GNU_SOURCE /* getopt_long */
#include "bare.h"

#include "base/clock.h"
#include "lib/head.h"
#include "lib/net.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TICK_MS = 10 };

_Noreturn void bare_fail(const char *what, int err)
{
    fprintf(stderr, "bare: %s: %s\n", what, strerror(-err));
    exit(1);
}

static uint64_t now_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

/* --- pings ------------------------------------------------------------------------------------ */

static void ping_until(struct bare *b, uint32_t end)
{
    static const uint8_t frame[] = {0x80 | FRAME_PING, 0}; /* as uproar's: without a payload */
    const struct bytes pings[BARE_KIND_COUNT] = {[BARE_WS] = {frame, sizeof(frame)}};
    bare_send_range(b, b->pinged, end, pings);
    b->pinged = end;
}

/* Everybody once a period, as far as the period has gone. */
static void ping_some(struct bare *b)
{
    if (b->ping_ms == 0)
        return;
    uint64_t passed_ms = now_ms() - b->period_began_ms;
    if (passed_ms >= b->ping_ms) {
        ping_until(b, b->high);
        b->pinged = 0;
        b->period_began_ms += passed_ms / b->ping_ms * b->ping_ms;
        passed_ms %= b->ping_ms;
    }
    const uint32_t due = (uint32_t)(b->high * passed_ms / b->ping_ms);
    if (due > b->pinged)
        ping_until(b, due);
}

/* --- the loop --------------------------------------------------------------------------------- */

/* Until there is something to do; false: it was told to stop. */
static bool sleep_until(struct bare *b, uint64_t deadline_ms)
{
    struct pollfd fds[] = {{.fd = b->bell_fd, .events = POLLIN},
                           {.fd = b->signal_fd, .events = POLLIN}};
    const uint64_t now = now_ms();
    uint64_t rung;
    if (poll(fds, 2, deadline_ms > now ? (int)(deadline_ms - now) : 0) < 0 && errno != EINTR)
        bare_fail("poll", -errno);
    if (fds[0].revents && read(b->bell_fd, &rung, sizeof(rung)) < 0)
        bare_fail("read of the bell", -errno);
    return fds[1].revents == 0;
}

static void run(struct bare *b)
{
    uint64_t tick_ms = b->period_began_ms = now_ms();
    do {
        bare_rings_serve(b);
        if (now_ms() >= tick_ms) {
            ping_some(b);
            tick_ms = now_ms() + TICK_MS;
        }
    } while (sleep_until(b, tick_ms));
    bare_rings_serve(b); /* the last sends may have fallen short, too */
}

/* --- starting --------------------------------------------------------------------------------- */

static void open_signals(struct bare *b)
{
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigprocmask(SIG_BLOCK, &stops, NULL);
    b->signal_fd = signalfd(-1, &stops, SFD_CLOEXEC);
    if (b->signal_fd == -1)
        bare_fail("signalfd", -errno);
}

static int usage(void)
{
    fputs("usage: bare --max-connections N [--listen 127.0.0.1:PORT] [--ping SECONDS]\n"
          "  --listen  default: any free port; the first line on stdout says which\n"
          "  --ping    each WebSocket gets one that often (default: none)\n",
          stderr);
    return 2;
}

static bool read_options(int argc, char **argv, struct bare *b, uint32_t *count, uint16_t *port)
{
    static const struct option longs[] = {{"listen", required_argument, NULL, 'l'},
                                          {"max-connections", required_argument, NULL, 'n'},
                                          {"ping", required_argument, NULL, 'p'},
                                          {0}};
    static const char here[] = "127.0.0.1:";
    for (int key; (key = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (key == 'l' && strncmp(optarg, here, strlen(here)) == 0)
            *port = (uint16_t)strtoul(optarg + strlen(here), NULL, 10);
        else if (key == 'n')
            *count = (uint32_t)strtoul(optarg, NULL, 10);
        else if (key == 'p')
            b->ping_ms = (uint64_t)(strtod(optarg, NULL) * 1000);
        else
            return false;
    }
    return optind == argc && *count > 0 && *count < UINT32_MAX / 2;
}

int main(int argc, char **argv)
{
    struct bare b = {0};
    uint32_t count = 0;
    uint16_t port = 0;
    if (!read_options(argc, argv, &b, &count, &port))
        return usage();
    const size_t files_max = net_raise_nofile(); /* that of a ring's table, too */
    if (files_max == 0)
        bare_fail("RLIMIT_NOFILE", -EMFILE);
    open_signals(&b);
    bare_input_init(&b);
    /* A few more, for publishers and for who comes before who left is gone. */
    bare_rings_open(&b, count + count / 50 + BARE_ACCEPTS_MAX, files_max);
    b.listen_fd = net_listen(&port);
    if (b.listen_fd < 0)
        bare_fail("listen", b.listen_fd);
    printf("bare ready http://127.0.0.1:%u\n", port);
    fflush(stdout);
    run(&b);
    shutdown(b.listen_fd, SHUT_RDWR);
    bare_rings_close(&b);
    return 0;
}
