/* Runs tests, each in a child of its own: one that crashes or hangs is one that failed. What a test
 * promises is its own file's business. */
#include "embed.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *running; /* the test's name */
static enum uproar_io wanted_io = UPROAR_IO_AUTO;
static int report_fd = STDOUT_FILENO;

/* --- checks ----------------------------------------------------------------------------------- */

void report_to(int fd)
{
    report_fd = fd;
}

_Noreturn void fail(const char *file, int line, const char *what, ...)
{
    const char *slash = strrchr(file, '/');
    char text[900];
    va_list args;
    va_start(args, what);
    vsnprintf(text, sizeof(text), what, args);
    va_end(args);
    for (char *c = text; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    dprintf(report_fd, "FAIL %s: %s:%d: %s\n", running, slash ? slash + 1 : file, line, text);
    _exit(1);
}

void check_equal(const char *file, int line, const char *what, long long is, long long wanted)
{
    if (is != wanted)
        fail(file, line, "%s is %lld, not %lld", what, is, wanted);
}

void check_text(const char *file, int line, struct uproar_str is, const char *wanted)
{
    if (is.at && is.len == strlen(wanted) && memcmp(is.at, wanted, is.len) == 0)
        return;
    fail(file, line, "'%.*s' is not '%s'", is.at ? (int)is.len : 0, is.at ? is.at : "", wanted);
}

int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void pause_until(const char *file, int line, const char *what, int64_t deadline_ms)
{
    if (now_ms() > deadline_ms)
        fail(file, line, "waited in vain for %s", what);
    usleep(500);
}

/* --- tests ------------------------------------------------------------------------------------ */

static _Noreturn void run_child(const struct test *t)
{
    running = t->name;
    alarm(TEST_S);
    t->run();
    exit(EXIT_SUCCESS); /* sanitizers have their say now */
}

/* Returns whether it passed. */
static bool run_test(const struct test *t)
{
    int status = 0;
    const pid_t child = fork();
    if (child == 0)
        run_child(t);
    const bool waited = child > 0 && waitpid(child, &status, 0) == child;
    if (!waited || WIFSIGNALED(status))
        dprintf(STDOUT_FILENO, "FAIL %s: ended by signal %d (14: it took too long)\n", t->name,
                WTERMSIG(status));
    else if (WEXITSTATUS(status) == 0)
        dprintf(STDOUT_FILENO, "pass %s\n", t->name);
    else if (WEXITSTATUS(status) != 1) /* 1: fail() said why */
        dprintf(STDOUT_FILENO, "FAIL %s: exit status %d\n", t->name, WEXITSTATUS(status));
    return waited && status == 0;
}

static void try_io(void)
{
    struct uproar_options o = usual_options();
    struct uproar *u;
    char why[256];
    if (uproar_start(&o, &u, why, sizeof(why)) == 0) {
        uproar_free(&u);
        exit(EXIT_SUCCESS);
    }
    dprintf(STDOUT_FILENO, "skipped: uring: %s\n", why);
    exit(EXIT_FAILURE);
}

/* In a child as well: what a server leaves in a process must not make the tests' stock. */
static bool io_works(void)
{
    int status = 0;
    const pid_t child = fork();
    if (child == 0)
        try_io();
    return waitpid(child, &status, 0) == child && status == 0;
}

int run_tests(const struct test *tests, size_t count, int argc, char **argv)
{
    bool passed = true;
    if (argc > 1)
        wanted_io = strcmp(argv[1], "uring") == 0 ? UPROAR_IO_URING : UPROAR_IO_EPOLL;
    if (wanted_io == UPROAR_IO_URING && !io_works())
        return EXIT_SUCCESS;
    for (size_t i = 0; i < count; i++)
        if (argc < 3 || strstr(tests[i].name, argv[2]))
            passed &= run_test(&tests[i]);
    return passed ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- servers ---------------------------------------------------------------------------------- */

struct uproar_options usual_options(void)
{
    static const struct uproar_listen listen = {.address = "127.0.0.1:0"};
    struct uproar_options o;
    uproar_options_init(&o, sizeof(o));
    o.listen = &listen;
    o.listen_count = 1;
    o.thread_count = 2;
    o.io = wanted_io;
    o.connection_count_max = 500;
    o.drain_ms = 100;
    return o;
}

struct uproar *start(const struct uproar_options *o)
{
    struct uproar *u;
    char why[256];
    const int err = uproar_start(o, &u, why, sizeof(why));
    if (err != 0)
        fail(__FILE__, __LINE__, "uproar_start() = %d: %s", err, why);
    return u;
}

struct uproar *start_usual(void)
{
    const struct uproar_options o = usual_options();
    return start(&o);
}

void stop_and_free(struct uproar **u)
{
    CHECK_EQ(uproar_free(u), 0);
    CHECK(*u == NULL);
}

void publish(struct uproar *u, const char *topic, const char *text)
{
    int err;
    WAIT_FOR((err = uproar_publish(u, topic, text, strlen(text), UPROAR_TEXT)) != -EAGAIN);
    CHECK_EQ(err, 0);
}

void publish_numbers(struct uproar *u, const char *topic, unsigned from, unsigned to)
{
    char text[16];
    for (unsigned i = from; i < to; i++) {
        snprintf(text, sizeof(text), "%u", i);
        publish(u, topic, text);
    }
}

/* --- local subscriptions ---------------------------------------------------------------------- */

struct uproar_sub *subscribe(struct uproar *u, const char *pattern)
{
    struct uproar_sub *s;
    CHECK_EQ(uproar_subscribe(u, pattern, NULL, 0, &s), 0);
    return s;
}

bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

enum uproar_next next_waiting(struct uproar_sub *s, struct uproar_message *m,
                              struct uproar_gap *gap)
{
    struct pollfd p = {.fd = uproar_sub_fd(s), .events = POLLIN};
    const int64_t until = now_ms() + PATIENCE_S * 1000;
    for (;;) {
        const enum uproar_next next = uproar_sub_next(s, m, gap);
        if (next != UPROAR_NONE)
            return next;
        if (now_ms() > until || poll(&p, 1, PATIENCE_S * 1000) != 1)
            fail(__FILE__, __LINE__, "a local subscription was left waiting");
    }
}

void expect_message(struct uproar_sub *s, const char *body)
{
    struct uproar_message m;
    struct uproar_gap gap;
    CHECK_EQ(next_waiting(s, &m, &gap), UPROAR_MESSAGE);
    CHECK_TEXT(m.body, body);
}

void expect_numbers(struct uproar_sub *s, unsigned from, unsigned to)
{
    char text[16];
    for (unsigned i = from; i < to; i++) {
        snprintf(text, sizeof(text), "%u", i);
        expect_message(s, text);
    }
}

void expect_end(struct uproar_sub *s)
{
    struct uproar_message m;
    struct uproar_gap gap;
    CHECK_EQ(next_waiting(s, &m, &gap), UPROAR_END);
    CHECK_EQ(uproar_sub_next(s, &m, &gap), UPROAR_END); /* and stays there */
}

/* --- the process ------------------------------------------------------------------------------ */

bool is_thread(const char *task)
{
    char path[300], name[32] = "";
    snprintf(path, sizeof(path), "/proc/self/task/%s/comm", task);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    const bool has_name = fgets(name, sizeof(name), f) != NULL;
    fclose(f);
    return task[0] != '.' && has_name && strncmp(name, "iou-", 4) != 0;
}

static bool is_entry(const char *name)
{
    return name[0] != '.';
}

static unsigned count_entries(const char *path, bool (*counts)(const char *name))
{
    unsigned count = 0;
    DIR *dir = opendir(path);
    CHECK(dir != NULL);
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
        count += counts(e->d_name);
    closedir(dir);
    return count;
}

/* The folder itself is open meanwhile. */
unsigned count_descriptors(void)
{
    return count_entries("/proc/self/fd", is_entry) - 1;
}

unsigned count_threads(void)
{
    return count_entries("/proc/self/task", is_thread);
}

static void *tell_id(void *arg)
{
    *(int *)arg = gettid();
    return NULL;
}

/* Counted when a first thread has come and gone: with it TSan starts one of its own. */
struct belongings take_stock(void)
{
    char task[64];
    int id;
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, tell_id, &id), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    snprintf(task, sizeof(task), "/proc/self/task/%d", id);
    WAIT_FOR(access(task, F_OK) != 0);
    return (struct belongings){count_descriptors(), count_threads()};
}

/* A thread that was joined leaves /proc a moment later. */
void expect_nothing_left(struct belongings before)
{
    CHECK_EQ(count_descriptors(), before.descriptors);
    WAIT_FOR(count_threads() == before.threads);
}
