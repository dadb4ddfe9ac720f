/* Who goes on next: reactors that have something to do, threads and peers whose time has come; one
 * at a time, chosen by the seed. When nobody has anything to do, time goes on to the next thing
 * that happens, and before that it is checked that nobody sleeps through anything. */
#pragma once

#include <stdbool.h>

struct world;

void schedule_init(struct world *w);
void schedule_fini(struct world *w);
void schedule_step(struct world *w);
bool schedule_reactors_are_over(const struct world *w);
bool schedule_pullers_are_over(const struct world *w);
bool schedule_threads_are_over(const struct world *w);
