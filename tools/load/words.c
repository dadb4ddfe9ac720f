/* Rounding for people: three digits at most, but for counts, which are exact.
 * Machines read the JSON instead. */
#include "load/words.h"

#include <inttypes.h>
#include <stdio.h>

void words_add_count(struct text *out, uint64_t count)
{
    char digits[24];
    const int len = snprintf(digits, sizeof(digits), "%" PRIu64, count);
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            text_add_byte(out, ',');
        text_add_byte(out, (uint8_t)digits[i]);
    }
}

/* 3.14 -> "3.1", 31.4 -> "31". */
static void add_scaled(struct text *out, double value, const char *const *units, double step)
{
    while (value >= step * 0.9995 && units[1]) {
        value /= step;
        units++;
    }
    text_printf(out, value < 9.95 && value != (double)(long)value ? "%.1f %s" : "%.0f %s", value,
                *units);
}

void words_add_duration(struct text *out, uint64_t ns)
{
    static const char *const units[] = {"ns", "us", "ms", "s", NULL};
    add_scaled(out, (double)ns, units, 1000);
}

void words_add_size(struct text *out, double bytes)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", NULL};
    if (bytes < 0)
        bytes = 0; /* noise: the machine got smaller meanwhile */
    add_scaled(out, bytes, units, 1000);
}
