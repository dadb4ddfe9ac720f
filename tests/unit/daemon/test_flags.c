/* The command line: each flag and its limits, each mistake and its one line. No server is started.
 */
#include "daemon/flags.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGS_MAX = 80 };

/* The last arguments go in here: read what came of them in f and why. */
static struct flags f;
static char why[FLAGS_WHY_MAX];

/* Splits at single spaces: no argument here holds one. */
static enum flags_result parse(const char *line)
{
    static char words[4096];
    char *argv[ARGS_MAX] = {"uproar"}, *rest = words;
    snprintf(words, sizeof(words), "%s", line);
    for (size_t i = 1; i < ARGS_MAX - 1 && rest && *rest; i++)
        argv[i] = strsep(&rest, " ");
    return flags_parse(&f, argv, why);
}

static void expect_wrong(const char *line, const char *expected)
{
    cr_assert(eq(int, parse(line), FLAGS_WRONG), "%s was accepted", line);
    cr_assert(eq(str, why, (char *)expected), "%s", line);
}

static struct uproar_options options(const char *line)
{
    struct uproar_options o = {.size = sizeof(o)};
    cr_assert(eq(int, parse(line), FLAGS_RUN), "%s: %s", line, why);
    flags_fill_options(&f, &o);
    return o;
}

Test(flags, leave_everything_but_the_address_to_the_library_when_there_are_none)
{
    struct uproar_options expected = {.size = sizeof(expected)};
    struct uproar_options o = options("");
    cr_assert(eq(sz, o.listen_count, 1));
    cr_assert(eq(str, (char *)o.listen[0].address, "127.0.0.1:8080"));
    cr_assert(eq(ptr, (void *)o.allow_origins[0], NULL));
    o.listen = NULL;
    o.listen_count = 0;
    o.allow_origins = NULL;
    cr_assert(eq(int, memcmp(&o, &expected, sizeof(o)), 0));
    cr_assert(not(f.log_json));
    cr_assert(eq(ptr, (void *)f.publish_token_file, NULL));
    cr_assert(eq(ptr, (void *)f.subscribe_token_file, NULL));
    cr_assert(eq(ptr, (void *)f.admin_token_file, NULL));
}

Test(flags, do_without_even_a_program_name)
{
    char *argv[] = {NULL};
    cr_assert(eq(int, flags_parse(&f, argv, why), FLAGS_RUN));
    cr_assert(eq(sz, f.listen_count, 1));
}

static const struct number {
    const char *flag;
    size_t offset, size; /* in struct uproar_options */
    uint64_t min, max;
    uint64_t unit; /* of the option in units of the flag */
    const char *below, *above;
} numbers[] = {
#define OPTION(name)                                                                               \
    offsetof(struct uproar_options, name), sizeof(((struct uproar_options *)0)->name)
    {"threads", OPTION(thread_count), 1, 256, 1, "must be 1 to 256", "must be 1 to 256"},
    {"max-connections", OPTION(connection_count_max), 1, 100000000, 1, "must be 1 to 100000000",
     "must be 1 to 100000000"},
    {"max-message", OPTION(message_bytes_max), 1, 1 << 28, 1, "must be 1 to 256M",
     "must be 1 to 256M"},
    {"deflate-min", OPTION(deflate_bytes_min), 0, 1 << 28, 1,
     "not a number of bytes (such as 65536, 64k, 1M or 1G)", "must be 0 to 256M"},
    {"body-memory", OPTION(body_memory), 1, 1ull << 40, 1, "must be 1 to 1024G",
     "must be 1 to 1024G"},
    {"history-messages", OPTION(history_count), 1, 100000000, 1, "must be 1 to 100000000",
     "must be 1 to 100000000"},
    {"history-bytes", OPTION(history_bytes), 1, 1ull << 40, 1, "must be 1 to 1024G",
     "must be 1 to 1024G"},
    {"history-seconds", OPTION(history_ms), 1, 86400, 1000, "must be 1 to 86400",
     "must be 1 to 86400"},
    {"heartbeat", OPTION(heartbeat_ms), 1, 86400, 1000, "must be 1 to 86400", "must be 1 to 86400"},
    {"ping", OPTION(ping_ms), 1, 86400, 1000, "must be 1 to 86400", "must be 1 to 86400"},
    {"drain", OPTION(drain_ms), 0, 86400, 1000, "not a whole number", "must be 0 to 86400"},
    {"stream-max", OPTION(stream_max_ms), 1, 86400, 1000, "must be 1 to 86400",
     "must be 1 to 86400"},
};
enum { NUMBER_COUNT = sizeof(numbers) / sizeof(numbers[0]) };

static uint64_t option_value(const struct uproar_options *o, const struct number *n)
{
    uint64_t value = 0; /* little-endian: the low bytes are all there is */
    memcpy(&value, (const char *)o + n->offset, n->size);
    return value;
}

static void expect_number(const struct number *n, uint64_t value, const char *form)
{
    char line[128];
    snprintf(line, sizeof(line), form, n->flag, (unsigned long long)value);
    const struct uproar_options o = options(line);
    const uint64_t expected = value * n->unit > 0 ? value * n->unit : 1;
    cr_assert(eq(u64, option_value(&o, n), expected), "%s", line);
}

static void expect_no_number(const char *flag, const char *value, const char *rule)
{
    char line[128], expected[FLAGS_WHY_MAX];
    snprintf(line, sizeof(line), "--%s=%s", flag, value);
    snprintf(expected, sizeof(expected), "--%s %s: %s", flag, value, rule);
    expect_wrong(line, expected);
}

Test(flags, take_numbers_up_to_their_limits_and_in_both_forms)
{
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        expect_number(&numbers[i], numbers[i].min, "--%s %llu");
        expect_number(&numbers[i], numbers[i].max, "--%s=%llu");
        expect_number(&numbers[i], numbers[i].max / 2, "--%s=000%llu");
    }
}

Test(flags, refuse_numbers_one_past_their_limits)
{
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        const struct number *n = &numbers[i];
        char above[32];
        const bool is_bytes = strpbrk(n->above, "MG") != NULL;
        snprintf(above, sizeof(above), "%llu", (unsigned long long)n->max + 1);
        expect_no_number(n->flag, above, n->above);
        expect_no_number(n->flag, "18446744073709551616", n->above);
        expect_no_number(n->flag, "99999999999999999999999999999999999999", n->above);
        if (n->min > 0)
            expect_no_number(n->flag, "0", n->below);
        if (!is_bytes)
            expect_no_number(n->flag, "1k", "not a whole number");
    }
}

Test(flags, refuse_what_is_no_number)
{
    static const char *const values[] = {"-1", "+1", "1.5", "0x10", "1,000", "ten", "1_000", "1s"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        expect_no_number("threads", values[i], "not a whole number");
        expect_no_number("ping", values[i], "not a whole number");
        expect_no_number("max-message", values[i],
                         "not a number of bytes (such as 65536, 64k, 1M or 1G)");
    }
}

Test(flags, read_sizes_with_a_suffix)
{
    static const struct {
        const char *line;
        uint64_t bytes;
    } cases[] = {
        {"--body-memory 7", 7},
        {"--body-memory 1k", 1024},
        {"--body-memory 64K", 65536},
        {"--body-memory 1M", 1 << 20},
        {"--body-memory 3m", 3 << 20},
        {"--body-memory 2G", 2ull << 30},
        {"--body-memory=1024g", 1ull << 40},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert(eq(u64, options(cases[i].line).body_memory, cases[i].bytes));
}

Test(flags, refuse_sizes_that_are_none)
{
    static const char *const values[] = {"k", "1kk", "1kB", "1T", "1Mi", "M1", "1.5G", "1k1"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        expect_no_number("history-bytes", values[i],
                         "not a number of bytes (such as 65536, 64k, 1M or 1G)");
    expect_no_number("history-bytes", "1025G", "must be 1 to 1024G");
    expect_no_number("history-bytes", "0M", "must be 1 to 1024G");
    expect_no_number("history-bytes", "17179869184G", "must be 1 to 1024G");
    expect_no_number("max-message", "262145k", "must be 1 to 256M");
}

Test(flags, choose_the_kernel_interface_by_name)
{
    cr_assert(eq(int, options("--io auto").io, UPROAR_IO_AUTO));
    cr_assert(eq(int, options("--io uring").io, UPROAR_IO_URING));
    cr_assert(eq(int, options("--io=epoll").io, UPROAR_IO_EPOLL));
    expect_wrong("--io select", "--io select: must be auto|uring|epoll");
    expect_wrong("--io ur", "--io ur: must be auto|uring|epoll");
    expect_wrong("--io uringe", "--io uringe: must be auto|uring|epoll");
    expect_wrong("--io EPOLL", "--io EPOLL: must be auto|uring|epoll");
    expect_wrong("--io auto|uring", "--io auto|uring: must be auto|uring|epoll");
    expect_wrong("--io |", "--io |: must be auto|uring|epoll");
}

Test(flags, choose_what_becomes_of_slow_subscribers_by_name)
{
    cr_assert(eq(int, options("--deflate off").deflate, UPROAR_DEFLATE_OFF));
    cr_assert(eq(int, options("--deflate=shared").deflate, UPROAR_DEFLATE_SHARED));
    cr_assert(eq(int, options("--deflate full").deflate, UPROAR_DEFLATE_FULL));
    cr_assert(eq(int, options("--slow close").slow, UPROAR_SLOW_CLOSE));
    cr_assert(eq(int, options("--slow skip").slow, UPROAR_SLOW_SKIP));
    cr_assert(eq(int, options("--slow=latest").slow, UPROAR_SLOW_LATEST));
    cr_assert(eq(int, options("--slow=latest --slow=close").slow, UPROAR_SLOW_CLOSE));
    expect_wrong("--slow drop", "--slow drop: must be close|skip|latest");
    expect_wrong("--slow=1", "--slow 1: must be close|skip|latest");
}

Test(flags, listen_on_several_addresses_in_their_order)
{
    const struct uproar_options o =
        options("--listen 0.0.0.0:1 --listen=[::]:65535 --listen 127.0.0.1:0 --listen localhost:2");
    cr_assert(eq(sz, o.listen_count, 4));
    cr_assert(eq(str, (char *)o.listen[0].address, "0.0.0.0:1"));
    cr_assert(eq(str, (char *)o.listen[1].address, "[::]:65535"));
    cr_assert(eq(str, (char *)o.listen[2].address, "127.0.0.1:0"));
    cr_assert(eq(str, (char *)o.listen[3].address, "localhost:2"));
}

Test(flags, refuse_what_is_no_listen_address)
{
    static const char *const values[] = {"8080", ":8080", "127.0.0.1", "example.org:80", "::1:80"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        expect_no_number("listen", values[i],
                         "must be ADDR:PORT, such as 127.0.0.1:8080 or [::]:8080");
}

Test(flags, refuse_one_address_twice_unless_the_system_chooses_the_port)
{
    expect_wrong("--listen 127.0.0.1:80 --listen localhost:80",
                 "--listen localhost:80: given twice");
    expect_wrong("--listen [::1]:80 --listen [0:0::1]:80", "--listen [0:0::1]:80: given twice");
    cr_assert(eq(sz, options("--listen [::1]:80 --listen 127.0.0.1:80").listen_count, 2));
    cr_assert(eq(sz, options("--listen [::1]:0 --listen [::1]:0").listen_count, 2));
}

Test(flags, take_as_many_addresses_as_the_library_and_not_one_more)
{
    char line[1024] = "";
    for (int i = 1; i <= FLAGS_LISTEN_MAX; i++)
        snprintf(line + strlen(line), sizeof(line) - strlen(line), "--listen=127.0.0.1:%d ", i);
    line[strlen(line) - 1] = '\0';
    cr_assert(eq(sz, options(line).listen_count, 16));
    strcat(line, " --listen=127.0.0.1:99");
    expect_wrong(line, "--listen 127.0.0.1:99: at most 16 addresses");
}

Test(flags, collect_origins_into_a_list_that_ends)
{
    const struct uproar_options o =
        options("--allow-origin https://a.example --allow-origin=http://b.example:8000");
    cr_assert(eq(str, (char *)o.allow_origins[0], "https://a.example"));
    cr_assert(eq(str, (char *)o.allow_origins[1], "http://b.example:8000"));
    cr_assert(eq(ptr, (void *)o.allow_origins[2], NULL));
    expect_wrong("--allow-origin https://a.example/",
                 "--allow-origin https://a.example/: must be scheme://host[:port] and no path, "
                 "such as https://example.org");
}

Test(flags, take_64_origins_and_not_one_more)
{
    char line[2048] = "";
    for (int i = 1; i <= FLAGS_ORIGINS_MAX; i++)
        snprintf(line + strlen(line), sizeof(line) - strlen(line), "--allow-origin=h://h%d ", i);
    line[strlen(line) - 1] = '\0';
    const struct uproar_options o = options(line);
    cr_assert(eq(str, (char *)o.allow_origins[63], "h://h64"));
    cr_assert(eq(ptr, (void *)o.allow_origins[64], NULL));
    strcat(line, " --allow-origin=h://h65");
    expect_wrong(line, "--allow-origin h://h65: at most 64 origins");
}

Test(flags, keep_token_files_by_name_and_switches_as_bools)
{
    cr_assert(eq(int, parse("--publish-token p --subscribe-token=./--s --admin-token a --log-json"),
                 FLAGS_RUN));
    cr_assert(eq(str, (char *)f.publish_token_file, "p"));
    cr_assert(eq(str, (char *)f.subscribe_token_file, "./--s"));
    cr_assert(eq(str, (char *)f.admin_token_file, "a"));
    cr_assert(f.log_json);
    cr_assert(not(options("--log-json").target));
    cr_assert(options("--target").target);
}

Test(flags, take_the_last_of_two_unless_repeatable)
{
    cr_assert(eq(u32, options("--threads 2 --ping 3 --threads 4").thread_count, 4));
    cr_assert(eq(u64, options("--body-memory 1G --body-memory 2").body_memory, 2));
    cr_assert(eq(int, options("--io epoll --io auto").io, UPROAR_IO_AUTO));
    cr_assert(
        eq(int, parse("--publish-token a --log-json --publish-token b --log-json"), FLAGS_RUN));
    cr_assert(eq(str, (char *)f.publish_token_file, "b"));
}

Test(flags, name_what_a_missing_value_should_be)
{
    static const struct {
        const char *name, *value;
    } flags[] = {
        {"listen", "ADDR:PORT"},
        {"threads", "N"},
        {"io", "auto|uring|epoll"},
        {"max-connections", "N"},
        {"max-message", "BYTES"},
        {"body-memory", "BYTES"},
        {"history-messages", "N"},
        {"history-bytes", "BYTES"},
        {"history-seconds", "S"},
        {"slow", "close|skip|latest"},
        {"heartbeat", "S"},
        {"ping", "S"},
        {"drain", "S"},
        {"stream-max", "S"},
        {"allow-origin", "ORIGIN"},
        {"publish-token", "FILE"},
        {"subscribe-token", "FILE"},
        {"admin-token", "FILE"},
        {"deflate", "off|shared|full"},
        {"deflate-min", "BYTES"},
    };
    static const char *const lines[] = {"--%s", "--%s=", "--%s --log-json"};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) * 3; i++) {
        char line[64], expected[128];
        const char *name = flags[i / 3].name;
        snprintf(line, sizeof(line), lines[i % 3], name);
        snprintf(expected, sizeof(expected), "--%s needs a value: --%s %s", name, name,
                 flags[i / 3].value);
        expect_wrong(line, expected);
    }
}

Test(flags, refuse_a_value_where_none_belongs)
{
    expect_wrong("--log-json=yes", "--log-json takes no value");
    expect_wrong("--help=all", "--help takes no value");
    expect_wrong("--version=", "--version takes no value");
    expect_wrong("--log-json yes",
                 "unexpected 'yes': there are only flags here, they begin with --");
}

Test(flags, refuse_anything_positional)
{
    expect_wrong("8080", "unexpected '8080': there are only flags here, they begin with --");
    expect_wrong("--threads 2 -", "unexpected '-': there are only flags here, they begin with --");
    char *argv[] = {"uproar", "", NULL};
    cr_assert(eq(int, flags_parse(&f, argv, why), FLAGS_WRONG));
}

Test(flags, name_the_nearest_one_for_an_unknown_one)
{
    static const struct {
        const char *typed, *nearest;
    } cases[] = {
        {"--thread", "threads"},
        {"--treads", "threads"},
        {"-threads", "threads"},
        {"--Threads", "threads"},
        {"--listn", "listen"},
        {"--lisetn", "listen"},
        {"--history", "history-messages"},
        {"--history-second", "history-seconds"},
        {"--history_bytes", "history-bytes"},
        {"--max-conections", "max-connections"},
        {"--maxmessage", "max-message"},
        {"--heart-beat", "heartbeat"},
        {"--pin", "ping"},
        {"--drian", "drain"},
        {"--origin", "allow-origin"},
        {"--token", "publish-token"},
        {"--subscribe", "subscribe-token"},
        {"--admin", "admin-token"},
        {"--slw", "slow"},
        {"--streammax", "stream-max"},
        {"--json", "log-json"},
        {"--versoin", "version"},
        {"--hlep", "help"},
        {"--port", "listen"},
        {"--host", "listen"},
        {"--workers", "threads"},
        {"--oi", "io"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[FLAGS_WHY_MAX], with_value[64];
        snprintf(expected, sizeof(expected),
                 "unknown flag %s, the nearest is --%s (--help shows all)", cases[i].typed,
                 cases[i].nearest);
        snprintf(with_value, sizeof(with_value), "%s=17", cases[i].typed);
        expect_wrong(cases[i].typed, expected);
        expect_wrong(with_value, expected);
    }
}

Test(flags, always_name_one_however_far)
{
    char long_flag[3000];
    memset(long_flag, 'x', sizeof(long_flag));
    memcpy(long_flag, "--", 2);
    long_flag[sizeof(long_flag) - 1] = '\0';
    cr_assert(eq(int, parse(long_flag), FLAGS_WRONG));
    cr_assert(ne(ptr, strstr(why, "xxx, the nearest is --"), NULL), "%s", why);
    cr_assert(eq(int, parse("--"), FLAGS_WRONG));
    cr_assert(ne(ptr, strstr(why, "unknown flag --, the nearest is --"), NULL), "%s", why);
    cr_assert(eq(int, parse("-v"), FLAGS_WRONG));
}

Test(flags, keep_a_complaint_on_one_harmless_line)
{
    expect_wrong("--threads=1\n\033[31m\x7f", "--threads 1??[31m?: not a whole number");
    expect_wrong("a\tb", "unexpected 'a?b': there are only flags here, they begin with --");
}

Test(flags, shorten_a_complaint_about_a_long_value)
{
    char line[3000] = "--listen=";
    memset(line + 9, '9', sizeof(line) - 10);
    line[sizeof(line) - 1] = '\0';
    cr_assert(eq(int, parse(line), FLAGS_WRONG));
    cr_assert(ne(ptr, strstr(why, "999: must be ADDR:PORT, such as"), NULL), "%s", why);
}

Test(flags, stop_at_help_and_version)
{
    cr_assert(eq(int, parse("--help"), FLAGS_HELP));
    cr_assert(eq(int, parse("--version"), FLAGS_VERSION));
    cr_assert(eq(int, parse("--threads 2 --help --nonsense"), FLAGS_HELP));
    cr_assert(eq(int, parse("--nonsense --help"), FLAGS_WRONG));
}

Test(flags, are_all_in_the_help_in_lines_that_fit_a_terminal)
{
    char *text, *line;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    flags_print_help(out);
    cr_assert(eq(int, fclose(out), 0));
    char *rest = text;
    int flag_count = 0;
    while ((line = strsep(&rest, "\n"))) {
        flag_count += strncmp(line, "  --", 4) == 0;
        cr_assert(le(sz, strlen(line), 80), "%s", line);
    }
    cr_assert(eq(int, flag_count, 24));
    free(text);
}
