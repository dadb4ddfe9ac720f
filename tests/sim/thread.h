/* A thread of the embedding program: it publishes through log_append(), as uproar_publish() does,
 * while reactors do; on its own fiber, so that it is interrupted in the middle of it. */
#pragma once

#include "sim/fiber.h"

#include <stdint.h>

struct world;

struct thread {
    struct world *world;
    struct fiber *fiber;
    uint64_t next_ns; /* when it goes on; UINT64_MAX: it has returned */
};

void thread_init(struct thread *t, struct world *w);
void thread_fini(struct thread *t);
