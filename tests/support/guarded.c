/* mmap with a PROT_NONE page behind each copy. */
#include "support/guarded.h"

#include <stdlib.h>
#include <sys/mman.h>

struct guarded_block {
    struct guarded_block *next;
    void *map;
    size_t len;
};
static struct guarded_block *blocks;

struct span guarded_copy(struct bytes b)
{
    const size_t page = 4096;
    const size_t data_len = (b.len + page - 1) / page * page;
    struct guarded_block *block = malloc(sizeof(*block));
    uint8_t *map =
        mmap(NULL, data_len + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!block || map == MAP_FAILED || mprotect(map + data_len, page, PROT_NONE) != 0)
        abort();
    *block = (struct guarded_block){blocks, map, data_len + page};
    blocks = block;
    uint8_t *at = map + data_len - b.len;
    if (b.len > 0)
        memcpy(at, b.at, b.len);
    return (struct span){at, b.len};
}

void guarded_release(void)
{
    while (blocks) {
        struct guarded_block *block = blocks;
        blocks = block->next;
        munmap(block->map, block->len);
        free(block);
    }
}
