/* The command line of uproar-cat, read by one table from which --help is printed too. Opens nothing
 * but a token's file, and prints nothing. */
#pragma once

#include "load/url.h"

enum options_result { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_WRONG };

enum { OPTIONS_WHY_MAX = 256, OPTIONS_TOPICS_MAX = 256, OPTIONS_TOKEN_MAX = 512 };

/* A number that was not given, where 0 means something. */
#define OPTION_ABSENT UINT64_MAX

struct options {
    struct url url; /* the server's: no query; its path is a prefix */
    const char *topics[OPTIONS_TOPICS_MAX];
    uint64_t topic_count; /* 1 at least; publishing: 1 */
    uint64_t publish;     /* 1: stdin is published */
    uint64_t json, quiet, again;
    uint64_t nul;                      /* 1: NUL ends a message of stdin, not LF */
    uint64_t count;                    /* messages to print; 0: no end */
    uint64_t last;                     /* or OPTION_ABSENT */
    uint64_t retry_s;                  /* or OPTION_ABSENT */
    uint64_t silence_s;                /* nothing heard for so long: the connection is given up */
    const char *after;                 /* NULL: now */
    const char *event, *type;          /* of what is published; NULL: none */
    const char *token_file;            /* NULL: none was named */
    char token[OPTIONS_TOKEN_MAX + 1]; /* "": none */
};

/* argv as main() gets it; *o borrows its strings. `why` is one printable line about a mistake. */
enum options_result cat_options_parse(struct options *o, int argc, char **argv,
                                      char why[static OPTIONS_WHY_MAX]) MUST_CHECK;
void cat_options_add_help(struct text *out);
