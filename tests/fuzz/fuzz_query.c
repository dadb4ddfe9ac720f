/* What peers write in queries, paths and cursors: fields, escapes, numbers, topics, places in the
 * log. Each answer is held against a plain reading of the same bytes. Heads are in fuzz_http.c. */
#include "exact.h"

#include "base/utf8.h"
#include "http/target.h"
#include "log/cursor.h"

enum {
    NAME_MAX_LEN = 64, /* longer names are nobody's */
    DECODED_MAX = 4096,
    LEVELS_MAX = 32,
};

struct decoded {
    int len; /* -1: a bad escape, or no room */
    uint8_t bytes[DECODED_MAX];
};

static void decode(struct decoded *out, struct bytes raw, bool plus_is_space)
{
    out->len = http_percent_decode(raw, plus_is_space, out->bytes, sizeof(out->bytes));
}

static struct bytes decoded_bytes(const struct decoded *d)
{
    return (struct bytes){d->bytes, (size_t)d->len};
}

/* --- escapes ---------------------------------------------------------------------------------- */

static int hex_digit(uint8_t c)
{
    const char *digits = "0123456789abcdef";
    const char *found = c ? strchr(digits, byte_lower(c)) : NULL;
    return found ? (int)(found - digits) : -1;
}

/* The length that it has decoded, or -1: an escape without its two digits. */
static int plain_length(struct bytes raw)
{
    int len = 0;
    for (size_t i = 0; i < raw.len; i++, len++) {
        if (raw.at[i] != '%')
            continue;
        if (raw.len - i < 3 || hex_digit(raw.at[i + 1]) < 0 || hex_digit(raw.at[i + 2]) < 0)
            return -1;
        i += 2;
    }
    return len;
}

/* Every byte of it as an escape says the same, and one byte less is no room. */
static void check_escaped(const struct decoded *d)
{
    static uint8_t escaped[3 * DECODED_MAX], again[DECODED_MAX];
    size_t len = 0;

    for (int i = 0; i < d->len; i++) {
        escaped[len++] = '%';
        escaped[len++] = (uint8_t) "0123456789ABCDEF"[d->bytes[i] >> 4];
        escaped[len++] = (uint8_t) "0123456789abcdef"[d->bytes[i] & 15];
    }
    const struct bytes in = {escaped, len};
    const size_t room = (size_t)d->len;
    ASSERT(http_percent_decode(in, true, again, room) == d->len);
    ASSERT(memcmp(again, d->bytes, room) == 0);
    if (room > 0)
        ASSERT(http_percent_decode(in, false, again, room - 1) == -1);
}

/* A plus is itself in a path, a space in a query; nothing else differs. */
static void check_plus(const struct decoded *path, const struct decoded *query, struct bytes raw)
{
    size_t pluses = 0, differing = 0;

    ASSERT(path->len == query->len);
    for (size_t i = 0; i < raw.len; i++)
        pluses += raw.at[i] == '+';
    for (int i = 0; i < path->len; i++) {
        if (path->bytes[i] == query->bytes[i])
            continue;
        differing++;
        ASSERT(path->bytes[i] == '+');
        ASSERT(query->bytes[i] == ' ');
    }
    ASSERT(path->len < 0 || differing == pluses);
}

static void check_escapes(struct bytes raw)
{
    static struct decoded path, query;
    const int expected = plain_length(raw);

    decode(&path, raw, false);
    decode(&query, raw, true);
    ASSERT(path.len == (expected <= DECODED_MAX ? expected : -1));
    check_plus(&path, &query, raw);
    if (path.len >= 0)
        check_escaped(&path);
}

/* --- queries ---------------------------------------------------------------------------------- */

/* Up to the next `separator` or the end of all. */
static size_t length_to(struct bytes rest, uint8_t separator)
{
    size_t len = 0;
    while (len < rest.len && rest.at[len] != separator)
        len++;
    return len;
}

/* The next "name=value" between ampersands that is not empty. False: no more. */
static bool plain_next(struct bytes *rest, struct bytes *name, struct bytes *value)
{
    while (rest->len > 0) {
        const size_t len = length_to(*rest, '&');
        const struct bytes field = {rest->at, len};
        *rest = bytes_skip(*rest, len < rest->len ? len + 1 : len);
        if (len == 0)
            continue;
        *name = (struct bytes){field.at, length_to(field, '=')};
        const bool has_value = name->len < field.len;
        *value = has_value ? bytes_skip(field, name->len + 1) : (struct bytes){NULL, 0};
        return true;
    }
    return false;
}

static bool same_place(struct bytes a, struct bytes b)
{
    return a.at == b.at && a.len == b.len;
}

static void check_steps(struct bytes query)
{
    struct bytes rest = query, plain = query, name, value, plain_name, plain_value;

    while (plain_next(&plain, &plain_name, &plain_value)) {
        ASSERT(http_query_next(&rest, &name, &value));
        ASSERT(same_place(name, plain_name));
        ASSERT(same_place(value, plain_value));
    }
    ASSERT(!http_query_next(&rest, &name, &value));
    ASSERT(!http_query_next(&rest, &name, &value)); /* and stays over */
}

/* The value of the first field of that name. False: there is none. */
static bool first_of(struct bytes query, struct bytes wanted, struct bytes *value)
{
    static struct decoded found;
    struct bytes name;

    while (plain_next(&query, &name, value)) {
        decode(&found, name, true);
        if (found.len >= 0 && found.len <= NAME_MAX_LEN &&
            bytes_equal(decoded_bytes(&found), wanted))
            return true;
    }
    return false;
}

/* Decimal digits, 1 to 9 of them. */
static bool plain_number(struct bytes digits, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return false;
        *out = *out * 10 + (uint64_t)(digits.at[i] - '0');
    }
    return digits.len > 0 && digits.len <= 9;
}

static void check_number(struct bytes query, const char *name, const struct decoded *expected)
{
    uint64_t number = 0, plain;
    const int got = http_query_number(query, name, &number);

    if (expected->len >= 0 && plain_number(decoded_bytes(expected), &plain)) {
        ASSERT(got == 0);
        ASSERT(number == plain);
    } else {
        ASSERT(got == HTTP_QUERY_BAD);
    }
}

/* By its decoded name the first such field is found, however its name is spelled. */
static void check_get(struct bytes query, const char *name)
{
    static struct decoded expected, got;
    struct bytes value;
    uint64_t number;

    got.len = http_query_get(query, name, got.bytes, sizeof(got.bytes));
    if (!first_of(query, bytes_from(name), &value)) {
        ASSERT(got.len == HTTP_QUERY_ABSENT);
        ASSERT(http_query_number(query, name, &number) == HTTP_QUERY_ABSENT);
        return;
    }
    decode(&expected, value, true);
    ASSERT(got.len == (expected.len < 0 ? HTTP_QUERY_BAD : expected.len));
    if (got.len > 0)
        ASSERT(memcmp(got.bytes, expected.bytes, (size_t)got.len) == 0);
    if (got.len > 0) /* one byte less is no room */
        ASSERT(http_query_get(query, name, got.bytes, (size_t)got.len - 1) == HTTP_QUERY_BAD);
    check_number(query, name, &expected);
}

static void check_query(struct bytes query)
{
    static struct decoded name;
    struct bytes rest = query, raw, value;
    char text[NAME_MAX_LEN + 1];

    check_steps(query);
    check_get(query, "after");
    for (unsigned fields = 0; fields < 8 && plain_next(&rest, &raw, &value); fields++) {
        decode(&name, raw, true);
        if (name.len < 0 || name.len > NAME_MAX_LEN || memchr(name.bytes, 0, (size_t)name.len))
            continue; /* cannot be asked for */
        memcpy(text, name.bytes, (size_t)name.len);
        text[name.len] = '\0';
        check_get(query, text);
    }
}

/* --- topics ----------------------------------------------------------------------------------- */

struct levels {
    unsigned count, wild, empty;
    bool hash_inside; /* a # that is not the last */
};

static struct levels count_levels(struct bytes topic)
{
    struct levels found = {0};
    for (bool is_last = false; !is_last;) {
        const size_t len = length_to(topic, '.');
        const bool hash = len == 1 && topic.at[0] == '#';
        is_last = len == topic.len;
        found.count++;
        found.empty += len == 0;
        found.wild += hash || (len == 1 && topic.at[0] == '*');
        found.hash_inside = found.hash_inside || (hash && !is_last);
        topic = bytes_skip(topic, is_last ? len : len + 1);
    }
    return found;
}

/* Characters below U+0020, and from U+007F to U+009F. */
static bool has_control(struct bytes utf8)
{
    for (size_t i = 0; i < utf8.len; i++) {
        const uint8_t c = utf8.at[i], next = i + 1 < utf8.len ? utf8.at[i + 1] : 0;
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0))
            return true;
    }
    return false;
}

static void check_topic(struct bytes topic)
{
    const bool is_text =
        topic.len >= 1 && topic.len <= TOPIC_MAX && utf8_is_valid(topic) && !has_control(topic);
    const struct levels levels = count_levels(topic);
    const bool is_name = is_text && levels.empty == 0 && levels.wild == 0;
    const bool is_pattern = is_text && levels.empty == 0 && levels.wild > 0 &&
                            !levels.hash_inside && levels.count <= LEVELS_MAX;

    ASSERT(!topic_name_problem(topic) == is_name);
    ASSERT(!topic_filter_problem(topic) == (is_name || is_pattern));
}

static void check_topics(struct bytes raw)
{
    static struct decoded topic;

    check_topic(raw);
    decode(&topic, raw, false);
    if (topic.len < 0)
        return;
    const struct bytes exact = exact_copy(decoded_bytes(&topic));
    check_topic(exact);
    exact_free(exact);
}

/* --- cursors ---------------------------------------------------------------------------------- */

/* A cursor has one spelling: what is read is what would have been written. */
static void check_spelling(struct bytes text)
{
    const struct cursor untouched = {1, 2};
    struct cursor c = untouched;
    char out[CURSOR_TEXT_MAX];

    if (!cursor_parse(text, &c)) {
        ASSERT(memcmp(&c, &untouched, sizeof(c)) == 0);
        return;
    }
    const size_t len = cursor_format(c, out);
    ASSERT(bytes_equal(text, (struct bytes){(const uint8_t *)out, len}));
}

/* And what is written is read again, whatever it says; nothing is when a byte of it is missing. */
static void check_round_trip(struct cursor c)
{
    char out[CURSOR_TEXT_MAX];
    struct cursor again = {0};
    const size_t len = cursor_format(c, out);

    ASSERT(len < CURSOR_TEXT_MAX);
    ASSERT(out[len] == '\0');
    const struct bytes text = exact_copy((struct bytes){(const uint8_t *)out, len});
    ASSERT(cursor_parse(text, &again));
    ASSERT(again.epoch == c.epoch);
    ASSERT(again.seq == c.seq);
    for (size_t cut = 1; cut <= len; cut++)
        check_spelling(bytes_skip(text, cut));
    exact_free(text);
}

static void check_cursors(struct bytes in)
{
    struct cursor c = {0};
    struct bytes rest = in, name, value;

    check_spelling(in);
    while (plain_next(&rest, &name, &value))
        check_spelling(value);
    memcpy(&c, in.at, in.len < sizeof(c) ? in.len : sizeof(c));
    check_round_trip(c);
    c.seq >>= in.len % 64; /* of every length */
    check_round_trip(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct bytes in = exact_copy((struct bytes){data, size});

    check_escapes(in);
    check_query(in);
    check_topics(in);
    check_cursors(in);
    exact_free(in);
    return 0;
}
