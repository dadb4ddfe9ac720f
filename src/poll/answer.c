/* Envelopes put side by side, and the entity tags by which pollers name their place. */
#include "poll/poll.h"

void poll_body_begin(struct poll_body *b, bool lines)
{
    *b = (struct poll_body){.lines = lines};
    if (!lines)
        text_add_byte(&b->text, '[');
}

bool poll_body_has_room(const struct poll_body *b, size_t envelope_len)
{
    if (b->count == 0)
        return true;
    return b->count < POLL_MESSAGES_MAX && b->text.len + envelope_len < POLL_BYTES_MAX;
}

void poll_body_add(struct poll_body *b, struct bytes envelope)
{
    if (b->count++ > 0 && !b->lines)
        text_add_byte(&b->text, ',');
    text_add(&b->text, envelope);
    if (b->lines)
        text_add_byte(&b->text, '\n');
}

void poll_body_end(struct poll_body *b)
{
    if (!b->lines)
        text_add_str(&b->text, "]\n");
}

const char *poll_content_type(bool lines)
{
    return lines ? "application/x-ndjson" : "application/json";
}

struct bytes poll_first_tag(struct bytes list)
{
    while (list.len > 0 && (list.at[0] == ' ' || list.at[0] == '\t' || list.at[0] == ','))
        list = bytes_skip(list, 1);
    if (bytes_start_with(list, BYTES_LITERAL("W/")))
        list = bytes_skip(list, 2);
    if (list.len == 0 || list.at[0] != '"')
        return (struct bytes){0};
    list = bytes_skip(list, 1);
    const uint8_t *end = list.len > 0 ? memchr(list.at, '"', list.len) : NULL;
    return end ? (struct bytes){list.at, (size_t)(end - list.at)} : (struct bytes){0};
}
