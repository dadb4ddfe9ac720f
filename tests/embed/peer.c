/* See peer.h. Reads byte by byte out of one buffer, because it is never in a hurry. */
#include "peer.h"

#include "embed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* --- the socket ------------------------------------------------------------------------------- */

int peer_try_connect(struct peer *p, const struct uproar *u)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)uproar_port(u, 0)),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    *p = (struct peer){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    CHECK(p->fd >= 0);
    const int err = connect(p->fd, (const struct sockaddr *)&to, sizeof(to));
    CHECK_EQ(setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    CHECK_EQ(setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
    return err;
}

void peer_connect(struct peer *p, const struct uproar *u)
{
    CHECK_EQ(peer_try_connect(p, u), 0);
}

void peer_close(struct peer *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

static void say_bytes(struct peer *p, const void *bytes, size_t len)
{
    for (size_t sent = 0; sent < len;) {
        const ssize_t n = send(p->fd, (const char *)bytes + sent, len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return; /* the answer tells */
        sent += n < 0 ? 0 : (size_t)n;
    }
}

void peer_say(struct peer *p, const char *format, ...)
{
    char text[8192];
    va_list args;
    va_start(args, format);
    const int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    CHECK(len >= 0 && len < (int)sizeof(text));
    say_bytes(p, text, (size_t)len);
}

/* False: the connection ended. */
static bool fill(struct peer *p)
{
    if (p->at == p->len)
        p->at = p->len = 0;
    if (p->len == sizeof(p->in)) {
        memmove(p->in, p->in + p->at, p->len - p->at);
        p->len -= p->at;
        p->at = 0;
    }
    CHECK(p->len < sizeof(p->in));
    ssize_t n;
    /* A ring that a thread once had interrupts what waits with a time-out when the kernel lets go
     * of it: no signal, but EINTR. */
    do
        n = recv(p->fd, p->in + p->len, sizeof(p->in) - p->len, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        fail(__FILE__, __LINE__, "a peer was left waiting");
    p->ended = n <= 0;
    p->len += p->ended ? 0 : (size_t)n;
    return !p->ended;
}

static int next_byte(struct peer *p)
{
    if (p->at == p->len && !fill(p))
        return -1;
    return (unsigned char)p->in[p->at++];
}

/* False: the connection ended before. */
static bool next_bytes(struct peer *p, void *out, size_t len)
{
    unsigned char *to = out;
    for (size_t i = 0; i < len; i++) {
        const int c = next_byte(p);
        if (c < 0)
            return false;
        to[i] = (unsigned char)c;
    }
    return true;
}

/* Without its end, cut to what there is room for. */
static bool next_line(struct peer *p, char *line, size_t line_len)
{
    size_t len = 0;
    for (int c = next_byte(p); c != '\n'; c = next_byte(p)) {
        if (c < 0)
            return false;
        if (c != '\r' && len + 1 < line_len)
            line[len++] = (char)c;
    }
    line[len] = '\0';
    return true;
}

void peer_expect_end(struct peer *p)
{
    while (next_byte(p) >= 0)
        continue;
}

void peer_address(const struct peer *p, char *out, size_t out_len)
{
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    CHECK_EQ(getsockname(p->fd, (struct sockaddr *)&at, &len), 0);
    snprintf(out, out_len, "127.0.0.1:%u", ntohs(at.sin_port));
}

/* --- HTTP ------------------------------------------------------------------------------------- */

/* Leaves the length of the body where the next reader finds it. */
int peer_answer(struct peer *p, char *body, size_t body_len)
{
    char line[4096];
    size_t len = 0;
    if (!next_line(p, line, sizeof(line)) || strncmp(line, "HTTP/1.", 7) != 0)
        return 0;
    const int status = atoi(line + 9);
    while (next_line(p, line, sizeof(line)) && line[0] != '\0')
        if (strncasecmp(line, "content-length:", 15) == 0)
            len = strtoul(line + 15, NULL, 10);
    if (body) {
        CHECK(len < body_len);
        if (!next_bytes(p, body, len))
            return 0;
        body[len] = '\0';
    }
    return status;
}

int peer_status(struct peer *p)
{
    return peer_answer(p, NULL, 0);
}

int ask(const struct uproar *u, const char *method, const char *target, const char *fields,
        const char *body)
{
    static _Thread_local struct peer p;
    int status = 0;
    if (peer_try_connect(&p, u) == 0) {
        peer_say(&p,
                 "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n"
                 "%s\r\n%s",
                 method, target, strlen(body), fields, body);
        status = peer_status(&p);
    }
    peer_close(&p);
    return status;
}

int post(const struct uproar *u, const char *target, const char *body)
{
    return ask(u, "POST", target, "", body);
}

/* --- WebSocket -------------------------------------------------------------------------------- */

void ws_ask(struct peer *p, const char *target, const char *fields)
{
    peer_say(p,
             "GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n",
             target, fields);
}

int ws_try(struct peer *p, const struct uproar *u, const char *target, const char *fields)
{
    if (peer_try_connect(p, u) != 0)
        return 0;
    ws_ask(p, target, fields);
    return peer_status(p);
}

void ws_open(struct peer *p, const struct uproar *u, const char *target)
{
    CHECK_EQ(ws_try(p, u, target, ""), 101);
}

/* A masked frame, RFC 6455, 5.2. The mask is zero. */
static void ws_say_frame(struct peer *p, int opcode, const void *payload, size_t len)
{
    unsigned char head[8] = {(unsigned char)(0x80 | opcode)};
    size_t head_len = 2;
    CHECK(len < 65536);
    if (len < 126) {
        head[1] = (unsigned char)(0x80 | len);
    } else {
        head[1] = 0x80 | 126;
        head[2] = (unsigned char)(len >> 8);
        head[3] = (unsigned char)len;
        head_len = 4;
    }
    say_bytes(p, head, head_len + 4);
    say_bytes(p, payload, len);
}

void ws_say(struct peer *p, const char *text)
{
    ws_say_frame(p, WS_TEXT, text, strlen(text));
}

/* The opcode, with its payload cut to what there is room for, or WS_GONE. */
static int read_frame(struct peer *p, char *text, size_t text_len, size_t *len)
{
    unsigned char head[2], longer[8];
    size_t left;
    if (!next_bytes(p, head, 2))
        return WS_GONE;
    left = head[1] & 0x7f;
    const size_t extra = left == 126 ? 2 : left == 127 ? 8 : 0;
    if (!next_bytes(p, longer, extra))
        return WS_GONE;
    for (size_t i = 0, sum = 0; i < extra; i++)
        left = sum = sum << 8 | longer[i];
    for (*len = 0; left > 0; left--) {
        const int c = next_byte(p);
        if (c < 0)
            return WS_GONE;
        if (*len + 1 < text_len)
            text[(*len)++] = (char)c;
    }
    text[*len] = '\0';
    return head[0] & 0x0f;
}

static void note_close(struct peer *p, const char *payload, size_t len)
{
    p->ws_code = len < 2 ? 0 : (unsigned char)payload[0] << 8 | (unsigned char)payload[1];
    snprintf(p->ws_reason, sizeof(p->ws_reason), "%s", len < 2 ? "" : payload + 2);
}

int ws_read(struct peer *p, char *text, size_t text_len)
{
    enum { PING = 9, PONG = 10 };
    size_t len = 0;
    for (;;) {
        const int opcode = read_frame(p, text, text_len, &len);
        if (opcode == PING)
            ws_say_frame(p, PONG, text, len);
        if (opcode == WS_CLOSE)
            note_close(p, text, len);
        if (opcode != PING && opcode != PONG)
            return opcode;
    }
}

void ws_expect(struct peer *p, const char *text)
{
    char is[4096];
    CHECK_EQ(ws_read(p, is, sizeof(is)), WS_TEXT);
    CHECK_TEXT(((struct uproar_str){is, strlen(is)}), text);
}

void ws_expect_numbers(struct peer *p, unsigned from, unsigned to)
{
    char text[16];
    for (unsigned i = from; i < to; i++) {
        snprintf(text, sizeof(text), "%u", i);
        ws_expect(p, text);
    }
}

void ws_expect_close(struct peer *p, int code)
{
    char is[4096];
    CHECK_EQ(ws_read(p, is, sizeof(is)), WS_CLOSE);
    CHECK_EQ(p->ws_code, code);
}

/* --- event stream ----------------------------------------------------------------------------- */

/* HTTP/1.0: the stream is not chunked, its bytes are the events. */
int sse_try(struct peer *p, const struct uproar *u, const char *target, const char *fields)
{
    if (peer_try_connect(p, u) != 0)
        return 0;
    peer_say(p, "GET %s HTTP/1.0\r\nHost: x\r\nAccept: text/event-stream\r\n%s\r\n", target,
             fields);
    return peer_status(p);
}

void sse_open(struct peer *p, const struct uproar *u, const char *target)
{
    CHECK_EQ(sse_try(p, u, target, ""), 200);
}

bool sse_read(struct peer *p, char *text, size_t text_len)
{
    char line[4096];
    bool has_data = false;
    while (next_line(p, line, sizeof(line))) {
        if (strncmp(line, "data:", 5) == 0) {
            snprintf(text, text_len, "%s", line + 5 + (line[5] == ' '));
            has_data = true;
        }
        if (line[0] == '\0' && has_data)
            return true;
    }
    return false;
}

void sse_expect(struct peer *p, const char *text)
{
    char is[4096];
    CHECK(sse_read(p, is, sizeof(is)));
    CHECK_TEXT(((struct uproar_str){is, strlen(is)}), text);
}

void sse_expect_numbers(struct peer *p, unsigned from, unsigned to)
{
    char text[16];
    for (unsigned i = from; i < to; i++) {
        snprintf(text, sizeof(text), "%u", i);
        sse_expect(p, text);
    }
}
