/* See starve.h. A thread that cannot be started counts as an allocation, because it is one. */
#include "starve.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

static _Atomic unsigned asked, first, last; /* first: 0, none fails */
static _Atomic bool failed;
static _Atomic long held;

/* mmap64 is mmap with 64 bits of offset, as the build asks for.
 *
 * What the linker calls what stands behind ours, and what it calls ours. */
#define BEHIND(name) __real_##name
#define OURS(name)   __wrap_##name
void *BEHIND(malloc)(size_t size);
void *BEHIND(calloc)(size_t count, size_t size);
void *BEHIND(realloc)(void *old, size_t size);
void *BEHIND(aligned_alloc)(size_t alignment, size_t size);
int BEHIND(posix_memalign)(void **out, size_t alignment, size_t size);
void BEHIND(free)(void *at);
void *BEHIND(mmap64)(void *at, size_t len, int protection, int flags, int fd, off_t offset);
int BEHIND(munmap)(void *at, size_t len);
int BEHIND(pthread_create)(pthread_t *out, const pthread_attr_t *a, void *(*run)(void *),
                           void *arg);
void *OURS(malloc)(size_t size);
void *OURS(calloc)(size_t count, size_t size);
void *OURS(realloc)(void *old, size_t size);
void *OURS(aligned_alloc)(size_t alignment, size_t size);
int OURS(posix_memalign)(void **out, size_t alignment, size_t size);
void OURS(free)(void *at);
void *OURS(mmap64)(void *at, size_t len, int protection, int flags, int fd, off_t offset);
int OURS(munmap)(void *at, size_t len);
int OURS(pthread_create)(pthread_t *out, const pthread_attr_t *a, void *(*run)(void *), void *arg);

/* --- the rule --------------------------------------------------------------------------------- */

static bool is_refused(void)
{
    const unsigned number = atomic_fetch_add(&asked, 1) + 1;
    const unsigned from = atomic_load(&first);
    if (from == 0 || number < from || number > atomic_load(&last))
        return false;
    atomic_store(&failed, true);
    errno = ENOMEM;
    return true;
}

void starve(unsigned at, unsigned count)
{
    json_set_alloc_funcs(OURS(malloc), OURS(free)); /* it is linked dynamically */
    atomic_store(&failed, false);
    atomic_store(&first, 0);
    atomic_store(&last, at + count - 1);
    atomic_store(&asked, 0);
    atomic_store(&first, at);
}

bool starve_end(void)
{
    atomic_store(&first, 0);
    return atomic_load(&failed);
}

long starve_held(void)
{
    return atomic_load(&held);
}

static void *counted(void *at)
{
    if (at)
        atomic_fetch_add(&held, 1);
    return at;
}

/* --- memory ----------------------------------------------------------------------------------- */

void *OURS(malloc)(size_t size)
{
    return is_refused() ? NULL : counted(BEHIND(malloc)(size));
}

void *OURS(calloc)(size_t count, size_t size)
{
    return is_refused() ? NULL : counted(BEHIND(calloc)(count, size));
}

void *OURS(realloc)(void *old, size_t size)
{
    if (is_refused())
        return NULL;
    void *at = BEHIND(realloc)(old, size);
    return old ? at : counted(at);
}

void *OURS(aligned_alloc)(size_t alignment, size_t size)
{
    return is_refused() ? NULL : counted(BEHIND(aligned_alloc)(alignment, size));
}

int OURS(posix_memalign)(void **out, size_t alignment, size_t size)
{
    if (is_refused())
        return ENOMEM;
    const int err = BEHIND(posix_memalign)(out, alignment, size);
    if (err == 0)
        counted(*out);
    return err;
}

void OURS(free)(void *at)
{
    if (at)
        atomic_fetch_sub(&held, 1);
    BEHIND(free)(at);
}

void *OURS(mmap64)(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
    if (is_refused())
        return MAP_FAILED;
    void *got = BEHIND(mmap64)(at, len, protection, flags, fd, offset);
    if (got != MAP_FAILED)
        counted(got);
    return got;
}

int OURS(munmap)(void *at, size_t len)
{
    atomic_fetch_sub(&held, 1);
    return BEHIND(munmap)(at, len);
}

int OURS(pthread_create)(pthread_t *out, const pthread_attr_t *a, void *(*run)(void *), void *arg)
{
    return is_refused() ? EAGAIN : BEHIND(pthread_create)(out, a, run, arg);
}
