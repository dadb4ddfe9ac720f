/* The command line of the load generator: what is taken, and how mistakes are told. */
#include "load/options.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define ARGS(...) ((char *const[]){(char *)"uproar-load", __VA_ARGS__, NULL})

static struct options o;
static char why[OPTIONS_WHY_MAX];

static bool wrong(char *const *argv, const char *says)
{
    const enum options_result result = options_parse(&o, argv, why);
    return result == OPTIONS_WRONG && strstr(why, says) != NULL;
}

Test(load_options, are_read_in_any_order)
{
    cr_assert(eq(int,
                 options_parse(&o,
                               ARGS((char *)"-n", (char *)"50k", (char *)"fanout",
                                    (char *)"--size=1k", (char *)"ws://h/", (char *)"--every",
                                    (char *)"0", (char *)"--io", (char *)"epoll"),
                               why),
                 OPTIONS_RUN));
    cr_assert(eq(int, o.mode, LOAD_FANOUT));
    cr_assert(eq(u64, o.connections, 50000));
    cr_assert(eq(u64, o.payload_len, 1024));
    cr_assert(eq(u64, o.every_ms, 0));
    cr_assert(eq(u64, o.hold_s, OPTION_ABSENT));
    cr_assert(eq(str, (char *)o.urls[0], "ws://h/"));
}

Test(load_options, have_defaults)
{
    cr_assert(
        eq(int, options_parse(&o, ARGS((char *)"idle", (char *)"ws://h/"), why), OPTIONS_RUN));
    cr_assert(eq(u64, o.connections, 1000));
    cr_assert(eq(u64, o.payload_len, 64));
    cr_assert(eq(u64, o.messages, 100));
    cr_assert(eq(u64, o.every_ms, OPTION_ABSENT));
    cr_assert(eq(u64, o.timeout_s, 10));
}

Test(load_options, mistakes_name_the_nearest)
{
    cr_assert(wrong(ARGS((char *)"idle", (char *)"--hodl", (char *)"3"), "--hold"));
    cr_assert(wrong(ARGS((char *)"idle", (char *)"--duration", (char *)"3"), "--hold"));
    cr_assert(wrong(ARGS((char *)"fan-out", (char *)"ws://h/"), "nearest is fanout"));
    cr_assert(wrong(ARGS((char *)"-x"), "unknown flag -x"));
}

Test(load_options, of_other_modes_are_refused)
{
    cr_assert(
        wrong(ARGS((char *)"idle", (char *)"--publish", (char *)"http://h/", (char *)"ws://h/"),
              "--publish is not for idle"));
    cr_assert(wrong(ARGS((char *)"connect", (char *)"--size", (char *)"64", (char *)"ws://h/"),
                    "--size is not for connect"));
}

Test(load_options, numbers_have_limits)
{
    cr_assert(wrong(ARGS((char *)"idle", (char *)"-n", (char *)"0"), "1 to 10000000"));
    cr_assert(wrong(ARGS((char *)"idle", (char *)"-n", (char *)"11M"), "1 to 10000000"));
    cr_assert(wrong(ARGS((char *)"idle", (char *)"-n", (char *)"99999999999999999999999M"),
                    "1 to 10000000"));
    /* 2^64 + 5 */
    cr_assert(
        wrong(ARGS((char *)"idle", (char *)"-n", (char *)"18446744073709551621"), "1 to 10000000"));
    cr_assert(wrong(ARGS((char *)"idle", (char *)"-n", (char *)"x"), "whole number"));
    cr_assert(wrong(ARGS((char *)"idle", (char *)"-n", (char *)"-5"), "whole number"));
    cr_assert(wrong(ARGS((char *)"fanout", (char *)"--size", (char *)"31"), "32 to 16777216"));
    cr_assert(wrong(ARGS((char *)"idle", (char *)"-n"), "needs a value"));
    cr_assert(wrong(ARGS((char *)"idle", (char *)"--io", (char *)"kqueue"), "auto|uring|epoll"));
}

Test(load_options, want_a_mode_and_some_urls)
{
    cr_assert(wrong(ARGS((char *)"-n", (char *)"3"), "a mode is missing"));
    cr_assert(wrong(ARGS((char *)"idle"), "the URL is missing"));
    cr_assert(eq(int,
                 options_parse(&o, ARGS((char *)"idle", (char *)"ws://a/", (char *)"ws://b/"), why),
                 OPTIONS_RUN));
    cr_assert(eq(u64, o.url_count, 2));
    cr_assert(eq(str, (char *)o.urls[1], "ws://b/"));
    char *u = (char *)"ws://a/";
    cr_assert(wrong(ARGS((char *)"idle", u, u, u, u, u, u, u, u, u), "8 URLs already"));
    cr_assert(eq(int, options_parse(&o, ARGS((char *)"doctor"), why), OPTIONS_RUN));
}

Test(load_options, end_only_a_server_that_is_named)
{
    char *idle = (char *)"idle", *drain = (char *)"--drain", *u = (char *)"ws://h/";
    cr_assert(wrong(ARGS(idle, drain, u), "--drain needs --pid"));
    cr_assert(wrong(ARGS(idle, (char *)"--drain=1", u), "takes no value"));
    cr_assert(eq(int, options_parse(&o, ARGS(idle, drain, u, (char *)"--pid", (char *)"7"), why),
                 OPTIONS_RUN));
    cr_assert(eq(u64, o.drain, 1));
    cr_assert(eq(u64, o.url_count, 1));
}

Test(load_options, help_tells_all_of_them)
{
    struct text help = {0};
    cr_assert(eq(int, options_parse(&o, ARGS((char *)"--help"), why), OPTIONS_HELP));
    cr_assert(eq(int, options_parse(&o, ARGS((char *)"--version"), why), OPTIONS_VERSION));
    options_add_help(&help);
    text_add_byte(&help, '\0');
    cr_assert(strstr((char *)help.at, "-n, --connections N") != NULL);
    cr_assert(strstr((char *)help.at, "fanout") != NULL);
    text_fini(&help);
}
