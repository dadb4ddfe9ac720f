/* The body of POST /t: {"topics": [...], "after": "...", "last": N, "format": "..."}. What may
 * stand in each is decided in asking.c. */
#include "conn/asking.h"

#include <jansson.h>

static const struct asking_problem fine = {NULL, NULL};

static struct asking_problem bad(const char *message)
{
    return (struct asking_problem){"bad_body", message};
}

static struct bytes string_of(const json_t *value)
{
    return (struct bytes){(const uint8_t *)json_string_value(value), json_string_length(value)};
}

static struct asking_problem take_topics(struct asking *a, const json_t *topics)
{
    struct asking_problem problem = fine;
    if (!json_is_array(topics))
        return bad("`topics` is an array of strings");
    for (size_t i = 0; i < json_array_size(topics) && !problem.code; i++) {
        const json_t *name = json_array_get(topics, i);
        problem = json_is_string(name) ? asking_add_name(a, string_of(name))
                                       : bad("`topics` is an array of strings");
    }
    return problem;
}

static bool is_known(const char *key)
{
    return strcmp(key, "topics") == 0 || strcmp(key, "after") == 0 || strcmp(key, "last") == 0 ||
           strcmp(key, "format") == 0;
}

static struct asking_problem check_members(const json_t *body)
{
    void *at = json_object_iter((json_t *)(uintptr_t)body);
    for (; at; at = json_object_iter_next((json_t *)(uintptr_t)body, at))
        if (!is_known(json_object_iter_key(at)))
            return bad("the members are `topics`, `after`, `last` and `format`, and no others");
    return fine;
}

/* `after` is copied: the JSON does not outlive the call. */
static struct asking_problem take_after(struct asking *a, const json_t *after)
{
    if (!after || a->is_given)
        return fine;
    if (!json_is_string(after))
        return bad("`after` is a string");
    const struct bytes given = string_of(after);
    memcpy(a->store + a->stored, given.at, given.len);
    const struct bytes kept = {a->store + a->stored, given.len};
    a->stored += given.len;
    return asking_set_after(a, kept) ? fine : asking_bad_cursor;
}

static struct asking_problem take_last(struct asking *a, const json_t *last)
{
    if (!last)
        return fine;
    if (!json_is_integer(last) || json_integer_value(last) < 0)
        return asking_bad_last;
    return asking_set_last(a, (uint64_t)json_integer_value(last)) ? fine : asking_bad_last;
}

static struct asking_problem take_members(struct asking *a, const json_t *body)
{
    const json_t *format = json_object_get(body, "format");
    struct asking_problem problem = check_members(body);
    if (!problem.code)
        problem = take_topics(a, json_object_get(body, "topics"));
    if (!problem.code)
        problem = take_after(a, json_object_get(body, "after"));
    if (!problem.code)
        problem = take_last(a, json_object_get(body, "last"));
    if (problem.code)
        return problem;
    if (format && !json_is_string(format))
        return bad("`format` is a string");
    return asking_finish(a, format ? string_of(format) : (struct bytes){0});
}

struct asking_problem asking_from_body(struct asking *a, const struct http_request *q,
                                       struct bytes body)
{
    if (asking_init(a, body.len) != 0) /* what is in it is not longer than it */
        return asking_no_memory;
    asking_take_last_event_id(a, q);
    json_t *object = json_loadb((const char *)body.at, body.len, JSON_REJECT_DUPLICATES, NULL);
    const struct asking_problem problem =
        json_is_object(object) ? take_members(a, object)
                               : bad("the body is a JSON object: {\"topics\": [\"TOPIC\"]}");
    json_decref(object);
    return problem;
}
