/* The remote end in the embedder's tests: a blocking socket that speaks HTTP, WebSocket and event
 * streams well enough. It allocates nothing, and everything it waits for has a deadline. */
#pragma once

#include "uproar.h"

enum { PEER_ROOM = 65536 };
enum { WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_GONE = -1 };

/* What it read: `in` from `at` to `len` is not used up yet. */
struct peer {
    int fd;
    bool ended;
    size_t at, len;
    int ws_code;         /* of a close frame; 0: it had none */
    char ws_reason[128]; /* of a close frame */
    char in[PEER_ROOM];
};

void peer_connect(struct peer *p, const struct uproar *u);
/* 0: connected. */
int peer_try_connect(struct peer *p, const struct uproar *u);
void peer_close(struct peer *p);
/* Whatever becomes of it: whoever must not lose it looks at the answer. */
void peer_say(struct peer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Waits for the end of the connection; what comes before it is dropped. */
void peer_expect_end(struct peer *p);
/* "127.0.0.1:PORT" of this end. */
void peer_address(const struct peer *p, char *out, size_t out_len);

/* --- HTTP ------------------------------------------------------------------------------------- */

/* The status of the answer; 0: the connection ended before. */
int peer_status(struct peer *p);
/* Behind peer_status(): the body, as a text. */
int peer_answer(struct peer *p, char *body, size_t body_len);
/* One request on a connection of its own. `fields`: whole lines. 0: no answer. */
int ask(const struct uproar *u, const char *method, const char *target, const char *fields,
        const char *body);
int post(const struct uproar *u, const char *target, const char *body);

/* --- WebSocket -------------------------------------------------------------------------------- */

/* The status: 101, or a refusal. */
int ws_try(struct peer *p, const struct uproar *u, const char *target, const char *fields);
void ws_open(struct peer *p, const struct uproar *u, const char *target);
void ws_ask(struct peer *p, const char *target, const char *fields);
void ws_say(struct peer *p, const char *text);
/* A message's or close frame's opcode, or WS_GONE. The text is cut to text_len - 1. */
int ws_read(struct peer *p, char *text, size_t text_len);
void ws_expect(struct peer *p, const char *text);
/* As publish_numbers() publishes them: from..to-1. */
void ws_expect_numbers(struct peer *p, unsigned from, unsigned to);
void ws_expect_close(struct peer *p, int code);

/* --- event stream ----------------------------------------------------------------------------- */

int sse_try(struct peer *p, const struct uproar *u, const char *target, const char *fields);
void sse_open(struct peer *p, const struct uproar *u, const char *target);
/* The data of the next event; false: the stream ended. */
bool sse_read(struct peer *p, char *text, size_t text_len);
void sse_expect(struct peer *p, const char *text);
void sse_expect_numbers(struct peer *p, unsigned from, unsigned to);
