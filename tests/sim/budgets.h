/* What unfinished bodies and answers that nobody reads may use of --body-memory, counted where they
 * are kept: the server's own counters are not believed. */
#pragma once

struct world;

/* Between two steps. */
void budgets_check(const struct world *w);
