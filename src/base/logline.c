/* Formats a line, counts the ones held back. Where lines end up is the sink's business. */
#include "base/logline.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_BYTES = 512, LIMIT_NS = 1000000000 };

void logline_clean(char *line)
{
    const bool is_utf8 = utf8_is_valid(bytes_from(line));
    for (char *at = line; *at; at++) {
        const uint8_t c = (uint8_t)*at;
        const bool is_shown = c >= 0x80 ? is_utf8 : c >= ' ' && c != 0x7f;
        if (!is_shown)
            *at = '?';
    }
}

static void emit(const struct logline_sink *sink, enum logline_level level, uint32_t held,
                 const char *format, va_list args)
{
    char line[LINE_MAX_BYTES];
    if (!sink->write)
        return;
    const int n = vsnprintf(line, sizeof(line), format, args);
    const size_t len = n < 0 ? 0 : (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1;
    if (held > 0)
        snprintf(line + len, sizeof(line) - len, " (and %u more like it)", held);
    logline_clean(line);
    sink->write(sink->user, (int)level, line);
}

void logline(const struct logline_sink *sink, enum logline_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    emit(sink, level, 0, format, args);
    va_end(args);
}

void logline_limited(const struct logline_sink *sink, struct logline_cause *cause,
                     enum logline_level level, const char *format, ...)
{
    const uint64_t now_ns = clock_monotonic_ns();
    uint64_t next_ns = atomic_load_explicit(&cause->next_ns, memory_order_relaxed);
    if (now_ns < next_ns ||
        !atomic_compare_exchange_strong_explicit(&cause->next_ns, &next_ns, now_ns + LIMIT_NS,
                                                 memory_order_relaxed, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&cause->held, 1, memory_order_relaxed);
        return;
    }
    const uint32_t held = atomic_exchange_explicit(&cause->held, 0, memory_order_relaxed);
    va_list args;
    va_start(args, format);
    emit(sink, level, held, format, args);
    va_end(args);
}
