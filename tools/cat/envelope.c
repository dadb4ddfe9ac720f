/* JSON by jansson, base64 by OpenSSL. */
#include "cat/envelope.h"

#include <jansson.h>
#include <openssl/evp.h>

static struct bytes string_at(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return (struct bytes){(const uint8_t *)json_string_value(value), json_string_length(value)};
}

static bool decode(struct text *out, struct bytes base64)
{
    size_t padding = 0;
    uint8_t *to = text_extend(out, base64.len / 4 * 3 + 1);
    if (!to || base64.len % 4 != 0)
        return false;
    while (padding < 2 && base64.len > padding && base64.at[base64.len - 1 - padding] == '=')
        padding++;
    const int len = EVP_DecodeBlock(to, base64.at, (int)base64.len);
    if (len < (int)padding)
        return false;
    out->len = (size_t)len - padding;
    return true;
}

static bool take_data(struct envelope *e, const json_t *object)
{
    const struct bytes base64 = string_at(object, "base64");
    e->data = string_at(object, "data");
    if (e->data.at || !base64.at)
        return e->data.at != NULL;
    if (!decode(&e->decoded, base64))
        return false;
    e->data = text_bytes(&e->decoded);
    return true;
}

static enum envelope_kind take_gap(struct envelope *e, const json_t *gap)
{
    e->cursor = string_at(gap, "resumed");
    e->after = string_at(gap, "after");
    e->reason = string_at(gap, "reason");
    return e->cursor.at ? ENVELOPE_GAP : ENVELOPE_BAD;
}

static const json_t *load(struct envelope *e, struct bytes json)
{
    *e = (struct envelope){0};
    /* A text may hold NUL. */
    return e->root = json_loadb((const char *)json.at, json.len, JSON_ALLOW_NUL, NULL);
}

enum envelope_kind envelope_parse(struct envelope *e, struct bytes json)
{
    const json_t *root = load(e, json);
    const json_t *open = json_object_get(root, "open"), *gap = json_object_get(root, "gap");
    const json_t *direct = json_object_get(root, "direct");
    if (gap)
        return take_gap(e, gap);
    if (direct)
        return take_data(e, direct) ? ENVELOPE_DIRECT : ENVELOPE_BAD;
    e->cursor = string_at(open ? open : root, open ? "cursor" : "id");
    if (!e->cursor.at)
        return ENVELOPE_BAD;
    if (open)
        return ENVELOPE_OPEN;
    return take_data(e, root) ? ENVELOPE_MESSAGE : ENVELOPE_BAD;
}

enum envelope_kind envelope_parse_gap(struct envelope *e, struct bytes json)
{
    return take_gap(e, load(e, json));
}

void envelope_fini(struct envelope *e)
{
    json_decref(e->root);
    text_fini(&e->decoded);
}
