/* See held.h. The handler waits with a sleep, which a handler may; it takes no lock. */
#include "held.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static char *pages;
static size_t page_len;
static _Atomic unsigned stopped;
static _Atomic int let_go;

static void stop_here(int number, siginfo_t *info, void *context)
{
    const struct timespec moment = {.tv_nsec = 200000};
    const char *at = info->si_addr;
    (void)context;
    if (at < pages || at >= pages + HELD_MAX * page_len) {
        signal(number, SIG_DFL); /* none of ours: the second time it is a crash */
        return;
    }
    atomic_fetch_add(&stopped, 1);
    while (!atomic_load(&let_go))
        nanosleep(&moment, NULL);
    atomic_fetch_sub(&stopped, 1);
    /* Again for those who came before the pages could be read. */
    mprotect(pages, HELD_MAX * page_len, PROT_READ);
}

static void catch_readers(void)
{
    struct sigaction action = {.sa_sigaction = stop_here, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

void held_init(void)
{
    if (!pages) {
        page_len = (size_t)sysconf(_SC_PAGESIZE);
        pages = mmap(NULL, HELD_MAX * page_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                     -1, 0);
        memset(pages, 'h', HELD_MAX * page_len);
        catch_readers();
    }
    atomic_store(&let_go, 0);
    mprotect(pages, HELD_MAX * page_len, PROT_NONE);
}

const char *held_bytes(size_t index)
{
    return pages + index * page_len;
}

size_t held_len(void)
{
    return page_len;
}

unsigned held_count(void)
{
    return atomic_load(&stopped);
}

void held_let_go(void)
{
    atomic_store(&let_go, 1);
}
