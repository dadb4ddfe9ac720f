/* The banner: its first line to the byte, and lines that can be pasted as they are. */
#include "daemon/banner.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The last banner: the next one ends it. */
static char *shown;

static void forget(void)
{
    free(shown);
    shown = NULL;
}

static char *banner_of(const struct banner *b)
{
    size_t len;
    forget();
    FILE *out = open_memstream(&shown, &len);
    banner_print(out, b);
    cr_assert(eq(int, fclose(out), 0));
    return shown;
}

static char *banner_for(const char *address, uint16_t port)
{
    const struct uproar_listen listen = {.address = address};
    return banner_of(&(struct banner){"0.1.0", &listen, &port, 1, NULL, NULL});
}

static char *banner_with_tokens(const char *publish, const char *subscribe)
{
    const struct uproar_listen listen = {.address = "127.0.0.1:8080"};
    const uint16_t port = 8080;
    return banner_of(&(struct banner){"0.1.0", &listen, &port, 1, publish, subscribe});
}

static void expect_line(const char *banner, const char *line)
{
    char with_ends[512];
    snprintf(with_ends, sizeof(with_ends), "\n%s\n", line);
    cr_assert(ne(ptr, strstr(banner, with_ends), NULL), "no line %s in:\n%s", line, banner);
}

static void expect_start(const char *banner, const char *start)
{
    cr_assert(eq(int, strncmp(banner, start, strlen(start)), 0), "%s", banner);
}

Test(banner, says_all_of_this_for_the_default_address, .fini = forget)
{
    cr_assert(eq(str, banner_for("127.0.0.1:8080", 8080),
                 "uproar 0.1.0 ready http://127.0.0.1:8080\n"
                 "page       http://127.0.0.1:8080/\n"
                 "WebSocket  ws://127.0.0.1:8080/t/demo\n"
                 "SSE        http://127.0.0.1:8080/t/demo\n"
                 "metrics    http://127.0.0.1:8080/metrics\n"
                 "curl -N -H \"Accept: text/event-stream\" http://127.0.0.1:8080/t/demo\n"
                 "curl -d hello http://127.0.0.1:8080/t/demo\n"));
}

Test(banner, shows_the_real_port, .fini = forget)
{
    expect_start(banner_for("127.0.0.1:0", 54321), "uproar 0.1.0 ready http://127.0.0.1:54321\n");
}

Test(banner, shows_an_address_that_can_be_connected_to, .fini = forget)
{
    expect_start(banner_for("0.0.0.0:80", 80), "uproar 0.1.0 ready http://127.0.0.1:80\n");
    expect_start(banner_for("[::]:80", 80), "uproar 0.1.0 ready http://[::1]:80\n");
    expect_start(banner_for("10.0.0.7:80", 80), "uproar 0.1.0 ready http://10.0.0.7:80\n");
}

Test(banner, quotes_what_a_shell_would_take_for_a_pattern, .fini = forget)
{
    expect_line(banner_for("[::]:80", 80), "curl -d hello 'http://[::1]:80/t/demo'");
}

Test(banner, has_room_for_the_longest_address, .fini = forget)
{
    const char *banner = banner_for("[1111:2222:3333:4444:5555:6666:7777:8888]:0", 65535);
    expect_line(banner,
                "metrics    http://[1111:2222:3333:4444:5555:6666:7777:8888]:65535/metrics");
    expect_line(banner,
                "curl -d hello 'http://[1111:2222:3333:4444:5555:6666:7777:8888]:65535/t/demo'");
}

Test(banner, names_the_other_listeners_after_the_first, .fini = forget)
{
    const struct uproar_listen listen[] = {
        {.address = "127.0.0.1:0"}, {.address = "[::]:0"}, {.address = "0.0.0.0:3"}};
    const uint16_t ports[] = {1, 2, 3};
    const char *banner = banner_of(&(struct banner){"0.1.0", listen, ports, 3, NULL, NULL});
    expect_start(banner, "uproar 0.1.0 ready http://127.0.0.1:1\n"
                         "also       http://[::1]:2\n"
                         "also       http://127.0.0.1:3\n"
                         "page       http://127.0.0.1:1/\n");
}

Test(banner, shows_the_header_to_whom_a_token_is_asked_of, .fini = forget)
{
    const char *banner = banner_with_tokens("/run/p.token", NULL);
    expect_line(banner, "curl -N -H \"Accept: text/event-stream\" http://127.0.0.1:8080/t/demo");
    expect_line(banner, "curl -d hello -H \"Authorization: Bearer $(cat /run/p.token)\" "
                        "http://127.0.0.1:8080/t/demo");
    banner = banner_with_tokens(NULL, "s");
    expect_line(banner, "curl -N -H \"Accept: text/event-stream\" "
                        "-H \"Authorization: Bearer $(cat s)\" http://127.0.0.1:8080/t/demo");
    expect_line(banner, "curl -d hello http://127.0.0.1:8080/t/demo");
}

Test(banner, quotes_the_names_of_token_files, .fini = forget)
{
    static const struct {
        const char *file, *shown;
    } cases[] = {
        {"a b", "'a b'"},         {"$(rm -r x)", "'$(rm -r x)'"},
        {"it's", "'it'\\''s'"},   {"'", "''\\'''"},
        {"-n", "./-n"},           {"- n", "./'- n'"},
        {"a\"b", "'a\"b'"},       {"a;b", "'a;b'"},
        {"../t_1.x", "../t_1.x"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[256];
        snprintf(
            line, sizeof(line),
            "curl -d hello -H \"Authorization: Bearer $(cat %s)\" http://127.0.0.1:8080/t/demo",
            cases[i].shown);
        expect_line(banner_with_tokens(cases[i].file, NULL), line);
    }
}

Test(banner, of_the_version_names_the_allocator_on_a_second_line)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    banner_print_version(out, "0.1.0");
    cr_assert(eq(int, fclose(out), 0));
    expect_start(text, "uproar 0.1.0\nmalloc: ");
    const char *second = strchr(text, '\n') + 1;
    cr_assert(eq(sz, strcspn(second, "\n"), strlen(second) - 1));
    free(text);
}
