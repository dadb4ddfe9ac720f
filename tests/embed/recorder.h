/* What recorder.c, preloaded, is asked; test_quiet.c finds the functions by name. */
#pragma once

#include <stdbool.h>

typedef void recorder_watch_fn(const char *name);
typedef void recorder_switch_fn(bool on);
typedef unsigned recorder_count_fn(const char *name);

/* What is called while the recorder is on and was not named by recorder_watch(). */
#define RECORDER_OTHERS "others"

/* A function to count the calls of; before the recorder is on. The name stays the caller's. */
recorder_watch_fn recorder_watch;
recorder_switch_fn recorder_switch;
recorder_count_fn recorder_count;
