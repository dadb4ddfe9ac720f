/* CURLOPT_CONNECT_ONLY: libcurl connects, and what follows is ours. */
#include "cat/wire.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>

enum { RECEIVE_LEN = 65536, SEND_PATIENCE_MS = 60000 };

static const char *scheme_of(const struct url *url)
{
    return url->scheme == URL_WS || url->scheme == URL_HTTP ? "http" : "https";
}

static bool fail(struct wire *w, const char *why)
{
    snprintf(w->why, sizeof(w->why), "%s", why);
    return false;
}

bool wire_open(struct wire *w, const struct url *url)
{
    char error[CURL_ERROR_SIZE] = "";
    struct text address = {0};
    wire_close(w);
    CURL *curl = w->curl = curl_easy_init();
    text_printf(&address, "%s://", scheme_of(url));
    url_add_authority(&address, url);
    text_add_byte(&address, '\0');
    if (!curl || address.failed) {
        text_fini(&address);
        return fail(w, "out of memory");
    }
    curl_easy_setopt(curl, CURLOPT_URL, (const char *)address.at);
    curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)WIRE_CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_HTTPPROXYTUNNEL, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    const CURLcode code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    text_fini(&address);
    if (code == CURLE_OK)
        return true;
    fail(w, error[0] ? error : curl_easy_strerror(code));
    wire_close(w);
    return false;
}

/* False: not within that time. */
static bool wait_for(struct wire *w, short events, uint64_t patience_ms)
{
    curl_socket_t fd = -1;
    curl_easy_getinfo(w->curl, CURLINFO_ACTIVESOCKET, &fd);
    struct pollfd p = {.fd = fd, .events = events};
    int ready;
    do
        ready = poll(&p, 1, (int)patience_ms);
    while (ready < 0 && errno == EINTR);
    return ready != 0;
}

bool wire_send(struct wire *w, struct bytes b)
{
    while (b.len > 0) {
        size_t sent = 0;
        const CURLcode code = curl_easy_send(w->curl, b.at, b.len, &sent);
        if (code == CURLE_AGAIN && !wait_for(w, POLLOUT, SEND_PATIENCE_MS))
            return fail(w, "the server takes nothing");
        if (code != CURLE_OK && code != CURLE_AGAIN)
            return fail(w, curl_easy_strerror(code));
        b = bytes_skip(b, sent);
    }
    return true;
}

/* What is used up makes room. */
static void tidy(struct wire *w)
{
    if (w->taken == 0)
        return;
    w->in.len -= w->taken;
    memmove(w->in.at, w->in.at + w->taken, w->in.len);
    w->taken = 0;
}

enum wire_event wire_receive(struct wire *w, uint64_t patience_ms)
{
    size_t got = 0;
    tidy(w);
    uint8_t *room = text_extend(&w->in, RECEIVE_LEN);
    if (!room) {
        fail(w, "out of memory");
        return WIRE_LOST;
    }
    w->in.len -= RECEIVE_LEN;
    for (;;) {
        const CURLcode code = curl_easy_recv(w->curl, room, RECEIVE_LEN, &got);
        if (code == CURLE_OK) {
            w->in.len += got;
            return got > 0 ? WIRE_DATA : WIRE_END;
        }
        if (code != CURLE_AGAIN) {
            fail(w, "the connection was cut");
            return WIRE_LOST;
        }
        if (!wait_for(w, POLLIN, patience_ms))
            return WIRE_SILENT;
    }
}

struct span wire_unread(const struct wire *w)
{
    return span_skip((struct span){w->in.at, w->in.len}, w->taken);
}

void wire_take(struct wire *w, size_t len)
{
    w->taken += len;
}

bool wire_is_quiet(struct wire *w)
{
    return w->curl && wire_unread(w).len == 0 && !wait_for(w, POLLIN, 0);
}

void wire_close(struct wire *w)
{
    if (w->curl)
        curl_easy_cleanup(w->curl);
    w->curl = NULL;
    w->in.len = w->taken = 0;
}

void wire_fini(struct wire *w)
{
    wire_close(w);
    text_fini(&w->in);
}
