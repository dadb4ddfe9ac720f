/* Reads token files. What a token is good for is the library's business. */
#include "daemon/token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 4096 }; /* a token and generous white space; more is some other file */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Returns where the rest begins. */
static const char *trim(const char *at, size_t *len)
{
    while (*len > 0 && is_space(*at)) {
        at++;
        --*len;
    }
    while (*len > 0 && is_space(at[*len - 1]))
        --*len;
    return at;
}

const char *token_parse(const char *file, size_t len, struct token *out)
{
    const char *token = trim(file, &len);
    if (len == 0)
        return "the file is empty";
    if (memchr(token, '\n', len))
        return "the file holds more than one line";
    for (size_t i = 0; i < len; i++)
        if (token[i] <= ' ' || token[i] > '~')
            return "a token is printable ASCII without spaces";
    if (len > TOKEN_MAX)
        return "a token is at most 512 bytes long";
    memcpy(out->text, token, len);
    out->text[len] = '\0';
    return NULL;
}

/* The length, one more than FILE_BYTES_MAX at most, or -errno. Pipes are read to their end. */
static ssize_t read_whole(int fd, char buf[static FILE_BYTES_MAX + 1])
{
    size_t len = 0;
    while (len <= FILE_BYTES_MAX) {
        const ssize_t n = read(fd, buf + len, FILE_BYTES_MAX + 1 - len);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            return -errno;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

const char *token_read(const char *file_name, struct token *out)
{
    char buf[FILE_BYTES_MAX + 1];
    const int fd = open(file_name, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return strerror(errno);
    const ssize_t len = read_whole(fd, buf);
    close(fd);
    if (len < 0)
        return strerror((int)-len);
    if (len > FILE_BYTES_MAX)
        return "the file is longer than 4096 bytes";
    return token_parse(buf, (size_t)len, out);
}
