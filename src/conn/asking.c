/* A subscription's wishes, out of a request's target and fields. Bodies are read in asking_body.c.
 */
#include "conn/asking.h"

#include "base/alloc.h"
#include "base/utf8.h"
#include "http/target.h"
#include "topic/pattern.h"

#include <errno.h>

enum { FORMAT_TEXT_MAX = 8, GIVEN_TEXT_MAX = 64 };

static const struct asking_problem fine = {NULL, NULL};
const struct asking_problem asking_no_memory = {"no_memory",
                                                "the server is out of memory, try again"};
const struct asking_problem asking_bad_cursor = {
    "bad_cursor", "a place in the log is a cursor as this server gave it, `earliest` or `now`"};
const struct asking_problem asking_bad_last = {"bad_last", "`last` is a number from 0 to 1000"};

int asking_init(struct asking *a, size_t capacity)
{
    *a = (struct asking){.store = alloc_bytes(capacity + 1), .capacity = capacity};
    return a->store ? 0 : -ENOMEM;
}

void asking_fini(struct asking *a)
{
    alloc_free(a->store);
    a->store = NULL;
}

/* --- topics ----------------------------------------------------------------------------------- */

static struct bytes keep(struct asking *a, struct bytes b)
{
    ASSERT(a->stored + b.len <= a->capacity);
    const struct bytes kept = {a->store + a->stored, b.len};
    memcpy(a->store + a->stored, b.at, b.len);
    a->stored += b.len;
    return kept;
}

struct asking_problem asking_add_name(struct asking *a, struct bytes name)
{
    const char *problem = topic_filter_problem(name);
    if (problem)
        return (struct asking_problem){"bad_topic", problem};
    if (a->name_count == SET_FILTERS_MAX)
        return (struct asking_problem){"too_many_topics",
                                       "a connection has at most 256 topics and patterns"};
    a->names[a->name_count++] = keep(a, name);
    return fine;
}

static struct asking_problem add_raw_name(struct asking *a, struct bytes raw)
{
    uint8_t name[TOPIC_MAX];
    const int len = http_percent_decode(raw, true, name, sizeof(name));
    if (len < 0)
        return (struct asking_problem){"bad_topic",
                                       "a topic is at most 255 bytes, and %XX are two hex digits"};
    return asking_add_name(a, (struct bytes){name, (size_t)len});
}

static struct asking_problem add_query_names(struct asking *a, struct bytes query)
{
    struct bytes field, value;
    struct asking_problem problem = fine;
    while (!problem.code && http_query_next(&query, &field, &value))
        if (bytes_equal(field, BYTES_LITERAL("topic")))
            problem = add_raw_name(a, value);
    return problem;
}

/* --- where to begin --------------------------------------------------------------------------- */

bool asking_set_after(struct asking *a, struct bytes given)
{
    a->is_given = true;
    a->start.given = given;
    if (bytes_equal(given, BYTES_LITERAL("now")))
        a->start.kind = START_NOW;
    else if (bytes_equal(given, BYTES_LITERAL("earliest")))
        a->start.kind = START_EARLIEST;
    else if (cursor_parse(given, &a->start.cursor))
        a->start.kind = START_CURSOR;
    else
        return false;
    return true;
}

bool asking_set_last(struct asking *a, uint64_t count)
{
    if (!a->is_given) {
        a->is_given = true;
        a->start.kind = START_LAST;
        a->start.last = (uint32_t)count;
    }
    return count <= ASKING_LAST_MAX;
}

void asking_take_last_event_id(struct asking *a, const struct http_request *q)
{
    struct bytes given = http_request_field(q, "last-event-id");
    if (given.len == 0 || asking_set_after(a, given))
        return;
    given = utf8_cut(given, GIVEN_TEXT_MAX);
    a->start.kind = START_UNREADABLE;
    a->start.given = utf8_is_valid(given) ? given : BYTES_LITERAL("");
}

/* What old polyfills send when they have no cursor yet is as good as nothing. */
static struct asking_problem take_after(struct asking *a, struct bytes query, const char *name,
                                        bool may_be_empty)
{
    uint8_t text[CURSOR_TEXT_MAX];
    const int len = http_query_get(query, name, text, sizeof(text));
    if (len == HTTP_QUERY_ABSENT || (len == 0 && may_be_empty))
        return fine;
    if (len < 0)
        return asking_bad_cursor;
    if (a->is_given)
        return fine;
    return asking_set_after(a, keep(a, (struct bytes){text, (size_t)len})) ? fine
                                                                           : asking_bad_cursor;
}

static struct asking_problem take_last(struct asking *a, struct bytes query)
{
    uint64_t count;
    const int found = http_query_number(query, "last", &count);
    if (found == HTTP_QUERY_ABSENT)
        return fine;
    return found == 0 && asking_set_last(a, count) ? fine : asking_bad_last;
}

static struct asking_problem take_place(struct asking *a, const struct http_request *q)
{
    asking_take_last_event_id(a, q);
    struct asking_problem problem = take_after(a, q->query, "after", false);
    if (!problem.code)
        problem = take_after(a, q->query, "lastEventId", true);
    if (!problem.code)
        problem = take_after(a, q->query, "last_event_id", true);
    return problem.code ? problem : take_last(a, q->query);
}

/* --- all of it -------------------------------------------------------------------------------- */

struct asking_problem asking_finish(struct asking *a, struct bytes format)
{
    if (a->name_count == 0)
        return (struct asking_problem){"bad_topic", "name at least one topic: /t?topic=TOPIC"};
    a->json = a->name_count > 1 || pattern_is(a->names[0]);
    if (!format.at)
        return fine;
    a->json = bytes_equal(format, BYTES_LITERAL("json"));
    if (a->json || bytes_equal(format, BYTES_LITERAL("raw")))
        return fine;
    return (struct asking_problem){"bad_format", "the format is `raw` or `json`"};
}

static struct asking_problem finish_request(struct asking *a, struct bytes query)
{
    uint8_t text[FORMAT_TEXT_MAX];
    const int len = http_query_get(query, "format", text, sizeof(text));
    if (len == HTTP_QUERY_ABSENT)
        return asking_finish(a, (struct bytes){0});
    return asking_finish(a, (struct bytes){text, len < 0 ? 0 : (size_t)len});
}

struct asking_problem asking_from_request(struct asking *a, const struct http_request *q,
                                          struct bytes topic)
{
    if (asking_init(a, q->target.len + topic.len) != 0)
        return asking_no_memory;
    struct asking_problem problem =
        topic.at ? asking_add_name(a, topic) : add_query_names(a, q->query);
    if (!problem.code)
        problem = take_place(a, q);
    return problem.code ? problem : finish_request(a, q->query);
}
