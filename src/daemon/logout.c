/* Writes a line whole, alone or as JSON. Which lines there are, and that they hold nothing that
 * could harm a terminal, is the library's business. */
#include "daemon/logout.h"

#include <assert.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_BYTES_MAX = 1024, /* the library's are at most 512; longer ones are cut */
    NOTE_BYTES_MAX = 64,
    NOTED_BYTES_MAX = LINE_BYTES_MAX + NOTE_BYTES_MAX,
    OUT_BYTES_MAX = 2 * NOTED_BYTES_MAX + 128, /* every byte escaped, and what stands around it */
};
/* A pipe takes that much whole or not at all: lines of several threads do not mix. */
static_assert(OUT_BYTES_MAX <= PIPE_BUF, "one write() is one line");

static size_t plain_line(char *out, const char *line, size_t len)
{
    return (size_t)snprintf(out, OUT_BYTES_MAX, "uproar: %.*s\n", (int)len, line);
}

static const char *level_name(int syslog_level)
{
    static const char *const names[] = {"emergency", "alert",  "critical", "error",
                                        "warning",   "notice", "info",     "debug"};
    return names[syslog_level & 7];
}

static int64_t system_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static size_t json_head(char *out, int64_t now_ms, int syslog_level)
{
    char time_text[32];
    struct tm utc;
    const time_t now_s = (time_t)(now_ms / 1000);
    gmtime_r(&now_s, &utc);
    strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%S", &utc);
    return (size_t)snprintf(out, OUT_BYTES_MAX,
                            "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"message\":\"", time_text,
                            (int)(now_ms % 1000), level_name(syslog_level));
}

/* out: holds the head. */
static size_t json_line(char *out, size_t out_len, const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (line[i] == '"' || line[i] == '\\')
            out[out_len++] = '\\';
        out[out_len++] = line[i];
    }
    memcpy(out + out_len, "\"}\n", 3);
    return out_len + 3;
}

static bool has_room(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, 0) == 1;
}

void logout_line(void *user, int syslog_level, const char *line)
{
    char noted[NOTED_BYTES_MAX], out[OUT_BYTES_MAX];
    struct logout *l = user;
    if (!has_room(l->fd)) {
        atomic_fetch_add_explicit(&l->lost, 1, memory_order_relaxed);
        return;
    }
    const unsigned lost = atomic_exchange_explicit(&l->lost, 0, memory_order_relaxed);
    size_t len = strnlen(line, LINE_BYTES_MAX), out_len;
    memcpy(noted, line, len);
    if (lost > 0)
        len += (size_t)snprintf(noted + len, NOTE_BYTES_MAX, " (lines lost before it: %u)", lost);
    if (l->json) {
        const int64_t now_ms = l->now_ms ? l->now_ms() : system_now_ms();
        out_len = json_line(out, json_head(out, now_ms, syslog_level), noted, len);
    } else {
        out_len = plain_line(out, noted, len);
    }
    /* Nobody is left to hear that it failed. */
    const ssize_t ignored = write(l->fd, out, out_len);
    (void)ignored;
}
