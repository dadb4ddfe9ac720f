/* The command line, read into struct flags by one table from which --help is printed too. It opens
 * no file, prints nothing and knows no default but the listen address: the library has them. */
#pragma once

#include "uproar.h"

#include <stdio.h>

enum { FLAGS_LISTEN_MAX = 16, FLAGS_ORIGINS_MAX = 64, FLAGS_WHY_MAX = 256 };

enum flags_result { FLAGS_RUN, FLAGS_HELP, FLAGS_VERSION, FLAGS_WRONG };

/* 0 and NULL: not given. */
struct flags {
    struct uproar_listen listen[FLAGS_LISTEN_MAX];
    size_t listen_count;
    const char *origins[FLAGS_ORIGINS_MAX + 1]; /* ends in NULL */
    size_t origin_count;
    uint64_t io, slow, deflate; /* enum uproar_io, uproar_slow, uproar_deflate */
    uint64_t thread_count, connection_count_max;
    uint64_t message_bytes_max, body_memory, deflate_bytes_min;
    uint64_t history_count, history_bytes, history_ms;
    uint64_t heartbeat_ms, ping_ms, drain_ms, stream_max_ms;
    const char *publish_token_file, *subscribe_token_file, *admin_token_file;
    bool target, log_json;
};

/* argv as main() gets it; *f borrows its strings. Stops at the first --help, --version or mistake;
 * `why` is one printable line about the mistake. */
enum flags_result flags_parse(struct flags *f, char *const *argv, char why[static FLAGS_WHY_MAX])
    __attribute__((warn_unused_result));
/* What the flags say about a server; the tokens, which are in files, are the caller's. */
void flags_fill_options(const struct flags *f, struct uproar_options *o);
void flags_print_help(FILE *out);
