#!/usr/bin/env python3
"""The kernel, the clocks, chance and the heap are reached through seams, so that tests can replace
them: this finds the calls that go around. It reads text, so a call behind a macro escapes it."""
import re

import tree

NETWORK = '''socket socketpair bind listen accept accept4 connect shutdown send sendto sendmsg
    sendmmsg recv recvfrom recvmsg recvmmsg setsockopt getsockopt getsockname getpeername
    getaddrinfo'''.split()
FILES = '''open openat creat close read readv pread write writev pwrite lseek pipe pipe2 dup dup2
    dup3 fcntl ioctl fopen fdopen fclose fread fwrite unlink rename mkdir stat fstat'''.split()
WAITING = '''poll ppoll select pselect epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd
    eventfd_read eventfd_write timerfd_create timerfd_settime signalfd sleep usleep nanosleep
    clock_nanosleep sched_yield pause sigwait sigwaitinfo sigtimedwait'''.split()
KERNEL = '''syscall mmap munmap madvise mprotect getrlimit setrlimit prlimit fork execve execvp
    prctl getpid gettid kill sched_getaffinity sched_setaffinity sysconf'''.split()
CLOCK = 'time clock clock_gettime gettimeofday timespec_get'.split()
CHANCE = 'rand rand_r srand random srandom drand48 getrandom getentropy arc4random'.split()
HEAP = '''malloc calloc realloc reallocarray free strdup strndup asprintf vasprintf aligned_alloc
    posix_memalign memalign'''.split()
THREADS = '''pthread_create pthread_join pthread_detach pthread_mutex_lock pthread_mutex_unlock
    pthread_cond_wait pthread_cond_signal pthread_sigmask pthread_setname_np
    thrd_create mtx_lock'''.split()
# The library never exits, prints or touches signals.
PROCESS = '''exit _exit quick_exit abort atexit raise signal sigaction sigprocmask system getenv
    setenv printf vprintf puts putchar fprintf vfprintf fputs fputc putc perror dprintf'''.split()

FORBIDDEN = {*NETWORK, *FILES, *WAITING, *KERNEL, *CLOCK, *CHANCE, *HEAP, *THREADS, *PROCESS}

# path (a file, or a folder with its slash): what it may call, because it is the seam.
ALLOWED = {
    'src/base/alloc.c': {*HEAP, 'mmap', 'munmap'},
    'src/base/assert.c': {'fprintf', 'abort'},
    'src/base/clock.c': {*CLOCK, *CHANCE},
    'src/io/': {*NETWORK, *FILES, *WAITING, *KERNEL},
    'src/server/': {*THREADS, 'sched_yield'},  # starts, wakes and joins the reactor threads
    # The program's own business: its standard streams, its signals, the token files.
    'src/daemon/banner.c': {'fprintf', 'fputs', 'fputc'},
    'src/daemon/flags.c': {'fprintf', 'fputs'},
    'src/daemon/logout.c': {'poll', 'write', 'clock_gettime'},
    'src/daemon/main.c': {'fcntl', 'open', 'fprintf', '_exit', 'signal', 'sigaction',
                          'sigwait', 'pthread_sigmask', 'getrlimit', 'setrlimit'},
    'src/daemon/token.c': {'open', 'read', 'close'},
}

CALL = re.compile(r'(?<![\w.])(?<!->)([a-z_]\w*)\s*\(')


def allowed_in(path):
    return set().union(*(names for place, names in ALLOWED.items() if path.startswith(place)))


def check(path, text):
    code = tree.code_only(text)
    banned = FORBIDDEN - allowed_in(path)
    return [f'{path}:{tree.line_of(code, match.start())}: {match.group(1)}() goes around the seams'
            for match in CALL.finditer(code) if match.group(1) in banned]


PLANTED = [
    ('src/conn/a.c', 'x = send(fd, p, n, 0);'),
    ('src/conn/a.c', '    close (fd);'),
    ('src/log/a.c', 'return malloc(3);'),
    ('src/log/a.c', 'int64_t t = time(NULL);'),
    ('src/server/a.c', 'clock_gettime(CLOCK_MONOTONIC, &t);'),
    ('src/ws/a.c', 'if (!rand()) {'),
    ('src/base/text.c', 'printf("%d", 1);'),
    ('src/base/clock.c', 'free(p);'),
    ('src/io/a.c', 'void *p = calloc(1, 2);'),
    ('src/daemon/address.c', 'fprintf(stderr, "x");'),
    ('src/topic/a.c', 'char *s = "a \\" b"; exit(1);'),
]
INNOCENT = [
    ('src/conn/a.c', 'conn_close(c); c->ops->close(c); ops.send(1); (*close)(1); reopen(2);'),
    ('src/conn/a.c', '/* send() and\n malloc() */ // free(p)\n'),
    ('src/conn/a.c', 'log("close(%d)"); const char c = \'(\'; int time, listen;'),
    ('src/conn/a.c', 'snprintf(out, 3, "x"); memcpy(a, b, 1); alloc_free(p);'),
    ('src/io/a.c', 'close(fd); send(fd, p, n, 0); epoll_wait(1, e, 1, 1);'),
    ('src/base/alloc.c', 'free(p);'),
]

if __name__ == '__main__':
    found = [problem for path, text in tree.files('.c', '.h', under=['src'])
             for problem in check(path, text)]
    tree.finish(tree.self_test('seams', check, PLANTED, INNOCENT), tree.report('seams', found))
