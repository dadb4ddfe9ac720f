/* base64(SHA-1(key and a constant)), and the head around it.
 * Written apart from src/ws: the judge must not share a mistake with what it judges. */
#include "lib/upgrade.h"

#include <openssl/evp.h>
#include <stdio.h>

struct evp_md_st *upgrade_digest(void)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD *sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    /* Once for nothing: the library sets itself up at the first use. */
    return sha1 && EVP_Digest("", 0, digest, NULL, sha1, NULL) == 1 ? sha1 : NULL;
}

size_t upgrade_reply(char out[static UPGRADE_REPLY_MAX], struct bytes key,
                     const struct evp_md_st *sha1)
{
    char joined[128], accept[32];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;

    const int len = snprintf(joined, sizeof(joined), "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
                             (int)(key.len < 64 ? key.len : 64), (const char *)key.at);
    if (EVP_Digest(joined, (size_t)len, digest, &digest_len, sha1, NULL) != 1)
        return 0;
    EVP_EncodeBlock((unsigned char *)accept, digest, (int)digest_len);
    return (size_t)snprintf(out, UPGRADE_REPLY_MAX,
                            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                            "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                            accept);
}
