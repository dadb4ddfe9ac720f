/* Ctrl-C: the first one ends the run early, with its report; the second one ends the program. */
#pragma once

#include <stdbool.h>

/* SIGINT and SIGTERM from now on. */
void interrupt_arm(void);
bool interrupt_came(void);
