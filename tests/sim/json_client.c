/* Reads what a client reads with any JSON library, and says no where a careful one would. */
#include "sim/json_client.h"

#include "sim/failure.h"

#include <string.h>

enum { MEMBERS_MAX = 8 };
#define UNIX_MS_MIN 1600000000000

json_t *json_client_parse(struct bytes text, const char *who)
{
    json_error_t error;
    json_t *found = json_loadb((const char *)text.at, text.len,
                               JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    SIM_CHECK("protocol", found, "%s: no JSON (%s): %.*s", who, error.text,
              (int)(text.len < 200 ? text.len : 200), (const char *)text.at);
    return found;
}

json_t *json_client_only_member(json_t *object, const char *name)
{
    return json_object_size(object) == 1 ? json_object_get(object, name) : NULL;
}

struct bytes json_client_string(const json_t *string, const char *who)
{
    SIM_CHECK("protocol", json_is_string(string), "%s: no string where one was due", who);
    return (struct bytes){(const uint8_t *)json_string_value(string), json_string_length(string)};
}

/* --- base64 ----------------------------------------------------------------------------------- */

static unsigned sextet(uint8_t c, const char *who)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c != '\0' ? strchr(digits, c) : NULL;
    SIM_CHECK("protocol", found, "%s: byte %02x in base64", who, c);
    return (unsigned)(found - digits);
}

void json_client_base64(struct bytes text, struct buffer *out, const char *who)
{
    SIM_CHECK("protocol", text.len % 4 == 0, "%s: base64 without padding", who);
    for (; text.len > 0; text = bytes_skip(text, 4)) {
        const bool last = text.len == 4;
        const unsigned padding = !last ? 0 : text.at[2] == '=' ? 2 : text.at[3] == '=';
        unsigned bits = 0;
        for (unsigned i = 0; i < 4; i++)
            bits = bits << 6 | (i < 4 - padding ? sextet(text.at[i], who) : 0);
        SIM_CHECK("protocol",
                  (bits & ((1u << padding * 8) - 1)) == 0 && (padding < 2 || text.at[3] == '='),
                  "%s: bits behind the end of base64", who);
        store_be(buffer_extend(out, 3), 3, bits);
        buffer_shorten(out, padding);
    }
}

/* --- envelopes -------------------------------------------------------------------------------- */

/* The members' names, in their order. */
static unsigned names_of(json_t *object, const char *names[static MEMBERS_MAX], const char *who)
{
    const char *name;
    json_t *value;
    unsigned count = 0;
    SIM_CHECK("protocol", json_is_object(object), "%s: no object where one was due", who);
    SIM_CHECK("protocol", json_object_size(object) <= MEMBERS_MAX, "%s: too many members", who);
    json_object_foreach(object, name, value)
    {
        SIM_CHECK("protocol", value, "%s: %s has no value", who, name);
        names[count++] = name;
    }
    return count;
}

static void check_names(json_t *object, const char *const *due, unsigned count, const char *who)
{
    const char *names[MEMBERS_MAX];
    SIM_CHECK("protocol", names_of(object, names, who) == count, "%s: not %u members", who, count);
    for (unsigned i = 0; i < count; i++)
        SIM_CHECK("protocol", strcmp(names[i], due[i]) == 0, "%s: member %s where %s was due", who,
                  names[i], due[i]);
}

void json_client_envelope(json_t *object, struct envelope *out, struct buffer *decoded,
                          const char *who)
{
    const json_t *base64 = json_object_get(object, "base64");
    const char *const due[] = {"id", "topic", "time", base64 ? "base64" : "data"};
    check_names(object, due, sizeof(due) / sizeof(due[0]), who);
    const json_t *time = json_object_get(object, "time");
    SIM_CHECK("protocol", json_is_integer(time) && json_integer_value(time) >= UNIX_MS_MIN,
              "%s: a time that is none", who);
    *out = (struct envelope){.id = json_client_string(json_object_get(object, "id"), who),
                             .topic = json_client_string(json_object_get(object, "topic"), who),
                             .payload = json_client_string(json_object_get(object, due[3]), who),
                             .time_ms = json_integer_value(time),
                             .is_binary = base64 != NULL};
    if (!base64)
        return;
    buffer_clear(decoded);
    json_client_base64(out->payload, decoded, who);
    out->payload = buffer_bytes(decoded);
}

void json_client_gap(json_t *object, struct told_gap *out, const char *who)
{
    static const char *const due[] = {"after", "resumed", "reason"};
    check_names(object, due, sizeof(due) / sizeof(due[0]), who);
    *out = (struct told_gap){json_client_string(json_object_get(object, "after"), who),
                             json_client_string(json_object_get(object, "resumed"), who),
                             json_client_string(json_object_get(object, "reason"), who)};
}
