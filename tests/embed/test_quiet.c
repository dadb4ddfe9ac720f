/* The library never exits, prints or touches signals, nor anything else that is the process's:
 * under a recorder that is preloaded, and judged by what the kernel says as well. Plain builds
 * only: the sanitizers stand in front of many of these functions themselves. usage: RECORDER.so
 * uring|epoll */
#include "embed.h"
#include "peer.h"
#include "recorder.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

static struct {
    recorder_watch_fn *watch;
    recorder_switch_fn *turn;
    recorder_count_fn *count;
} recorder;

/* --- what the recorder must see --------------------------------------------------------------- */

/* What _FORTIFY_SOURCE makes of them. */
int __printf_chk(int flag, const char *format, ...);
int __fprintf_chk(FILE *f, int flag, const char *format, ...);
int __dprintf_chk(int fd, int flag, const char *format, ...);

static int with_args(int which, const char *format, ...)
{
    int n = 0;
    va_list args;
    va_start(args, format);
    if (which == 0)
        n = vprintf(format, args);
    if (which == 1)
        n = vfprintf(stderr, format, args);
    if (which == 2)
        n = vdprintf(STDERR_FILENO, format, args);
    va_end(args);
    return n;
}

#define PROVOCATION(name, call)                                                                    \
    static void provoke_##name(void)                                                               \
    {                                                                                              \
        (void)!(call);                                                                             \
    }
#define PROVOCATION_VOID(name, call)                                                               \
    static void provoke_##name(void)                                                               \
    {                                                                                              \
        call;                                                                                      \
    }

static struct iovec one_byte = {(char[]){'x'}, 1};

PROVOCATION_VOID(exit, exit(0))
PROVOCATION_VOID(_exit, _exit(0))
PROVOCATION_VOID(_Exit, _Exit(0))
PROVOCATION_VOID(quick_exit, quick_exit(0))
PROVOCATION_VOID(abort, abort())
PROVOCATION(raise, raise(SIGCONT))
PROVOCATION(kill, kill(getpid(), 0))
PROVOCATION(write, write(STDERR_FILENO, "x", 1))
PROVOCATION(writev, writev(STDOUT_FILENO, &one_byte, 1))
PROVOCATION(puts, puts("x"))
PROVOCATION(putchar, putchar('x'))
PROVOCATION_VOID(perror, perror("x"))
PROVOCATION(fputs, fputs("x", stderr))
PROVOCATION(fputc, fputc('x', stdout))
PROVOCATION(putc, (putc)('x', stderr))
PROVOCATION(fwrite, fwrite("x", 1, 1, stdout))
PROVOCATION(vprintf, with_args(0, "%d", 1))
PROVOCATION(vfprintf, with_args(1, "%d", 1))
PROVOCATION(vdprintf, with_args(2, "%d", 1))
PROVOCATION(printf, printf("%d", 1))
PROVOCATION(fprintf, fprintf(stderr, "%d", 1))
PROVOCATION(dprintf, dprintf(STDOUT_FILENO, "%d", 1))
PROVOCATION(__printf_chk, __printf_chk(0, "%d", 1))
PROVOCATION(__fprintf_chk, __fprintf_chk(stderr, 0, "%d", 1))
PROVOCATION(__dprintf_chk, __dprintf_chk(STDOUT_FILENO, 0, "%d", 1))
PROVOCATION_VOID(openlog, openlog("x", 0, LOG_USER))
PROVOCATION_VOID(syslog, syslog(LOG_DEBUG, "x"))
PROVOCATION(sigaction, sigaction(SIGUSR1, NULL, NULL))
PROVOCATION(signal, signal(SIGUSR1, SIG_IGN) != SIG_ERR)
PROVOCATION(sigprocmask, sigprocmask(SIG_BLOCK, NULL, NULL))
PROVOCATION(sigaltstack, sigaltstack(NULL, NULL))
PROVOCATION(alarm, alarm(0) == 0)
PROVOCATION(prctl, prctl(PR_GET_DUMPABLE, 0L, 0L, 0L, 0L))
PROVOCATION(fork, fork())
PROVOCATION(system, system("true"))
PROVOCATION(chdir, chdir("/"))
PROVOCATION(umask, umask(077) > 0)
PROVOCATION(setenv, setenv("A", "b", 1))
PROVOCATION(unsetenv, unsetenv("A"))
PROVOCATION(setlocale, setlocale(LC_ALL, "C") != NULL)
PROVOCATION_VOID(srand, srand(1))
PROVOCATION(nice, nice(0))

#define WATCHED(name)                                                                              \
    {                                                                                              \
#name, provoke_##name                                                                      \
    }
static const struct test provocations[] = {
    WATCHED(exit),          WATCHED(_exit),       WATCHED(_Exit),        WATCHED(quick_exit),
    WATCHED(abort),         WATCHED(raise),       WATCHED(kill),         WATCHED(write),
    WATCHED(writev),        WATCHED(puts),        WATCHED(putchar),      WATCHED(perror),
    WATCHED(fputs),         WATCHED(fputc),       WATCHED(putc),         WATCHED(fwrite),
    WATCHED(vprintf),       WATCHED(vfprintf),    WATCHED(vdprintf),     WATCHED(printf),
    WATCHED(fprintf),       WATCHED(dprintf),     WATCHED(__printf_chk), WATCHED(__fprintf_chk),
    WATCHED(__dprintf_chk), WATCHED(openlog),     WATCHED(syslog),       WATCHED(sigaction),
    WATCHED(signal),        WATCHED(sigprocmask), WATCHED(sigaltstack),  WATCHED(alarm),
    WATCHED(prctl),         WATCHED(fork),        WATCHED(system),       WATCHED(chdir),
    WATCHED(umask),         WATCHED(setenv),      WATCHED(unsetenv),     WATCHED(setlocale),
    WATCHED(srand),         WATCHED(nice),
};
enum { PROVOCATIONS = sizeof(provocations) / sizeof(provocations[0]) };

/* In a child, whose standard streams are those of nobody. */
static void provoke(const struct test *p)
{
    int status;
    const pid_t child = fork();
    if (child == 0) {
        CHECK(freopen("/dev/null", "w", stdout) && freopen("/dev/null", "w", stderr));
        recorder.turn(true);
        p->run();
        recorder.turn(false);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    recorder.turn(false);
}

/* Each by itself: what it calls in turn is another matter. */
static void the_recorder_sees_each_of_them(void)
{
    for (size_t i = 0; i < PROVOCATIONS; i++) {
        CHECK_EQ(recorder.count(provocations[i].name), 0);
        provoke(&provocations[i]);
        if (recorder.count(provocations[i].name) == 0)
            fail(__FILE__, __LINE__, "%s() was not seen", provocations[i].name);
    }
}

/* --- everything the library does -------------------------------------------------------------- */

static struct {
    _Atomic unsigned lines, told;
    _Atomic uint64_t later;
} heard;

static enum uproar_verdict on_open(void *user, const struct uproar_peer_info *info,
                                   struct uproar_ticket t)
{
    (void)user;
    if (info->query.at && memcmp(info->query.at, "deny", 4) == 0)
        return UPROAR_DENY;
    if (!info->query.at || memcmp(info->query.at, "later", 5) != 0)
        return UPROAR_ALLOW;
    heard.later = t.id;
    return UPROAR_LATER;
}

static void on_close(void *user, const struct uproar_peer_info *info, int code,
                     struct uproar_str reason)
{
    (void)user;
    (void)info;
    (void)code;
    (void)reason;
    heard.told++;
}

static void on_log(void *user, int level, const char *line)
{
    (void)user;
    (void)level;
    (void)line;
    heard.lines++;
}

static void on_done(void *user, int err, struct uproar_cursor last)
{
    (void)user;
    (void)err;
    (void)last;
    heard.told++;
}

static void on_release(void *user, const void *body)
{
    (void)user;
    (void)body;
    heard.told++;
}

static void answer_later(struct uproar *u, struct peer *p)
{
    peer_connect(p, u);
    ws_ask(p, "/t/t?later", "");
    WAIT_FOR(heard.later);
    CHECK_EQ(uproar_answer(u, (struct uproar_ticket){heard.later}, UPROAR_ALLOW), 0);
    CHECK_EQ(peer_status(p), 101);
}

static void publish_in_every_way(struct uproar *u)
{
    const struct uproar_message m = {.topic = STR("t"), .body = STR("body"), .kind = UPROAR_TEXT};
    publish(u, "t", "body");
    CHECK_EQ(uproar_publish_many(u, &m, 1, on_done, NULL), 0);
    CHECK_EQ(uproar_publish_taken(u, &m, on_release, NULL), 0);
    CHECK_EQ(uproar_publish(u, "not.*.a.topic", "x", 1, UPROAR_TEXT), -EINVAL);
    CHECK_EQ(post(u, "/t/t", "body"), 201);
}

/* With what peers do wrong. */
static void meet_peers(struct uproar *u)
{
    static struct peer ws, later, sse, poll, odd, gone;
    char text[64];
    ws_open(&ws, u, "/t/t");
    sse_open(&sse, u, "/t/t");
    answer_later(u, &later);
    CHECK_EQ(ws_try(&odd, u, "/t/t?deny", ""), 403);
    peer_close(&odd);
    peer_connect(&poll, u);
    peer_say(&poll, "GET /t/t?after=earliest&wait=30 HTTP/1.1\r\nHost: x\r\n\r\n");
    ws_open(&gone, u, "/t/t");
    peer_close(&gone);
    publish_in_every_way(u);
    for (int i = 0; i < 4; i++) {
        ws_expect(&ws, "body");
        ws_expect(&later, "body");
        sse_expect(&sse, "body");
    }
    CHECK_EQ(peer_status(&poll), 200);
    peer_say(&ws, "\xff\xff\xff\xff not a frame");
    while (ws_read(&ws, text, sizeof(text)) != WS_GONE)
        continue;
    CHECK_EQ(ask(u, "NONSENSE", "/t/t", "", ""), 501);
    CHECK_EQ(ask(u, "GET", "/metrics", "", ""), 200);
    stop_and_free(&u);
    peer_expect_end(&later);
    peer_expect_end(&sse);
}

static void do_everything(void)
{
    static const struct uproar_listen nowhere = {.address = "nowhere"};
    static char metrics[65536];
    struct uproar_options o = usual_options();
    struct uproar *none;
    char why[64];
    o.on.on_open = on_open;
    o.on.on_close = on_close;
    o.on.on_log = on_log;
    struct uproar *u = start(&o);
    o.listen = &nowhere;
    CHECK_EQ(uproar_start(&o, &none, why, sizeof(why)), -EINVAL);
    struct uproar_sub *s = subscribe(u, "#");
    CHECK(uproar_metrics(u, metrics, sizeof(metrics)) > 0);
    meet_peers(u);
    expect_message(s, "body");
    uproar_unsubscribe(&s);
    CHECK(heard.lines > 0 && heard.told > 0);
}

static void it_calls_none_of_them(void)
{
    recorder.turn(true);
    do_everything();
    recorder.turn(false);
    for (size_t i = 0; i < PROVOCATIONS; i++)
        if (recorder.count(provocations[i].name) != 0)
            fail(__FILE__, __LINE__, "%s() was called", provocations[i].name);
    CHECK_EQ(recorder.count(RECORDER_OTHERS), 0);
}

/* --- what the kernel says --------------------------------------------------------------------- */

/* However it was written. */
static void nothing_comes_out_of_it(void)
{
    const int report = dup(STDOUT_FILENO), out = memfd_create("out", MFD_CLOEXEC);
    struct stat is;
    CHECK(report > 2 && out > 2);
    report_to(report);
    CHECK(dup2(out, STDOUT_FILENO) == STDOUT_FILENO && dup2(out, STDERR_FILENO) == STDERR_FILENO);
    do_everything();
    CHECK_EQ(fstat(out, &is), 0);
    CHECK_EQ(is.st_size, 0);
    CHECK_EQ(write(STDERR_FILENO, "x", 1), 1); /* it would have been seen */
    CHECK_EQ(fstat(out, &is), 0);
    CHECK_EQ(is.st_size, 1);
}

/* A mask of /proc/.../status. */
static uint64_t signal_mask(const char *path, const char *key)
{
    char line[256];
    uint64_t mask = 0;
    bool found = false;
    FILE *f = fopen(path, "re");
    CHECK(f != NULL);
    while (fgets(line, sizeof(line), f))
        if (strncmp(line, key, strlen(key)) == 0) {
            mask = strtoull(line + strlen(key), NULL, 16);
            found = true;
        }
    fclose(f);
    CHECK(found);
    return mask;
}

static void handle(int number)
{
    (void)number;
}

static void *nothing(void *arg)
{
    return arg;
}

static void the_callers_signals_stay_as_they_are(void)
{
    static const char *const keys[] = {"SigBlk:", "SigIgn:", "SigCgt:"};
    uint64_t before[3];
    sigset_t blocked;
    pthread_t thread; /* with the first one the C library takes a signal of its own */
    CHECK_EQ(pthread_create(&thread, NULL, nothing, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    signal(SIGUSR1, handle);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    for (int i = 0; i < 3; i++)
        before[i] = signal_mask("/proc/self/status", keys[i]);
    do_everything();
    for (int i = 0; i < 3; i++)
        CHECK_EQ(signal_mask("/proc/self/status", keys[i]), before[i]);
}

static void its_threads_block_all_signals(void)
{
    const uint64_t never = 1u << (SIGKILL - 1) | 1u << (SIGSTOP - 1);
    const uint64_t all = 0x7fffffff & ~never;
    char path[300];
    unsigned count = 0;
    struct uproar *u = start_usual();
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    for (const struct dirent *e = readdir(tasks); e; e = readdir(tasks)) {
        if (!is_thread(e->d_name) || atoi(e->d_name) == getpid())
            continue;
        snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
        CHECK_EQ(signal_mask(path, "SigBlk:") & all, all);
        count++;
    }
    closedir(tasks);
    CHECK_EQ(count, 2);
    stop_and_free(&u);
}

/* The proof comes last: the counts are shared with the tests behind it. */
static const struct test tests[] = {
    {"the library calls none of what is recorded", it_calls_none_of_them},
    {"nothing comes out of the standard streams", nothing_comes_out_of_it},
    {"the caller's signals stay as they are", the_callers_signals_stay_as_they_are},
    {"its threads block all signals", its_threads_block_all_signals},
    {"the recorder sees each call", the_recorder_sees_each_of_them},
};

static void *function_named(const char *name)
{
    return dlsym(RTLD_DEFAULT, name);
}

/* Starts itself again behind the recorder. */
int main(int argc, char **argv)
{
    *(void **)&recorder.watch = function_named("recorder_watch");
    *(void **)&recorder.turn = function_named("recorder_switch");
    *(void **)&recorder.count = function_named("recorder_count");
    if (!recorder.watch && argc > 1 && !getenv("LD_PRELOAD")) {
        setenv("LD_PRELOAD", argv[1], 1);
        execv("/proc/self/exe", argv);
    }
    if (!recorder.watch || !recorder.turn || !recorder.count) {
        puts("FAIL test_quiet: the recorder was not preloaded");
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < PROVOCATIONS; i++)
        recorder.watch(provocations[i].name);
    return RUN_TESTS(tests, argc - 1, argv + 1);
}
