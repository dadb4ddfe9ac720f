/* The command line of uproar-cat: what is taken, how mistakes are told, and what is asked of the
 * server for it. */
#include "cat/options.h"
#include "cat/target.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>

static struct options o;
static char why[OPTIONS_WHY_MAX];

/* Words with a blank between them. */
static enum options_result parse(const char *line)
{
    static char words[1024];
    char *argv[64] = {(char *)"uproar-cat"}, *left = words;
    int argc = 1;
    snprintf(words, sizeof(words), "%s", line);
    for (char *word; (word = strsep(&left, " ")) != NULL;)
        argv[argc++] = word;
    return cat_options_parse(&o, argc, argv, why);
}

static bool wrong(const char *line, const char *says)
{
    return parse(line) == OPTIONS_WRONG && strstr(why, says) != NULL;
}

static const char *said(void (*add)(struct text *, const struct options *))
{
    static char text[2048];
    struct text t = {0};
    add(&t, &o);
    snprintf(text, sizeof(text), "%.*s", (int)t.len, (const char *)t.at);
    text_fini(&t);
    return text;
}

static void subscription(struct text *t, const struct options *options)
{
    target_add_subscription(t, options, (struct bytes){0});
}

static void resumption(struct text *t, const struct options *options)
{
    target_add_subscription(t, options, BYTES_LITERAL("e-1"));
}

static void websocket(struct text *t, const struct options *options)
{
    target_add_websocket(t, options, (struct bytes){0});
}

static void websocket_again(struct text *t, const struct options *options)
{
    target_add_websocket(t, options, BYTES_LITERAL("e-1"));
}

#define expect(add, wanted) cr_assert(eq(str, (char *)said(add), (char *)wanted))

Test(cat_options, are_read_in_any_order)
{
    cr_assert(eq(int, parse("-n 3 http://h:81/x/ a --json --after earliest b -q"), OPTIONS_RUN));
    cr_assert(eq(u64, o.count, 3));
    cr_assert(eq(u64, o.topic_count, 2));
    cr_assert(eq(u64, o.json, 1));
    cr_assert(eq(u64, o.quiet, 1));
    cr_assert(eq(u64, o.retry_s, OPTION_ABSENT));
    cr_assert(eq(u64, o.silence_s, 60));
    cr_assert(eq(u64, o.publish, 0));
}

Test(cat_options, name_what_is_wrong)
{
    cr_assert(wrong("--json", "the URL of the server is missing"));
    cr_assert(wrong("http://h", "a topic is missing"));
    cr_assert(wrong("ftp://h t", "must begin with"));
    cr_assert(wrong("http://h/?a=b t", "without a query"));
    cr_assert(wrong("--tokn x http://h t", "nearest is --token"));
    cr_assert(wrong("--pubish http://h t", "nearest is --publish"));
    cr_assert(wrong("http://h t --after", "needs a value: --after CURSOR"));
    cr_assert(wrong("http://h t --after=", "needs a value"));
    cr_assert(wrong("http://h t -n x", "whole number"));
    cr_assert(wrong("http://h t -n 0", "must be 1 to 4294967295"));
    cr_assert(wrong("http://h t --last 1001", "must be 0 to 1000"));
    cr_assert(wrong("http://h t --last -1", "whole number"));
    cr_assert(wrong("http://h t --last 1 --after now", "only one of them"));
    cr_assert(wrong("-p http://h t u", "to one topic"));
    cr_assert(wrong("-p -n 1 http://h t", "not for publishing"));
    cr_assert(wrong("--event x http://h t", "with -p"));
    cr_assert(wrong("--token a\x7f http://h t", "printable"));
    cr_assert(wrong("--token-file /nowhere/at/all http://h t", "No such file"));
}

Test(cat_options, take_a_token_from_three_places)
{
    setenv("UPROAR_TOKEN", "from-there", 1);
    cr_assert(eq(int, parse("http://h t"), OPTIONS_RUN));
    cr_assert(eq(str, o.token, (char *)"from-there"));
    cr_assert(eq(int, parse("--token given http://h t"), OPTIONS_RUN));
    cr_assert(eq(str, o.token, (char *)"given"));
    unsetenv("UPROAR_TOKEN");
    cr_assert(eq(int, parse("http://h t"), OPTIONS_RUN));
    cr_assert(eq(str, o.token, (char *)""));
}

Test(cat_options, become_a_request_for_one_topic)
{
    cr_assert(eq(int, parse("http://h/base/ a/b?c=d&e#\xc3\xbc+%"), OPTIONS_RUN));
    expect(subscription, "/base/t/a/b%3Fc%3Dd%26e%23%C3%BC%2B%25?format=json");
    expect(resumption, "/base/t/a/b%3Fc%3Dd%26e%23%C3%BC%2B%25?format=json");
    expect(websocket, "/base/t/a/b%3Fc%3Dd%26e%23%C3%BC%2B%25");
    expect(websocket_again, "/base/t/a/b%3Fc%3Dd%26e%23%C3%BC%2B%25?after=e-1");
}

Test(cat_options, become_a_request_for_many_topics_from_a_place_on)
{
    cr_assert(eq(int, parse("http://h a/b logs.# --last 7 --token s"), OPTIONS_RUN));
    expect(subscription, "/t?topic=a%2Fb&topic=logs.%23&format=json&last=7");
    expect(resumption, "/t?topic=a%2Fb&topic=logs.%23&format=json");
    expect(websocket, "/t?topic=a%2Fb&topic=logs.%23&last=7&token=s");
    expect(websocket_again, "/t?topic=a%2Fb&topic=logs.%23&after=e-1&token=s");
}

Test(cat_options, become_a_publication)
{
    cr_assert(eq(int, parse("-p --event a&b --token s ws://h:8080 x"), OPTIONS_RUN));
    expect(target_add_publication, "/t/x?event=a%26b");
    expect(target_add_fields, "Host: h:8080\r\nUser-Agent: uproar-cat/0.1.0"
                              "\r\nAuthorization: Bearer s\r\n");
}
