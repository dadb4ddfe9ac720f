/* Token files: one line that fits a header, or one clear reason why not. */
#include "daemon/token.h"

#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct token token;

static const char *parse(struct bytes file)
{
    memset(&token, 'x', sizeof(token));
    const struct span copy = guarded_copy(file);
    return token_parse((const char *)copy.at, copy.len, &token);
}

static void expect_token(struct bytes file, const char *expected)
{
    const char *wrong = parse(file);
    cr_assert(eq(ptr, (void *)wrong, NULL), "%s", wrong);
    cr_assert(eq(str, token.text, (char *)expected));
}

static void expect_wrong(struct bytes file, const char *expected)
{
    const char *wrong = parse(file);
    cr_assert(ne(ptr, (void *)wrong, NULL), "accepted: want %s", expected);
    cr_assert(eq(str, (char *)wrong, (char *)expected));
}

Test(token, is_the_line_without_the_white_space_around_it, .fini = guarded_release)
{
    expect_token(BYTES_LITERAL("s3cret"), "s3cret");
    expect_token(BYTES_LITERAL("s3cret\n"), "s3cret");
    expect_token(BYTES_LITERAL("\n \t s3cret \r\n\r\n"), "s3cret");
    expect_token(BYTES_LITERAL("!"), "!");
    expect_token(BYTES_LITERAL("~a=b/c+d.e\""), "~a=b/c+d.e\"");
}

Test(token, is_not_empty, .fini = guarded_release)
{
    expect_wrong(BYTES_LITERAL(""), "the file is empty");
    expect_wrong(BYTES_LITERAL("\n"), "the file is empty");
    expect_wrong(BYTES_LITERAL(" \t\r\n "), "the file is empty");
}

Test(token, is_one_line, .fini = guarded_release)
{
    expect_wrong(BYTES_LITERAL("a\nb"), "the file holds more than one line");
    expect_wrong(BYTES_LITERAL("a\r\n\r\nb\n"), "the file holds more than one line");
}

Test(token, is_printable_ascii_without_spaces, .fini = guarded_release)
{
    for (unsigned c = 0; c < 256; c++) {
        const uint8_t file[] = {'a', (uint8_t)c, 'b'};
        const bool is_fine = c > ' ' && c < 0x7f;
        if (c != '\n')
            cr_assert(eq(int, !parse((struct bytes){file, 3}), is_fine), "byte %u", c);
    }
    expect_wrong(BYTES_LITERAL("a b"), "a token is printable ASCII without spaces");
    expect_wrong(BYTES_LITERAL("\xef\xbb\xbf"
                               "a"),
                 "a token is printable ASCII without spaces");
}

Test(token, is_at_most_512_bytes_long, .fini = guarded_release)
{
    uint8_t file[TOKEN_MAX + 2];
    memset(file, 'a', sizeof(file));
    file[TOKEN_MAX] = '\n';
    cr_assert(eq(ptr, (void *)parse((struct bytes){file, TOKEN_MAX + 1}), NULL));
    cr_assert(eq(sz, strlen(token.text), 512));
    file[TOKEN_MAX] = 'a';
    expect_wrong((struct bytes){file, TOKEN_MAX + 1}, "a token is at most 512 bytes long");
}

Test(token, is_what_stands_before_any_cut, .fini = guarded_release)
{
    static const char file[] = " \ttoken\r\n";
    for (size_t cut = 0; cut < sizeof(file); cut++) {
        const struct bytes part = {(const uint8_t *)file, cut};
        char expected[sizeof(file)];
        const size_t len = cut < 2 ? 0 : cut - 2 < 5 ? cut - 2 : 5;
        snprintf(expected, sizeof(expected), "%.*s", (int)len, file + 2);
        if (len == 0)
            expect_wrong(part, "the file is empty");
        else
            expect_token(part, expected);
    }
}

/* --- files ------------------------------------------------------------------------------------ */

static char file_name[] = "/tmp/uproar_token_XXXXXX";

static void make_file(void)
{
    const int fd = mkstemp(file_name);
    cr_assert(ge(int, fd, 0));
    close(fd);
}

static void remove_file(void)
{
    unlink(file_name);
}

static const char *read_file_of(size_t len)
{
    FILE *file = fopen(file_name, "w");
    fprintf(file, "%-*s", (int)len, len > 0 ? "abc" : "");
    fclose(file);
    return token_read(file_name, &token);
}

Test(token, is_read_from_a_file_of_up_to_4096_bytes, .init = make_file, .fini = remove_file)
{
    cr_assert(eq(ptr, (void *)read_file_of(3), NULL));
    cr_assert(eq(str, token.text, "abc"));
    cr_assert(eq(ptr, (void *)read_file_of(4096), NULL));
    cr_assert(eq(str, token.text, "abc"));
    cr_assert(eq(str, (char *)read_file_of(4097), "the file is longer than 4096 bytes"));
    cr_assert(eq(str, (char *)read_file_of(100000), "the file is longer than 4096 bytes"));
    cr_assert(eq(str, (char *)read_file_of(0), "the file is empty"));
}

Test(token, says_why_a_file_cannot_be_read)
{
    cr_assert(
        eq(str, (char *)token_read("/nonexistent/token", &token), "No such file or directory"));
    cr_assert(eq(str, (char *)token_read("/tmp", &token), "Is a directory"));
    cr_assert(eq(str, (char *)token_read("", &token), "No such file or directory"));
}

Test(token, is_read_from_a_pipe_in_pieces)
{
    char name[32];
    int fds[2];
    cr_assert(eq(int, pipe(fds), 0));
    snprintf(name, sizeof(name), "/dev/fd/%d", fds[0]);
    if (fork() == 0) {
        (void)!write(fds[1], "to", 2);
        usleep(20000);
        (void)!write(fds[1], "ken\n", 4);
        _exit(0);
    }
    close(fds[1]);
    const char *wrong = token_read(name, &token);
    cr_assert(eq(ptr, (void *)wrong, NULL), "%s", wrong);
    cr_assert(eq(str, token.text, "token"));
}
