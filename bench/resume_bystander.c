/* One who has nothing to do with the rush, and feels it all the same: a thread that publishes to
 * itself on a schedule. Does not know what the others do. */
#define _GNU_SOURCE /* ppoll */
#include "resume.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "lib/head.h"
#include "lib/net.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const uint64_t interval_ns = 10000000;
static const uint64_t patience_ns = 10000000000; /* for what has not come back at the end */
enum { ANSWER_LEN = 4096, BYSTANDER_PAYLOAD_LEN = 16 };

static const char request[] = "GET /t/bystander HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                              "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static void bystander_fail(struct bystander *b, const char *why)
{
    fprintf(stderr, "resume: the bystander: %s\n", why);
    atomic_store(&b->failed, true);
}

/* --- what comes ------------------------------------------------------------------------------- */

static void message_take(struct bystander *b, struct bytes payload)
{
    char text[BYSTANDER_PAYLOAD_LEN + 1] = "";
    if (payload.len <= BYSTANDER_PAYLOAD_LEN)
        memcpy(text, payload.at, payload.len);
    if (b->returned == b->sent || strtoul(text, NULL, 10) != b->returned) {
        bystander_fail(b, "a message is missing, or came twice");
        return;
    }
    b->taken_ns[b->returned++] = clock_monotonic_ns();
}

static size_t frames_take(struct bystander *b, struct bytes in)
{
    struct frame_head head;
    size_t used = 0;
    while (!atomic_load(&b->failed) && frame_head_parse(bytes_skip(in, used), &head) &&
           in.len - used - head.len >= head.payload_len) {
        const struct bytes payload = {in.at + used + head.len, head.payload_len};
        if (head.opcode == FRAME_TEXT)
            message_take(b, payload);
        else if (head.opcode != FRAME_PING) /* who publishes is alive anyway */
            bystander_fail(b, "closed");
        used += head.len + head.payload_len;
    }
    return used;
}

static size_t welcome_take(struct bystander *b, struct bytes in)
{
    const size_t len = head_len(in);
    if (len == 0)
        return 0;
    if (head_status(in) != 101)
        bystander_fail(b, "refused");
    atomic_store(&b->is_open, true);
    return len;
}

static void bystander_read(struct bystander *b)
{
    uint8_t part[ANSWER_LEN];
    const size_t before = held_take(&b->rest, part, sizeof(part));
    const ssize_t n = net_recv(b->fd, part + before, sizeof(part) - before);
    if (n < 0) {
        bystander_fail(b, strerror((int)-n));
        return;
    }
    const struct bytes in = {part, before + (size_t)n};
    size_t used = atomic_load(&b->is_open) ? 0 : welcome_take(b, in);
    if (atomic_load(&b->is_open))
        used += frames_take(b, bytes_skip(in, used));
    if (held_append(&b->rest, bytes_skip(in, used)) != 0)
        bystander_fail(b, "out of memory");
}

/* --- what goes -------------------------------------------------------------------------------- */

static void bystander_publish(struct bystander *b, int phase)
{
    static const uint8_t no_mask[4] = {0}; /* keeps the payload as it is */
    uint8_t frame[FRAME_HEAD_MAX + BYSTANDER_PAYLOAD_LEN];
    char text[BYSTANDER_PAYLOAD_LEN];
    const size_t len = (size_t)snprintf(text, sizeof(text), "%u", b->sent);
    const size_t head = frame_head_put(frame, FRAME_TEXT, len, no_mask);
    memcpy(frame + head, text, len);
    b->phases[b->sent] = (uint8_t)phase;
    b->sent_ns[b->sent++] = clock_monotonic_ns();
    if (net_send(b->fd, (struct bytes){frame, head + len}) != (ssize_t)(head + len))
        bystander_fail(b, "cannot send");
}

static void wait_until(struct bystander *b, uint64_t wake_ns)
{
    struct pollfd ready = {.fd = b->fd, .events = POLLIN};
    const uint64_t now_ns = clock_monotonic_ns();
    const uint64_t left = wake_ns > now_ns ? wake_ns - now_ns : 0;
    const struct timespec wait = {.tv_sec = (time_t)(left / 1000000000u),
                                  .tv_nsec = (long)(left % 1000000000u)};
    if (ppoll(&ready, 1, &wait, NULL) > 0)
        bystander_read(b);
}

/* An open loop: a message that is late delays none behind it. */
static void publish_on_schedule(struct bystander *b)
{
    uint64_t due_ns = clock_monotonic_ns();
    while (!atomic_load(&b->failed) && b->sent < BYSTANDER_MESSAGES_MAX) {
        const int phase = atomic_load(&b->phase);
        if (phase == BYSTANDER_ENDED)
            return;
        wait_until(b, due_ns);
        if (clock_monotonic_ns() < due_ns)
            continue;
        bystander_publish(b, phase);
        due_ns += interval_ns;
    }
}

static void *bystander_run(void *user)
{
    struct bystander *b = user;
    const struct sched_param first = {.sched_priority = 1};
    /* Its core is busy with thousands of others' messages: whoever reads late must not blame the
     * server. Without the right to it, the figure says so. */
    b->real_time = pthread_setschedparam(pthread_self(), SCHED_FIFO, &first) == 0;
    const uint64_t give_up_ns = clock_monotonic_ns() + patience_ns;
    while (!atomic_load(&b->is_open) && !atomic_load(&b->failed)) {
        wait_until(b, give_up_ns);
        if (clock_monotonic_ns() >= give_up_ns)
            bystander_fail(b, "not answered");
    }
    publish_on_schedule(b);
    const uint64_t end_ns = clock_monotonic_ns() + patience_ns;
    while (!atomic_load(&b->failed) && b->returned < b->sent && clock_monotonic_ns() < end_ns)
        wait_until(b, end_ns);
    return NULL;
}

/* --- from outside ----------------------------------------------------------------------------- */

/* Connects and asks; what follows is the thread's. */
static int bystander_open(struct bystander *b)
{
    const struct in_addr from = {htonl(INADDR_LOOPBACK)};
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(b->port), .sin_addr = from};
    b->fd = net_connect(&from, &to);
    if (b->fd < 0)
        return b->fd;
    struct pollfd ready = {.fd = b->fd, .events = POLLOUT};
    if (poll(&ready, 1, 10000) <= 0)
        return -ETIME;
    const int err = net_connect_result(b->fd);
    if (err != 0)
        return err;
    const ssize_t n = net_send(b->fd, BYTES_LITERAL(request));
    return n == (ssize_t)sizeof(request) - 1 ? 0 : -EIO;
}

int bystander_begin(struct bystander *b, uint16_t port)
{
    static const struct timespec pause = {.tv_nsec = 1000000};
    *b = (struct bystander){.port = port, .fd = -1};
    b->sent_ns = alloc_bytes(BYSTANDER_MESSAGES_MAX * sizeof(*b->sent_ns));
    b->taken_ns = alloc_bytes(BYSTANDER_MESSAGES_MAX * sizeof(*b->taken_ns));
    b->phases = alloc_bytes(BYSTANDER_MESSAGES_MAX);
    if (!b->sent_ns || !b->taken_ns || !b->phases)
        return -ENOMEM;
    int err = bystander_open(b);
    if (err == 0)
        err = -pthread_create(&b->thread, NULL, bystander_run, b);
    if (err != 0)
        return err;
    while (!atomic_load(&b->is_open) && !atomic_load(&b->failed))
        nanosleep(&pause, NULL);
    return 0; /* bystander_end() says whether it failed */
}

void bystander_enter(struct bystander *b, enum bystander_phase phase)
{
    atomic_store(&b->phase, (int)phase);
}

int bystander_end(struct bystander *b)
{
    bystander_enter(b, BYSTANDER_ENDED);
    pthread_join(b->thread, NULL);
    if (!atomic_load(&b->failed) && b->returned < b->sent)
        bystander_fail(b, "a message did not come back");
    return atomic_load(&b->failed) ? -EIO : 0;
}

static int compare(const void *a_at, const void *b_at)
{
    const double *a = a_at, *b = b_at;
    return (*a > *b) - (*a < *b);
}

void bystander_result(const struct bystander *b, enum bystander_phase phase,
                      struct bystander_result *out)
{
    double *late_ms = alloc_bytes(BYSTANDER_MESSAGES_MAX * sizeof(double));
    uint32_t count = 0;
    *out = (struct bystander_result){0};
    if (!late_ms)
        return;
    for (uint32_t i = 0; i < b->returned; i++)
        if (b->phases[i] == phase)
            late_ms[count++] = (double)(b->taken_ns[i] - b->sent_ns[i]) / 1e6;
    qsort(late_ms, count, sizeof(double), compare);
    if (count > 0)
        *out = (struct bystander_result){count, late_ms[(count - 1) / 2],
                                         late_ms[(uint32_t)(0.99 * (count - 1) + 0.5)],
                                         late_ms[count - 1]};
    alloc_free(late_ms);
}

void bystander_fini(struct bystander *b)
{
    if (b->fd >= 0)
        net_abort(b->fd);
    held_drop(&b->rest);
    alloc_free(b->sent_ns);
    alloc_free(b->taken_ns);
    alloc_free(b->phases);
}
