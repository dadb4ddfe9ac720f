/* A token from a file: one line, 1 to 512 bytes of printable ASCII without spaces. It does not keep
 * the file open, and no message ever shows a token. */
#pragma once

#include <stddef.h>

enum { TOKEN_MAX = 512 };

struct token {
    char text[TOKEN_MAX + 1];
};

/* What is wrong with a file that holds this, for people; NULL: nothing, *out is the token. White
 * space around it is no part of it. */
const char *token_parse(const char *file, size_t len, struct token *out)
    __attribute__((warn_unused_result));
/* The same for a file that is still to be read. */
const char *token_read(const char *file_name, struct token *out)
    __attribute__((warn_unused_result));
