/* One topic goes into the path, several or patterns into the query: both as the server documents.
 */
#include "cat/target.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

/* Unreserved bytes stay (RFC 3986, 2.3), in a path `/` too. */
static void add_escaped(struct text *out, const char *value, bool in_path)
{
    for (const char *c = value; *c; c++) {
        if (isalnum((unsigned char)*c) || strchr("-._~", *c) || (in_path && *c == '/'))
            text_add_byte(out, (uint8_t)*c);
        else
            text_printf(out, "%%%02X", (unsigned char)*c);
    }
}

static void add_query(struct text *out, char *separator, const char *name, const char *value)
{
    text_add_byte(out, (uint8_t)*separator);
    *separator = '&';
    text_add_str(out, name);
    text_add_byte(out, '=');
    add_escaped(out, value, false);
}

/* A path of the URL's goes first; its last slash is ours. */
static void add_prefix(struct text *out, const struct options *o)
{
    struct bytes prefix = o->url.target;
    while (prefix.len > 0 && prefix.at[prefix.len - 1] == '/')
        prefix.len--;
    text_add(out, prefix);
}

static void add_topics(struct text *out, const struct options *o, char *separator)
{
    add_prefix(out, o);
    text_add_str(out, "/t");
    if (o->topic_count == 1) {
        text_add_byte(out, '/');
        add_escaped(out, o->topics[0], true);
    }
    for (size_t i = 0; i < o->topic_count && o->topic_count > 1; i++)
        add_query(out, separator, "topic", o->topics[i]);
}

static void add_start(struct text *out, const struct options *o, char *separator)
{
    char number[24];
    if (o->after)
        add_query(out, separator, "after", o->after);
    if (o->last == OPTION_ABSENT)
        return;
    snprintf(number, sizeof(number), "%" PRIu64, o->last);
    add_query(out, separator, "last", number);
}

void target_add_subscription(struct text *out, const struct options *o, struct bytes place)
{
    char separator = '?';
    add_topics(out, o, &separator);
    add_query(out, &separator, "format", "json");
    if (!place.at)
        add_start(out, o, &separator);
}

void target_add_websocket(struct text *out, const struct options *o, struct bytes place)
{
    char separator = '?';
    add_topics(out, o, &separator);
    if (place.at)
        text_printf(out, "%cafter=%.*s", separator, (int)place.len, (const char *)place.at);
    else
        add_start(out, o, &separator);
    if (place.at)
        separator = '&';
    if (o->token[0])
        add_query(out, &separator, "token", o->token);
}

void target_add_publication(struct text *out, const struct options *o)
{
    char separator = '?';
    add_topics(out, o, &separator);
    if (o->event)
        add_query(out, &separator, "event", o->event);
}

void target_add_fields(struct text *out, const struct options *o)
{
    text_add_str(out, "Host: ");
    url_add_authority(out, &o->url);
    text_add_str(out, "\r\nUser-Agent: uproar-cat/" UPROAR_VERSION "\r\n");
    if (o->token[0])
        text_printf(out, "Authorization: Bearer %s\r\n", o->token);
}
