/* Log lines: text or JSON, and never a wait. That they are clean is the library's. */
#include "daemon/logout.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int64_t some_ms(void)
{
    return 951782400007; /* 2000-02-29T00:00:00.007Z */
}

static int fds[2];

static struct logout logout_open(bool json)
{
    cr_assert(eq(int, pipe(fds), 0));
    return (struct logout){.fd = fds[1], .json = json, .now_ms = some_ms};
}

static void expect_out(const char *expected)
{
    static char out[PIPE_BUF + 1];
    const ssize_t n = read(fds[0], out, PIPE_BUF);
    out[n > 0 ? n : 0] = '\0';
    cr_assert(eq(str, out, (char *)expected));
}

static void expect_plain(const char *line, const char *expected)
{
    struct logout l = logout_open(false);
    logout_line(&l, 6, line);
    expect_out(expected);
}

static void expect_json(int level, const char *line, const char *expected)
{
    struct logout l = logout_open(true);
    logout_line(&l, level, line);
    expect_out(expected);
}

Test(logout, names_the_program_before_a_line)
{
    expect_plain("listening", "uproar: listening\n");
    expect_plain("", "uproar: \n");
    expect_plain("caf\xc3\xa9 %s", "uproar: caf\xc3\xa9 %s\n");
}

Test(logout, writes_a_json_object_with_time_level_and_message)
{
    expect_json(6, "hi",
                "{\"time\":\"2000-02-29T00:00:00.007Z\",\"level\":\"info\","
                "\"message\":\"hi\"}\n");
    expect_json(4, "a\"b\\c",
                "{\"time\":\"2000-02-29T00:00:00.007Z\",\"level\":\"warning\","
                "\"message\":\"a\\\"b\\\\c\"}\n");
    expect_json(3, "",
                "{\"time\":\"2000-02-29T00:00:00.007Z\",\"level\":\"error\","
                "\"message\":\"\"}\n");
    expect_json(7, "\xe2\x82\xac",
                "{\"time\":\"2000-02-29T00:00:00.007Z\",\"level\":\"debug\","
                "\"message\":\"\xe2\x82\xac\"}\n");
}

static void expect_cut(size_t line_len, size_t shown_len)
{
    char line[2048] = "", expected[2048];
    memset(line, 'a', line_len);
    snprintf(expected, sizeof(expected), "uproar: %.*s\n", (int)shown_len, line);
    expect_plain(line, expected);
}

Test(logout, cuts_a_line_at_1024_bytes)
{
    expect_cut(1023, 1023);
    expect_cut(1024, 1024);
    expect_cut(1025, 1024);
}

Test(logout, has_room_for_a_line_of_nothing_but_escapes)
{
    char line[1025], out[PIPE_BUF + 1];
    struct logout l = logout_open(true);
    l.lost = UINT_MAX;
    memset(line, '"', sizeof(line) - 1);
    line[1024] = '\0';
    logout_line(&l, 0, line);
    const ssize_t n = read(fds[0], out, PIPE_BUF);
    out[n > 0 ? n : 0] = '\0';
    cr_assert(gt(long, n, 2048));
    cr_assert(eq(str, strchr(out, '('), "(lines lost before it: 4294967295)\"}\n"));
}

static size_t fill_pipe(void)
{
    static const char bytes[PIPE_BUF];
    size_t len = 0;
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    for (ssize_t n = 0; (n = write(fds[1], bytes, sizeof(bytes))) > 0;)
        len += (size_t)n;
    fcntl(fds[1], F_SETFL, 0);
    return len;
}

static void drain_pipe(size_t len)
{
    static char bytes[PIPE_BUF];
    for (ssize_t n = 0; len > 0 && (n = read(fds[0], bytes, sizeof(bytes))) > 0;)
        len -= (size_t)n;
}

Test(logout, counts_lines_that_nobody_reads_instead_of_waiting, .timeout = 10)
{
    struct logout l = logout_open(false);
    const size_t len = fill_pipe();
    logout_line(&l, 6, "one");
    logout_line(&l, 6, "two");
    drain_pipe(len);
    logout_line(&l, 6, "three");
    logout_line(&l, 6, "four");
    expect_out("uproar: three (lines lost before it: 2)\nuproar: four\n");
}

Test(logout, counts_a_single_lost_line_too, .timeout = 10)
{
    struct logout l = logout_open(false);
    const size_t len = fill_pipe();
    logout_line(&l, 6, "one");
    drain_pipe(len);
    logout_line(&l, 6, "two");
    expect_out("uproar: two (lines lost before it: 1)\n");
}

Test(logout, survives_a_reader_that_left)
{
    signal(SIGPIPE, SIG_IGN);
    struct logout l = logout_open(false);
    close(fds[0]);
    logout_line(&l, 6, "nobody hears this");
    logout_line(&l, 6, "nor this");
}
