/* The state of the memory engine: an inbox, and a role that one thread holds at a time. */
#pragma once

#include "log/inbox.h"

struct log;

/* IDLE: nobody orders. HELD: somebody does. AGAIN: somebody does, and has to look once more before
 * leaving, because something was added after the look it may have had. */
enum sequencer_role { ROLE_IDLE, ROLE_HELD, ROLE_AGAIN };

struct sequencer {
    _Alignas(64) _Atomic int role; /* enum sequencer_role */
    /* The holder's. */
    int64_t reading_ms;  /* the last reading of Unix time; 0: none */
    uint64_t reading_ns; /* when the entry was appended that it was read for */
    struct inbox inbox;
};

/* Takes the role if nobody has it and orders what is in the inbox; else makes the holder look once
 * more. To be called after what is to be seen has been stored. */
ANY_THREAD void sequencer_run(struct log *l, struct sequencer *s);
