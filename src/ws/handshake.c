/* The accept key and the choice of a subprotocol, RFC 6455, 4.2.2. Reads no request, writes no
 * answer. */
#include "ws/handshake.h"

#include "base/assert.h"
#include "ws/token.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

enum { KEY_LEN = 24 };

static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

static bool is_alpha_or_digit(uint8_t c)
{
    const uint8_t lower = byte_lower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
}

bool ws_key_is_valid(struct bytes key)
{
    if (key.len != KEY_LEN || key.at[KEY_LEN - 2] != '=' || key.at[KEY_LEN - 1] != '=')
        return false;
    for (size_t i = 0; i < KEY_LEN - 2; i++)
        if (!is_alpha_or_digit(key.at[i]) && key.at[i] != '+' && key.at[i] != '/')
            return false;
    return true;
}

bool ws_accept(struct bytes key, char out[static WS_ACCEPT_LEN])
{
    uint8_t text[KEY_LEN + sizeof(guid) - 1];
    uint8_t digest[SHA_DIGEST_LENGTH];
    uint8_t base64[WS_ACCEPT_LEN + 1]; /* EVP_EncodeBlock adds a NUL */

    ASSERT(key.len == KEY_LEN);
    memcpy(text, key.at, KEY_LEN);
    memcpy(text + KEY_LEN, guid, sizeof(guid) - 1);
    if (!SHA1(text, sizeof(text), digest))
        return false;
    const int len = EVP_EncodeBlock(base64, digest, sizeof(digest));
    ASSERT(len == WS_ACCEPT_LEN);
    memcpy(out, base64, WS_ACCEPT_LEN);
    return true;
}

static bool is_token(struct bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        if (!ws_is_token_char(b.at[i]))
            return false;
    return b.len > 0;
}

/* The next element of a list (RFC 9110, 5.6.1) without the white space around it; may be empty. */
static struct bytes list_next(struct bytes *list)
{
    const uint8_t *comma = memchr(list->at, ',', list->len);
    struct bytes element = {list->at, comma ? (size_t)(comma - list->at) : list->len};

    *list = bytes_skip(*list, element.len + (comma ? 1 : 0));
    while (element.len > 0 && ws_is_blank(element.at[0]))
        element = bytes_skip(element, 1);
    while (element.len > 0 && ws_is_blank(element.at[element.len - 1]))
        element.len--;
    return element;
}

static const char *find_known(struct bytes name, const char *const *known)
{
    for (; *known; known++)
        if (bytes_equal(name, bytes_from(*known)))
            return *known;
    return NULL;
}

enum ws_subprotocol ws_choose_subprotocol(struct bytes offered, const char *const *known,
                                          const char **chosen)
{
    bool any = false;

    *chosen = NULL;
    if (!offered.at)
        return WS_SUBPROTOCOL_NONE_OFFERED;
    while (offered.len > 0) {
        const struct bytes name = list_next(&offered);
        if (name.len == 0) /* RFC 9110, 5.6.1.2: empty elements are to be ignored */
            continue;
        if (!is_token(name)) {
            *chosen = NULL;
            return WS_SUBPROTOCOL_BAD;
        }
        any = true;
        if (!*chosen)
            *chosen = find_known(name, known);
    }
    if (!any) /* RFC 6455, 4.3: 1#token */
        return WS_SUBPROTOCOL_BAD;
    return *chosen ? WS_SUBPROTOCOL_CHOSEN : WS_SUBPROTOCOL_UNKNOWN;
}
