/* The command line of the load generator, read by one table from which --help is printed too. Opens
 * nothing and prints nothing. */
#pragma once

#include "base/text.h"

enum load_mode {
    LOAD_IDLE = 1,
    LOAD_FANOUT = 2,
    LOAD_ECHO = 4,
    LOAD_CONNECT = 8,
    LOAD_DOCTOR = 16,
    LOAD_COMPARE = 32,
};

enum options_result { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_WRONG };

enum { OPTIONS_WHY_MAX = 256, OPTIONS_URLS_MAX = 8 };

/* A number that was not given, where 0 means something. */
#define OPTION_ABSENT UINT64_MAX

struct options {
    enum load_mode mode;
    const char *urls[OPTIONS_URLS_MAX];
    uint64_t url_count; /* 1 at least; doctor: may be 0 */
    uint64_t connections;
    uint64_t hold_s; /* or OPTION_ABSENT */
    uint64_t rate;   /* connects per second; 0: as fast as it goes */
    uint64_t payload_len, messages;
    uint64_t every_ms; /* or OPTION_ABSENT */
    uint64_t timeout_s;
    uint64_t drain;                                    /* 1: the server is ended at the end */
    uint64_t io;                                       /* enum io_backend, 0: auto */
    uint64_t pid;                                      /* 0: none */
    const char *publish, *subprotocol, *source, *json; /* NULL: not given */
};

/* argv as main() gets it; *o borrows its strings. `why` is one printable line about a mistake. */
enum options_result options_parse(struct options *o, char *const *argv,
                                  char why[static OPTIONS_WHY_MAX]) MUST_CHECK;
void options_add_help(struct text *out);
const char *options_mode_name(enum load_mode mode);
