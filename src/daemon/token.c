/* Reads token files. What a token is good for is the library's business. */
#include "daemon/token.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 4096 }; /* a token and generous white space; more is some other file */

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct bytes trimmed(struct bytes b)
{
    while (b.len > 0 && is_space(b.at[0]))
        b = bytes_skip(b, 1);
    while (b.len > 0 && is_space(b.at[b.len - 1]))
        b.len--;
    return b;
}

const char *token_parse(struct bytes file, struct token *out)
{
    const struct bytes token = trimmed(file);
    if (token.len == 0)
        return "the file is empty";
    if (memchr(token.at, '\n', token.len))
        return "the file holds more than one line";
    for (size_t i = 0; i < token.len; i++)
        if (token.at[i] <= ' ' || token.at[i] > '~')
            return "a token is printable ASCII without spaces";
    if (token.len > TOKEN_MAX)
        return "a token is at most 512 bytes long";
    memcpy(out->text, token.at, token.len);
    out->text[token.len] = '\0';
    return NULL;
}

/* The length, one more than FILE_BYTES_MAX at most, or -errno. Pipes are read to their end. */
static ssize_t read_whole(int fd, uint8_t buf[static FILE_BYTES_MAX + 1])
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
    uint8_t buf[FILE_BYTES_MAX + 1];
    const int fd = open(file_name, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return strerror(errno);
    const ssize_t len = read_whole(fd, buf);
    close(fd);
    if (len < 0)
        return strerror((int)-len);
    if (len > FILE_BYTES_MAX)
        return "the file is longer than 4096 bytes";
    return token_parse((struct bytes){buf, (size_t)len}, out);
}
