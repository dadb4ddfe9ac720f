/* Progress for people. Figures of a run are never taken from here. */
#include "load/progress.h"

#include "base/clock.h"
#include "load/words.h"

#include <stdio.h>
#include <unistd.h>

#define TERMINAL_NS (200 * UINT64_C(1000000))
#define LOG_NS      (5 * UINT64_C(1000000000))

static uint64_t interval_ns(const struct progress *p)
{
    return p->is_terminal ? TERMINAL_NS : LOG_NS;
}

void progress_init(struct progress *p)
{
    *p = (struct progress){.is_terminal = isatty(STDERR_FILENO)};
    p->last_ns = clock_monotonic_ns();
    p->next_ns = p->last_ns + interval_ns(p);
}

bool progress_is_due(const struct progress *p, uint64_t now_ns)
{
    return now_ns >= p->next_ns;
}

static void put(const struct progress *p, const struct text *line)
{
    const struct bytes b = text_bytes(line);
    fprintf(stderr, p->is_terminal ? "\r%.*s\x1b[K" : "%.*s\n", (int)b.len, (const char *)b.at);
    fflush(stderr);
}

void progress_show(struct progress *p, const char *what, uint64_t done, uint64_t total,
                   struct bytes more)
{
    struct text line = {0};
    const uint64_t now_ns = clock_monotonic_ns();
    const uint64_t span_ns = now_ns > p->last_ns ? now_ns - p->last_ns : 1;
    const uint64_t gained = done > p->last_done ? done - p->last_done : 0;
    const uint64_t rate = (uint64_t)((double)gained * 1e9 / (double)span_ns);
    text_printf(&line, "%s ", what);
    words_add_count(&line, done);
    text_add_str(&line, " of ");
    words_add_count(&line, total);
    text_add_str(&line, ", ");
    words_add_count(&line, rate);
    text_add_str(&line, "/s");
    if (rate > 0 && done < total)
        text_printf(&line, ", %llu s left", (unsigned long long)((total - done) / rate));
    text_add(&line, more);
    put(p, &line);
    text_fini(&line);
    p->is_shown = p->is_terminal;
    p->last_ns = now_ns;
    p->last_done = done;
    p->next_ns = now_ns + interval_ns(p);
}

void progress_end(struct progress *p)
{
    if (p->is_shown)
        fputs("\r\x1b[K", stderr);
    p->is_shown = false;
}
