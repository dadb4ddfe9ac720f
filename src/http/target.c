/* Paths and queries: escapes, fields, topic names. Does not route. */
#include "http/target.h"

#include "base/utf8.h"
#include "http/http_internal.h"

#include <limits.h>

enum {
    QUERY_NAME_MAX = 64, /* decoded; longer ones are nobody's */
    NUMBER_DIGITS_MAX = 9,
    PATTERN_LEVELS_MAX = 32, /* each costs memory, and a step for every message that gets so deep */
};

/* The byte that in->at starts with, escaped or not, or -1; moves *in on. */
static int next_byte(struct bytes *in, bool plus_is_space)
{
    const uint8_t c = in->at[0];
    size_t used = 1;
    int value = c;

    if (c == '+' && plus_is_space) {
        value = ' ';
    } else if (c == '%') {
        if (in->len < 3)
            return -1;
        const int high = http_hex_digit(in->at[1]), low = http_hex_digit(in->at[2]);
        if (high < 0 || low < 0)
            return -1;
        value = high << 4 | low;
        used = 3;
    }
    *in = bytes_skip(*in, used);
    return value;
}

int http_percent_decode(struct bytes in, bool plus_is_space, uint8_t *out, size_t out_max)
{
    const size_t room = out_max < INT_MAX ? out_max : INT_MAX;
    size_t len = 0;

    while (in.len > 0) {
        const int value = next_byte(&in, plus_is_space);
        if (value < 0 || len == room)
            return -1;
        out[len++] = (uint8_t)value;
    }
    return (int)len;
}

/* Cuts *rest at the first `separator`: what is before it. Without one *rest becomes absent. */
static struct bytes cut(struct bytes *rest, uint8_t separator)
{
    const uint8_t *at = rest->len > 0 ? memchr(rest->at, separator, rest->len) : NULL;
    const struct bytes before = {rest->at, at ? (size_t)(at - rest->at) : rest->len};

    *rest = at ? bytes_skip(*rest, before.len + 1) : (struct bytes){NULL, 0};
    return before;
}

bool http_query_next(struct bytes *query, struct bytes *name, struct bytes *value)
{
    while (query->len > 0) {
        *value = cut(query, '&');
        if (value->len > 0) {
            *name = cut(value, '=');
            return true;
        }
    }
    return false;
}

static bool name_is(struct bytes raw, struct bytes wanted)
{
    uint8_t decoded[QUERY_NAME_MAX];
    const int len = http_percent_decode(raw, true, decoded, sizeof(decoded));
    return len >= 0 && bytes_equal((struct bytes){decoded, (size_t)len}, wanted);
}

int http_query_get(struct bytes query, const char *name, uint8_t *out, size_t out_max)
{
    struct bytes field, value;

    while (http_query_next(&query, &field, &value)) {
        if (!name_is(field, bytes_from(name)))
            continue;
        const int len = http_percent_decode(value, true, out, out_max);
        return len < 0 ? HTTP_QUERY_BAD : len;
    }
    return HTTP_QUERY_ABSENT;
}

int http_query_number(struct bytes query, const char *name, uint64_t *out)
{
    uint8_t digits[NUMBER_DIGITS_MAX];
    const int len = http_query_get(query, name, digits, sizeof(digits));
    if (len <= 0)
        return len == 0 ? HTTP_QUERY_BAD : len;
    *out = 0;
    for (int i = 0; i < len; i++) {
        if (!http_is_digit(digits[i]))
            return HTTP_QUERY_BAD;
        *out = *out * 10 + (uint64_t)(digits[i] - '0');
    }
    return 0;
}

/* C0, DEL and C1 (U+0080-U+009F, which UTF-8 spells C2 80-C2 9F). */
static bool has_control(struct bytes utf8)
{
    for (size_t i = 0; i < utf8.len; i++) {
        const uint8_t c = utf8.at[i];
        const bool c1 = c >= 0x80 && c < 0xa0 && i > 0 && utf8.at[i - 1] == 0xc2;
        if (c < 0x20 || c == 0x7f || c1)
            return true;
    }
    return false;
}

static const char *bytes_problem(struct bytes topic)
{
    if (topic.len == 0)
        return "The topic is empty.";
    if (topic.len > TOPIC_MAX)
        return "The topic is longer than 255 bytes.";
    if (!utf8_is_valid(topic))
        return "The topic is not UTF-8.";
    if (has_control(topic))
        return "The topic has a control character in it.";
    return NULL;
}

static bool level_is(struct bytes level, uint8_t c)
{
    return level.len == 1 && level.at[0] == c;
}

static const char *levels_problem(struct bytes topic, bool may_be_pattern)
{
    unsigned levels = 0, wild = 0;
    while (topic.at) {
        const struct bytes level = cut(&topic, '.');
        const bool is_wild = level_is(level, '*') || level_is(level, '#');
        levels++;
        wild += is_wild;
        if (level.len == 0)
            return "The topic has an empty level: a dot first, last, or beside another.";
        if (!may_be_pattern && is_wild)
            return "The topic is a pattern: only subscriptions may have * or # as a level.";
        if (level_is(level, '#') && topic.at)
            return "The pattern goes on behind #, which must be its last level.";
    }
    return wild > 0 && levels > PATTERN_LEVELS_MAX ? "A pattern has at most 32 levels." : NULL;
}

const char *topic_name_problem(struct bytes topic)
{
    const char *problem = bytes_problem(topic);
    return problem ? problem : levels_problem(topic, false);
}

const char *topic_filter_problem(struct bytes topic)
{
    const char *problem = bytes_problem(topic);
    return problem ? problem : levels_problem(topic, true);
}
