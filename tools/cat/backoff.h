/* How long to wait before the next try, and when to give up: ever longer, never in step with
 * others, or as long as the server says. */
#pragma once

#include "cat/options.h"

struct backoff {
    uint64_t retry_s;   /* as the option has it */
    uint64_t since_ns;  /* without a connection since */
    bool was_connected; /* ever */
    uint32_t failures;  /* since the last connection that was worth something */
};

void backoff_init(struct backoff *b, const struct options *o, uint64_t now_ns);
/* There is a connection: the server was reached. */
void backoff_connected(struct backoff *b);
/* It did what it is for. */
void backoff_worked(struct backoff *b);
/* It is over. */
void backoff_lost(struct backoff *b, uint64_t now_ns);
/* The wait, in ms; UINT64_MAX: give up. told_ms: what the server asks for, 0: nothing; random: any
 * number. Never a connection, and nothing said about patience: a mistyped address, given up. */
uint64_t backoff_next(struct backoff *b, uint64_t now_ns, uint64_t told_ms, uint32_t random);
/* Asks clock and chance, says why and how long, and waits. False: give up. */
bool backoff_wait(struct backoff *b, const struct options *o, uint64_t told_ms, const char *why);
