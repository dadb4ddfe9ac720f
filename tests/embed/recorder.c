/* Preloaded: counts calls of functions that a library has no business to call, and makes them. It
 * sees calls between libraries, not those that libc makes within itself. See test_quiet.c. */
#include "recorder.h"

#include <dlfcn.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

enum { WATCHED_MAX = 100 };

struct record {
    const char *name;
    _Atomic unsigned count;
};

/* In memory that children share: a parent sees what they called before they ended. */
static struct tape {
    _Atomic bool on;
    unsigned len;
    struct record others, records[WATCHED_MAX];
} * tape;

__attribute__((constructor)) static void open_tape(void)
{
    void *at = mmap(NULL, sizeof(*tape), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    tape = at == MAP_FAILED ? NULL : at;
}

static struct record *find(const char *name)
{
    for (unsigned i = 0; i < tape->len; i++)
        if (strcmp(tape->records[i].name, name) == 0)
            return &tape->records[i];
    return &tape->others;
}

#define EXPORTED __attribute__((visibility("default")))
#define UNUSED   __attribute__((unused))

EXPORTED void recorder_watch(const char *name)
{
    if (tape->len < WATCHED_MAX)
        tape->records[tape->len++].name = name;
}

EXPORTED void recorder_switch(bool on)
{
    tape->on = on;
}

EXPORTED unsigned recorder_count(const char *name)
{
    return find(name)->count;
}

static void record(const char *name)
{
    if (tape && tape->on)
        find(name)->count++;
}

/* Does it go to standard output or error? */
static bool is_standard(int fd)
{
    return fd == STDOUT_FILENO || fd == STDERR_FILENO;
}

/* The function that stands behind ours; what it is, the caller knows. */
static void *behind(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

/* One that is recorded if `when`. */
#define WATCHED_WHEN(when, result, name, parameters, arguments)                                    \
    EXPORTED result name parameters                                                                \
    {                                                                                              \
        result(*real) parameters;                                                                  \
        *(void **)&real = behind(#name);                                                           \
        if (when)                                                                                  \
            record(#name);                                                                         \
        return real arguments;                                                                     \
    }
#define WATCHED(result, name, parameters, arguments)                                               \
    WATCHED_WHEN(true, result, name, parameters, arguments)
#define WATCHED_VOID(name, parameters, arguments)                                                  \
    EXPORTED void name parameters                                                                  \
    {                                                                                              \
        void(*real) parameters;                                                                    \
        *(void **)&real = behind(#name);                                                           \
        record(#name);                                                                             \
        real arguments;                                                                            \
    }
#define WATCHED_END(name, parameters, arguments)                                                   \
    EXPORTED _Noreturn void name parameters                                                        \
    {                                                                                              \
        void(*real) parameters;                                                                    \
        *(void **)&real = behind(#name);                                                           \
        record(#name);                                                                             \
        real arguments;                                                                            \
        __builtin_unreachable();                                                                   \
    }
/* One with `...`, which goes on to its sister that takes a va_list. */
#define WATCHED_VARIADIC(when, name, sister, parameters, arguments)                                \
    EXPORTED int name parameters;                                                                  \
    EXPORTED int name parameters                                                                   \
    {                                                                                              \
        va_list args;                                                                              \
        if (when)                                                                                  \
            record(#name);                                                                         \
        va_start(args, format);                                                                    \
        const int result = sister arguments;                                                       \
        va_end(args);                                                                              \
        return result;                                                                             \
    }

/* --- the end of the process ------------------------------------------------------------------- */

WATCHED_END(exit, (int status), (status))
WATCHED_END(_exit, (int status), (status))
WATCHED_END(_Exit, (int status), (status))
WATCHED_END(quick_exit, (int status), (status))
WATCHED_END(abort, (void), ())
WATCHED(int, raise, (int number), (number))
WATCHED(int, kill, (pid_t pid, int number), (pid, number))

/* --- output ----------------------------------------------------------------------------------- */

WATCHED_WHEN(is_standard(fd), ssize_t, write, (int fd, const void *at, size_t len), (fd, at, len))
WATCHED_WHEN(is_standard(fd), ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
WATCHED(int, puts, (const char *s), (s))
WATCHED(int, putchar, (int c), (c))
WATCHED_VOID(perror, (const char *s), (s))
WATCHED_WHEN(is_standard(fileno(f)), int, fputs, (const char *s, FILE *f), (s, f))
WATCHED_WHEN(is_standard(fileno(f)), int, fputc, (int c, FILE *f), (c, f))
WATCHED_WHEN(is_standard(fileno(f)), int, putc, (int c, FILE *f), (c, f))
WATCHED_WHEN(is_standard(fileno(f)), size_t, fwrite,
             (const void *at, size_t size, size_t n, FILE *f), (at, size, n, f))
WATCHED(int, vprintf, (const char *format, va_list args), (format, args))
WATCHED_WHEN(is_standard(fileno(f)), int, vfprintf, (FILE * f, const char *format, va_list args),
             (f, format, args))
WATCHED_WHEN(is_standard(fd), int, vdprintf, (int fd, const char *format, va_list args),
             (fd, format, args))
WATCHED_VARIADIC(true, printf, vprintf, (const char *format, ...), (format, args))
WATCHED_VARIADIC(is_standard(fileno(f)), fprintf, vfprintf, (FILE * f, const char *format, ...),
                 (f, format, args))
WATCHED_VARIADIC(is_standard(fd), dprintf, vdprintf, (int fd, const char *format, ...),
                 (fd, format, args))
/* What _FORTIFY_SOURCE makes of them. */
WATCHED_VARIADIC(true, __printf_chk, vprintf, (int flag UNUSED, const char *format, ...),
                 (format, args))
WATCHED_VARIADIC(is_standard(fileno(f)), __fprintf_chk, vfprintf,
                 (FILE * f, int flag UNUSED, const char *format, ...), (f, format, args))
WATCHED_VARIADIC(is_standard(fd), __dprintf_chk, vdprintf,
                 (int fd, int flag UNUSED, const char *format, ...), (fd, format, args))
WATCHED_VOID(openlog, (const char *name, int options, int facility), (name, options, facility))
EXPORTED void syslog(int level, const char *format, ...)
{
    va_list args;
    record("syslog");
    va_start(args, format);
    vsyslog(level, format, args);
    va_end(args);
}

/* --- signals ---------------------------------------------------------------------------------- */

WATCHED(int, sigaction, (int number, const struct sigaction *a, struct sigaction *old),
        (number, a, old))
EXPORTED sighandler_t signal(int number, sighandler_t handler)
{
    sighandler_t (*real)(int, sighandler_t);
    *(void **)&real = behind("signal");
    record("signal");
    return real(number, handler);
}
WATCHED(int, sigprocmask, (int how, const sigset_t *set, sigset_t *old), (how, set, old))
WATCHED(int, sigaltstack, (const stack_t *s, stack_t *old), (s, old))
WATCHED(unsigned, alarm, (unsigned seconds), (seconds))

/* --- what is the process's ------------------------------------------------------------------- */

EXPORTED int prctl(int option, ...)
{
    unsigned long a[4];
    va_list args;
    int (*real)(int, unsigned long, unsigned long, unsigned long, unsigned long);
    *(void **)&real = behind("prctl");
    va_start(args, option);
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(args, unsigned long);
    va_end(args);
    record("prctl");
    return real(option, a[0], a[1], a[2], a[3]);
}

WATCHED(pid_t, fork, (void), ())
WATCHED(int, system, (const char *command), (command))
WATCHED(int, chdir, (const char *path), (path))
WATCHED(mode_t, umask, (mode_t mask), (mask))
WATCHED(int, setenv, (const char *name, const char *value, int over), (name, value, over))
WATCHED(int, unsetenv, (const char *name), (name))
WATCHED(char *, setlocale, (int category, const char *locale), (category, locale))
WATCHED_VOID(srand, (unsigned seed), (seed))
WATCHED(int, nice, (int by), (by))
