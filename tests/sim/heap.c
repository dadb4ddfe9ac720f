/* In front of base/alloc.h: a list of what is held, junk where nothing may be expected, and
 * refusals as they are ordered. */
#include "sim/heap.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/list.h"
#include "sim/failure.h"
#include "sim/random.h"

#include <stdlib.h>
#include <string.h>

enum { MAGIC_HELD = 0x48454c44, MAGIC_FREED = 0x46524545, JUNK_NEW = 0xa5, JUNK_FREED = 0xde };

/* In front of each block: what is behind it stays the sanitizer's. */
struct block {
    struct list link;
    size_t size;
    uint32_t magic;
    uint32_t number;
};
static_assert(sizeof(struct block) % 16 == 0, "what follows is aligned for anything");

/* Reserved ranges are too large to begin with a block, and few. */
enum { RANGES_MAX = 256, LEAKS_SHOWN_MAX = 16 };

struct range {
    void *at;
    size_t size;
};

static struct {
    struct list held;
    struct range ranges[RANGES_MAX];
    unsigned range_count;
    uint64_t allocation_count, fail_at;
    bool has_failed;
    struct random *random;
    uint32_t fail_once_in;
    uint64_t *now_ns;
    uint32_t takes_ns;
    heap_refused_fn *refused;
    void *refused_user;
} heap;

void *__real_alloc_reserve(size_t size);
void __real_alloc_release(void *at, size_t size);
void *__wrap_alloc_bytes(size_t size);
void *__wrap_alloc_zeroed(size_t size);
void *__wrap_alloc_resize(void *old, size_t size);
void __wrap_alloc_free(void *at);
void *__wrap_alloc_reserve(size_t size);
void __wrap_alloc_release(void *at, size_t size);

/* --- orders ----------------------------------------------------------------------------------- */

void heap_begin(void)
{
    heap.range_count = 0;
    heap.allocation_count = heap.fail_at = 0;
    heap.has_failed = false;
    heap.fail_once_in = 0;
    heap.takes_ns = 0;
    heap.refused = NULL;
    list_init(&heap.held);
}

void heap_fail_at(uint64_t k)
{
    heap.fail_at = k > 0 ? heap.allocation_count + k : 0;
    heap.has_failed = false;
}

void heap_fail_once_in(struct random *random, uint32_t n)
{
    heap.random = random;
    heap.fail_once_in = n;
}

void heap_take_time(uint64_t *now_ns, uint32_t takes_ns)
{
    heap.now_ns = now_ns;
    heap.takes_ns = takes_ns;
}

void heap_tell_refusals(heap_refused_fn *refused, void *user)
{
    heap.refused = refused;
    heap.refused_user = user;
}

bool heap_has_failed(void)
{
    return heap.has_failed;
}

static bool is_refused(void)
{
    heap.allocation_count++;
    if (heap.takes_ns > 0)
        *heap.now_ns += heap.takes_ns;
    const bool refused = heap.allocation_count == heap.fail_at ||
                         (heap.fail_once_in > 0 && random_one_in(heap.random, heap.fail_once_in));
    heap.has_failed = heap.has_failed || refused;
    if (refused && heap.refused)
        heap.refused(heap.refused_user);
    return refused;
}

/* --- blocks ----------------------------------------------------------------------------------- */

static struct block *block_of(void *at)
{
    struct block *b = (struct block *)at - 1;
    SIM_CHECK("heap", b->magic != MAGIC_FREED, "a block of %zu bytes is used after it was freed",
              b->size);
    SIM_CHECK("heap", b->magic == MAGIC_HELD, "what is freed was never allocated");
    return b;
}

void *__wrap_alloc_bytes(size_t size)
{
    if (is_refused())
        return NULL;
    struct block *b = malloc(sizeof(*b) + size);
    ASSERT(b);
    *b = (struct block){
        .size = size, .magic = MAGIC_HELD, .number = (uint32_t)heap.allocation_count};
    list_push_back(&heap.held, &b->link);
    memset(b + 1, JUNK_NEW, size);
    return b + 1;
}

void *__wrap_alloc_zeroed(size_t size)
{
    void *at = __wrap_alloc_bytes(size);
    return at ? memset(at, 0, size) : NULL;
}

void __wrap_alloc_free(void *at)
{
    if (!at)
        return;
    struct block *b = block_of(at);
    list_remove(&b->link);
    memset(at, JUNK_FREED, b->size);
    /* Volatile: a compiler leaves out what is stored just before free(). */
    *(volatile uint32_t *)&b->magic = MAGIC_FREED;
    free(b);
}

/* Always moves: whoever kept the old address is found out. */
void *__wrap_alloc_resize(void *old, size_t size)
{
    void *at = __wrap_alloc_bytes(size);
    if (!at || !old)
        return at;
    const size_t kept = block_of(old)->size;
    memcpy(at, old, kept < size ? kept : size);
    __wrap_alloc_free(old);
    return at;
}

/* --- ranges ----------------------------------------------------------------------------------- */

void *__wrap_alloc_reserve(size_t size)
{
    void *at = is_refused() ? NULL : __real_alloc_reserve(size);
    if (!at)
        return NULL;
    ASSERT(heap.range_count < RANGES_MAX);
    heap.ranges[heap.range_count++] = (struct range){at, size};
    return at;
}

void __wrap_alloc_release(void *at, size_t size)
{
    if (!at)
        return;
    unsigned i = 0;
    while (i < heap.range_count && heap.ranges[i].at != at)
        i++;
    SIM_CHECK("heap", i < heap.range_count, "a range is released that was never reserved");
    SIM_CHECK("heap", heap.ranges[i].size == size, "%zu of %zu reserved bytes are released", size,
              heap.ranges[i].size);
    heap.ranges[i] = heap.ranges[--heap.range_count];
    __real_alloc_release(at, size);
}

/* --- the end ---------------------------------------------------------------------------------- */

uint64_t heap_held_count(void)
{
    uint64_t count = heap.range_count;
    for (const struct list *l = heap.held.next; l != &heap.held; l = l->next)
        count++;
    return count;
}

/* The oldest ones, among the last events. */
static void trace_held(void)
{
    int left = LEAKS_SHOWN_MAX;
    for (const struct list *l = heap.held.next; l != &heap.held && left-- > 0; l = l->next) {
        const struct block *b = LIST_OWNER(l, const struct block, link);
        trace("held: %zu bytes, allocation %u", b->size, b->number);
    }
}

void heap_judge(void)
{
    SIM_CHECK("leak", heap.range_count == 0, "%u reserved ranges are held, one of %zu bytes",
              heap.range_count, heap.ranges[0].size);
    if (list_is_empty(&heap.held))
        return;
    const struct block *b = LIST_OWNER(heap.held.next, struct block, link);
    trace_held();
    sim_fail("leak", "%llu blocks are held, the oldest has %zu bytes and was allocation %u",
             (unsigned long long)heap_held_count(), b->size, b->number);
}
