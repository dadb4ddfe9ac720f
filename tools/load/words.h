/* Figures as people read them: 1,000,000; 3.1 ms; 4.1 KB. */
#pragma once

#include "base/text.h"

void words_add_count(struct text *out, uint64_t count);
/* "812 ns", "3.1 us", "12 ms", "1.2 s". */
void words_add_duration(struct text *out, uint64_t ns);
/* "110 B", "4.1 KB", "1.2 MB"; 1 KB is 1,000 bytes. */
void words_add_size(struct text *out, double bytes);
