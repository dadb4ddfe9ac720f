/* The grammar of extensions, and what permessage-deflate's parameters may say. The payload is
 * deflate.c's and inflate.c's. */
#include "ws/extension.h"

#include "ws/token.h"

enum { WINDOW_BITS_MIN = 8, WINDOW_BITS_MAX = 15 };

/* Longer values are cut: they say nothing that is known here. */
enum { VALUE_MAX = 8 };

struct parameter {
    struct bytes name;
    struct bytes value; /* absent: there is none. Unquoted, if it was a quoted string */
    uint8_t unquoted[VALUE_MAX];
};

/* --- the grammar: RFC 6455, 9.1 --------------------------------------------------------------- */

static void skip_blank(struct bytes *in)
{
    while (in->len > 0 && ws_is_blank(in->at[0]))
        *in = bytes_skip(*in, 1);
}

static bool take(struct bytes *in, uint8_t c)
{
    skip_blank(in);
    if (in->len == 0 || in->at[0] != c)
        return false;
    *in = bytes_skip(*in, 1);
    skip_blank(in);
    return true;
}

/* Absent: none stands there. */
static struct bytes take_token(struct bytes *in)
{
    struct bytes token = {in->at, 0};
    while (token.len < in->len && ws_is_token_char(in->at[token.len]))
        token.len++;
    *in = bytes_skip(*in, token.len);
    return token.len > 0 ? token : (struct bytes){0};
}

/* One character between quotes, its escape resolved. What is quoted has to be a token too: 9.1.
 * False: it is none. */
static bool take_quoted_char(struct bytes *in, uint8_t *c)
{
    const size_t at = in->len > 0 && in->at[0] == '\\';
    if (in->len <= at || !ws_is_token_char(in->at[at]))
        return false;
    *c = in->at[at];
    *in = bytes_skip(*in, at + 1);
    return true;
}

/* Behind the opening quote. */
static bool take_quoted(struct bytes *in, struct parameter *p)
{
    uint8_t c;
    p->value = (struct bytes){p->unquoted, 0};
    while (take_quoted_char(in, &c))
        if (p->value.len < VALUE_MAX)
            p->unquoted[p->value.len++] = c;
    if (p->value.len == 0 || in->len == 0 || in->at[0] != '"')
        return false;
    *in = bytes_skip(*in, 1);
    return true;
}

static bool take_parameter(struct bytes *in, struct parameter *p)
{
    *p = (struct parameter){.name = take_token(in)};
    if (!p->name.at)
        return false;
    if (!take(in, '='))
        return true;
    if (in->len > 0 && in->at[0] == '"') {
        *in = bytes_skip(*in, 1);
        return take_quoted(in, p);
    }
    p->value = take_token(in);
    return p->value.at != NULL;
}

/* --- what the parameters say: RFC 7692, 7.1 --------------------------------------------------- */

/* 8 to 15, without leading zeros; 0: something else. */
static uint8_t window_bits(struct bytes value)
{
    if (value.len == 1 && (value.at[0] == '8' || value.at[0] == '9'))
        return (uint8_t)(value.at[0] - '0');
    if (value.len == 2 && value.at[0] == '1' && value.at[1] >= '0' && value.at[1] <= '5')
        return (uint8_t)(10 + value.at[1] - '0');
    return 0;
}

static bool set_once(bool *flag, struct bytes value)
{
    if (*flag || value.at)
        return false;
    *flag = true;
    return true;
}

static bool set_server_bits(struct ws_deflate_terms *t, struct bytes value)
{
    if (t->names_server_bits)
        return false;
    t->names_server_bits = true;
    t->server_bits = window_bits(value);
    return t->server_bits != 0;
}

/* Without a value it only says that the client would understand the parameter. */
static bool set_client_bits(struct ws_deflate_terms *t, struct bytes value)
{
    if (t->client_bits)
        return false;
    t->client_bits = value.at ? window_bits(value) : WINDOW_BITS_MAX;
    return t->client_bits != 0;
}

/* False: this offer cannot be accepted. */
static bool set_parameter(struct ws_deflate_terms *t, const struct parameter *p)
{
    if (bytes_equal(p->name, BYTES_LITERAL("server_no_context_takeover")))
        return set_once(&t->server_forgets, p->value);
    if (bytes_equal(p->name, BYTES_LITERAL("client_no_context_takeover")))
        return set_once(&t->client_forgets, p->value);
    if (bytes_equal(p->name, BYTES_LITERAL("server_max_window_bits")))
        return set_server_bits(t, p->value);
    if (bytes_equal(p->name, BYTES_LITERAL("client_max_window_bits")))
        return set_client_bits(t, p->value);
    return false;
}

/* One extension with its parameters. *acceptable: it is an offer that can be agreed to. */
static bool take_extension(struct bytes *in, struct ws_deflate_terms *t, bool *acceptable)
{
    const struct bytes name = take_token(in);
    if (!name.at)
        return false;
    *t = (struct ws_deflate_terms){.server_bits = WINDOW_BITS_MAX};
    *acceptable = bytes_equal(name, BYTES_LITERAL("permessage-deflate"));
    while (take(in, ';')) {
        struct parameter p;
        if (!take_parameter(in, &p))
            return false;
        *acceptable = *acceptable && set_parameter(t, &p);
    }
    return true;
}

enum ws_deflate_choice ws_deflate_choose(struct bytes offered, struct ws_deflate_terms *terms)
{
    enum ws_deflate_choice choice = WS_DEFLATE_NONE;
    bool any = false;
    if (!offered.at)
        return WS_DEFLATE_NONE;
    do {
        struct ws_deflate_terms t;
        bool acceptable = false;
        skip_blank(&offered);
        if (offered.len == 0 || offered.at[0] == ',')
            continue; /* RFC 9110, 5.6.1.2: empty elements are to be ignored */
        any = true;
        if (!take_extension(&offered, &t, &acceptable))
            return WS_DEFLATE_BAD;
        if (acceptable && choice == WS_DEFLATE_NONE) {
            choice = WS_DEFLATE_CHOSEN;
            *terms = t;
        }
    } while (take(&offered, ','));
    return any && offered.len == 0 ? choice : WS_DEFLATE_BAD;
}

void ws_deflate_answer(struct text *out, const struct ws_deflate_terms *terms)
{
    text_add_str(out, "Sec-WebSocket-Extensions: permessage-deflate");
    if (terms->server_forgets)
        text_add_str(out, "; server_no_context_takeover");
    if (terms->client_forgets)
        text_add_str(out, "; client_no_context_takeover");
    if (terms->names_server_bits)
        text_printf(out, "; server_max_window_bits=%u", terms->server_bits);
    if (terms->client_bits)
        text_printf(out, "; client_max_window_bits=%u", terms->client_bits);
    text_add_str(out, "\r\n");
}
