/* Content-Type read as far as it matters here (RFC 9110, 8.3). */
#include "conn/media.h"

#include "base/utf8.h"

static struct bytes trimmed(struct bytes b)
{
    while (b.len > 0 && (b.at[0] == ' ' || b.at[0] == '\t'))
        b = bytes_skip(b, 1);
    while (b.len > 0 && (b.at[b.len - 1] == ' ' || b.at[b.len - 1] == '\t'))
        b.len--;
    return b;
}

/* Up to `stop`, which is skipped; all of it when there is none. */
static struct bytes take_until(struct bytes *rest, uint8_t stop)
{
    const uint8_t *end = rest->len ? memchr(rest->at, stop, rest->len) : NULL;
    const struct bytes part = {rest->at, end ? (size_t)(end - rest->at) : rest->len};
    *rest = bytes_skip(*rest, part.len + (end ? 1 : 0));
    return trimmed(part);
}

static bool is_text(struct bytes type)
{
    const struct bytes text = BYTES_LITERAL("text/");
    if (type.len > text.len && bytes_equal_nocase((struct bytes){type.at, text.len}, text))
        return true;
    return bytes_equal_nocase(type, BYTES_LITERAL("application/json")) ||
           bytes_equal_nocase(type, BYTES_LITERAL("application/x-www-form-urlencoded"));
}

static struct bytes unquoted(struct bytes value)
{
    if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
        return (struct bytes){value.at + 1, value.len - 2};
    return value;
}

static bool is_other_charset(struct bytes parameter)
{
    const struct bytes name = take_until(&parameter, '=');
    const struct bytes value = unquoted(trimmed(parameter));
    return bytes_equal_nocase(name, BYTES_LITERAL("charset")) &&
           !bytes_equal_nocase(value, BYTES_LITERAL("utf-8")) &&
           !bytes_equal_nocase(value, BYTES_LITERAL("utf8")) && /* no registered name, but used */
           !bytes_equal_nocase(value, BYTES_LITERAL("us-ascii"));
}

enum media media_type_of(struct bytes content_type)
{
    if (!content_type.at || content_type.len == 0)
        return MEDIA_NONE;
    struct bytes rest = content_type;
    const bool text = is_text(take_until(&rest, ';'));
    while (rest.len > 0)
        if (is_other_charset(take_until(&rest, ';')) && text)
            return MEDIA_BAD_CHARSET;
    return text ? MEDIA_TEXT : MEDIA_OTHER;
}

const char *media_event_problem(struct bytes name)
{
    if (!utf8_is_valid(name))
        return "an event name is UTF-8";
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] < 0x20 || name.at[i] == 0x7f)
            return "an event name has no control characters";
    if (bytes_equal(name, BYTES_LITERAL("gap")))
        return "the event name `gap` is the server's own";
    return NULL;
}
