/* Makes a line safe for a terminal and for JSON, and writes it whole. Which lines there are is the
 * library's business. */
#include "daemon/logout.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/utf8.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_BYTES_MAX = 1024, /* the library's are at most 512; longer ones are cut */
    NOTE_BYTES_MAX = 64,
    CLEAN_BYTES_MAX = LINE_BYTES_MAX + NOTE_BYTES_MAX,
    OUT_BYTES_MAX = 2 * CLEAN_BYTES_MAX + 128, /* every byte escaped, and what stands around it */
};
/* A pipe takes that much whole or not at all: lines of several threads do not mix. */
static_assert(OUT_BYTES_MAX <= PIPE_BUF, "one write() is one line");

/* Lines quote peers: control characters must neither reach a terminal nor break a JSON string. */
static size_t line_clean(const char *line, char out[static LINE_BYTES_MAX])
{
    const size_t len = strnlen(line, LINE_BYTES_MAX);
    const bool is_utf8 = utf8_is_valid((struct bytes){(const uint8_t *)line, len});
    for (size_t i = 0; i < len; i++) {
        const uint8_t c = (uint8_t)line[i];
        const bool is_shown = c >= 0x80 ? is_utf8 : c >= ' ' && c != 0x7f;
        out[i] = is_shown ? line[i] : '?';
    }
    return len;
}

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

static size_t json_head(char *out, int syslog_level)
{
    char time_text[32];
    struct tm utc;
    const int64_t now_ms = clock_realtime_ms();
    const time_t now_s = (time_t)(now_ms / 1000);
    gmtime_r(&now_s, &utc);
    strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%S", &utc);
    return (size_t)snprintf(out, OUT_BYTES_MAX,
                            "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"message\":\"", time_text,
                            (int)(now_ms % 1000), level_name(syslog_level));
}

static size_t json_line(char *out, int syslog_level, const char *line, size_t len)
{
    size_t out_len = json_head(out, syslog_level);
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
    char clean[CLEAN_BYTES_MAX], out[OUT_BYTES_MAX];
    struct logout *l = user;
    if (!has_room(l->fd)) {
        atomic_fetch_add_explicit(&l->lost, 1, memory_order_relaxed);
        return;
    }
    const unsigned lost = atomic_exchange_explicit(&l->lost, 0, memory_order_relaxed);
    size_t len = line_clean(line, clean);
    if (lost > 0)
        len += (size_t)snprintf(clean + len, NOTE_BYTES_MAX, " (lines lost before it: %u)", lost);
    const size_t out_len =
        l->json ? json_line(out, syslog_level, clean, len) : plain_line(out, clean, len);
    /* Nobody is left to hear that it failed. */
    const ssize_t ignored = write(l->fd, out, out_len);
    (void)ignored;
}
