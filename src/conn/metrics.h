/* The server's statistics as Prometheus text (exposition format 0.0.4). */
#pragma once

#include "base/text.h"

struct broker;

/* Any thread: reads relaxed counters of all reactors. */
void metrics_add(struct text *out, const struct broker *b);
