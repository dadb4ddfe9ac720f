/* ucontext for the first step onto a new stack; the C library does the rest. AddressSanitizer is
 * told about every change of stacks. */
#include "sim/fiber.h"

#include "base/assert.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#ifdef __SANITIZE_ADDRESS__
#define FIBER_TELLS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_TELLS_SANITIZER 1
#endif
#endif
#ifdef FIBER_TELLS_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif

enum { STACK_BYTES = 1 << 20, GUARD_BYTES = 64 << 10 };

struct fiber {
    ucontext_t own, resumer;
    void *stack;
    fiber_fn *fn;
    void *user;
    bool returned;
    /* For the sanitizer. */
    void *fake_stack, *resumer_fake_stack;
    const void *resumer_stack;
    size_t resumer_stack_size;
};

static struct fiber *running;

#ifdef FIBER_TELLS_SANITIZER
static void leaving_for(void **fake_stack, const void *stack, size_t size)
{
    __sanitizer_start_switch_fiber(fake_stack, stack, size);
}

static void arrived(void *fake_stack, const void **from, size_t *from_size)
{
    __sanitizer_finish_switch_fiber(fake_stack, from, from_size);
}
#else
static void leaving_for(void **fake_stack, const void *stack, size_t size)
{
    (void)fake_stack, (void)stack, (void)size;
}

static void arrived(void *fake_stack, const void **from, size_t *from_size)
{
    (void)fake_stack, (void)from, (void)from_size;
}
#endif

static void begin(void)
{
    struct fiber *f = running;
    arrived(NULL, &f->resumer_stack, &f->resumer_stack_size);
    f->fn(f->user);
    f->returned = true;
    leaving_for(NULL, f->resumer_stack, f->resumer_stack_size);
    swapcontext(&f->own, &f->resumer);
    UNREACHABLE("a fiber that returned was resumed");
}

/* Below it nothing can be touched: who needs more crashes, and does not write into another's. */
static void *stack_new(void)
{
    uint8_t *at = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    ASSERT(at != MAP_FAILED);
    const int guarded = mprotect(at, GUARD_BYTES, PROT_NONE);
    ASSERT(guarded == 0);
    return at + GUARD_BYTES;
}

struct fiber *fiber_new(fiber_fn *fn, void *user)
{
    struct fiber *f = calloc(1, sizeof(*f));
    ASSERT(f);
    f->stack = stack_new();
    f->fn = fn;
    f->user = user;
    getcontext(&f->own);
    f->own.uc_stack.ss_sp = f->stack;
    f->own.uc_stack.ss_size = STACK_BYTES;
    makecontext(&f->own, begin, 0);
    return f;
}

void fiber_free(struct fiber **f_ptr)
{
    struct fiber *f = *f_ptr;
    *f_ptr = NULL;
    if (!f)
        return;
    ASSERT(f != running);
    munmap((uint8_t *)f->stack - GUARD_BYTES, GUARD_BYTES + STACK_BYTES);
    free(f);
}

void fiber_resume(struct fiber *f)
{
    ASSERT(!running);
    ASSERT(!f->returned);
    running = f;
    leaving_for(&f->resumer_fake_stack, f->stack, STACK_BYTES);
    swapcontext(&f->resumer, &f->own);
    arrived(f->resumer_fake_stack, NULL, NULL);
    running = NULL;
}

void fiber_yield(void)
{
    struct fiber *f = running;
    ASSERT(f);
    leaving_for(&f->fake_stack, f->resumer_stack, f->resumer_stack_size);
    swapcontext(&f->own, &f->resumer);
    arrived(f->fake_stack, &f->resumer_stack, &f->resumer_stack_size);
}

_Bool fiber_has_returned(const struct fiber *f)
{
    return f->returned;
}

struct fiber *fiber_current(void)
{
    return running;
}
