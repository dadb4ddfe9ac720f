/* What the embedder's tests share: the list of tests, checks with deadlines, servers to try, and
 * what the process has open. Each test runs in a process of its own. It knows no socket: peer.h. */
#pragma once

#include "uproar.h"

#include <stdatomic.h>
#include <string.h>

enum { PATIENCE_S = 30, TEST_S = 110 }; /* for one thing to happen; for one test */

#define STR(literal) ((struct uproar_str){(literal), sizeof(literal) - 1})

/* The name is a sentence: what is promised. */
struct test {
    const char *name;
    void (*run)(void);
};

/* main(): `PROGRAM uring|epoll [WORD IN A NAME]`. Prints `pass`, `FAIL` and `skipped:` lines. */
int run_tests(const struct test *tests, size_t count, int argc, char **argv);
#define RUN_TESTS(tests, argc, argv) run_tests(tests, sizeof(tests) / sizeof *(tests), argc, argv)

/* Where fail() writes; standard output, unless a test needs that for itself. */
void report_to(int fd);
/* Ends this test's process as failed. Any thread. */
_Noreturn void fail(const char *file, int line, const char *what, ...)
    __attribute__((format(printf, 3, 4)));

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail(__FILE__, __LINE__, "%s", #condition);                                            \
    } while (0)

void check_equal(const char *file, int line, const char *what, long long is, long long wanted);
#define CHECK_EQ(is, wanted)                                                                       \
    check_equal(__FILE__, __LINE__, #is, (long long)(is), (long long)(wanted))

void check_text(const char *file, int line, struct uproar_str is, const char *wanted);
#define CHECK_TEXT(is, wanted) check_text(__FILE__, __LINE__, is, wanted)

/* Waits until something that others do has happened. */
void pause_until(const char *file, int line, const char *what, int64_t deadline_ms);
#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        const int64_t until = now_ms() + PATIENCE_S * 1000;                                        \
        while (!(condition))                                                                       \
            pause_until(__FILE__, __LINE__, #condition, until);                                    \
    } while (0)

int64_t now_ms(void); /* monotonic */

/* --- servers ---------------------------------------------------------------------------------- */

/* Two reactors, the backend of the command line, a listener on a port that the system chooses, and
 * a short drain. */
struct uproar_options usual_options(void);
struct uproar *start(const struct uproar_options *o);
struct uproar *start_usual(void);
void stop_and_free(struct uproar **u);
/* Publishes a text, however often the log is full. */
void publish(struct uproar *u, const char *topic, const char *text);
/* As many numbers, from..to-1, as texts. */
void publish_numbers(struct uproar *u, const char *topic, unsigned from, unsigned to);

/* --- local subscriptions ---------------------------------------------------------------------- */

struct uproar_sub *subscribe(struct uproar *u, const char *pattern);
/* Waits on the descriptor, as a loop does, until next() has something. */
enum uproar_next next_waiting(struct uproar_sub *s, struct uproar_message *m,
                              struct uproar_gap *gap);
/* The next is this message. */
void expect_message(struct uproar_sub *s, const char *body);
void expect_numbers(struct uproar_sub *s, unsigned from, unsigned to);
void expect_end(struct uproar_sub *s);
bool is_readable(int fd);

/* --- the process ------------------------------------------------------------------------------ */

unsigned count_descriptors(void);
unsigned count_threads(void);
/* Is the entry of /proc/self/task a thread of this process? io_uring's workers are the kernel's. */
bool is_thread(const char *task);

/* What there was before, to be had again. */
struct belongings {
    unsigned descriptors, threads;
};
struct belongings take_stock(void);
void expect_nothing_left(struct belongings before);
