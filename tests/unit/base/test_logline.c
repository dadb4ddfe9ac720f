/* Log lines: what reaches the sink, and what is held back. */
#include "base/logline.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

enum { SECOND_NS = 1000000000 };

static uint64_t now_ns;
static unsigned line_count;
static int last_level;
static char last_line[1024];

static uint64_t fake_ns(void)
{
    return now_ns;
}

static const struct clock_source fake = {.monotonic_ns = fake_ns};

static void keep(void *user, int syslog_level, const char *line)
{
    cr_assert(eq(ptr, user, &line_count));
    line_count++;
    last_level = syslog_level;
    snprintf(last_line, sizeof(last_line), "%s", line);
}

static const struct logline_sink sink = {keep, &line_count};

static void use_fake_clock(void)
{
    clock_set_source(&fake);
}

TestSuite(logline, .init = use_fake_clock);

Test(logline, formats_and_passes_the_level)
{
    logline(&sink, LOGLINE_WARNING, "%s is %d", "answer", 42);
    cr_assert(eq(int, last_level, 4));
    cr_assert(eq(str, last_line, "answer is 42"));
}

Test(logline, keeps_control_characters_and_broken_text_from_whoever_reads_it)
{
    logline(&sink, LOGLINE_INFO, "%s", "a\nb\r\t\033[31m\x7f");
    cr_assert(eq(str, last_line, "a?b???[31m?"));
    logline(&sink, LOGLINE_INFO, "%s", "\xff\xc3\xa9");
    cr_assert(eq(str, last_line, "???"));
    logline(&sink, LOGLINE_INFO, "%s", "caf\xc3\xa9");
    cr_assert(eq(str, last_line, "caf\xc3\xa9"));
}

Test(logline, goes_nowhere_without_a_writer)
{
    struct logline_cause cause = {0};
    const struct logline_sink none = {0};
    logline(&none, LOGLINE_ERROR, "%d", 1);
    logline_limited(&none, &cause, LOGLINE_ERROR, "%d", 1);
    cr_assert(eq(uint, line_count, 0));
}

Test(logline, cuts_what_is_too_long)
{
    logline(&sink, LOGLINE_INFO, "%01000d", 7);
    cr_assert(eq(sz, strlen(last_line), 511));
}

Test(logline, lets_one_line_a_second_through_for_each_cause)
{
    struct logline_cause a = {0}, b = {0};
    for (int i = 0; i < 5; i++)
        logline_limited(&sink, &a, LOGLINE_ERROR, "a %d", i);
    cr_assert(eq(uint, line_count, 1));
    cr_assert(eq(str, last_line, "a 0"));

    logline_limited(&sink, &b, LOGLINE_ERROR, "b");
    cr_assert(eq(uint, line_count, 2));

    now_ns = SECOND_NS - 1;
    logline_limited(&sink, &a, LOGLINE_ERROR, "a again");
    cr_assert(eq(uint, line_count, 2));
}

Test(logline, says_how_many_it_held_back)
{
    struct logline_cause cause = {0};
    for (int i = 0; i < 5; i++)
        logline_limited(&sink, &cause, LOGLINE_ERROR, "full");
    now_ns = SECOND_NS;
    logline_limited(&sink, &cause, LOGLINE_ERROR, "full");
    cr_assert(eq(str, last_line, "full (and 4 more like it)"));

    now_ns += SECOND_NS;
    for (int i = 0; i < 2; i++)
        logline_limited(&sink, &cause, LOGLINE_ERROR, "full");
    cr_assert(eq(str, last_line, "full"));
    now_ns += SECOND_NS;
    logline_limited(&sink, &cause, LOGLINE_ERROR, "full");
    cr_assert(eq(str, last_line, "full (and 1 more like it)"));
}

Test(logline, has_no_room_for_the_count_behind_the_longest_line)
{
    struct logline_cause cause = {0};
    for (int i = 0; i < 2; i++)
        logline_limited(&sink, &cause, LOGLINE_ERROR, "x");
    now_ns = SECOND_NS;
    logline_limited(&sink, &cause, LOGLINE_ERROR, "%01000d", 7);
    cr_assert(eq(sz, strlen(last_line), 511));
}
