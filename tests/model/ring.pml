/* src/base/mpsc_ring.c and the elided wake-up, as Promela: each atomic operation of the C code is
 * one step, memory is sequentially consistent. Weaker orders are the business of tests/stress.
 *
 * What a step does besides its one access to shared memory is local, or an assertion.
 *
 * Set by run.py: PRODUCERS, EACH (items of each of them), CAPACITY; STOPS: producer 0 may stop for
 * ever between claiming a slot and publishing it; BUG_...: a planted bug, which must be found. */

#define LAP_OF(position) ((position) - (position) % CAPACITY)
#define SLOT_OF(position) ((position) % CAPACITY)
#define ITEM(source, number) (1 + (source) * EACH + (number)) /* 0: none */
#define SOURCE_OF(item) (((item) - 1) / EACH)
#define NUMBER_OF(item) (((item) - 1) % EACH)

/* struct mpsc_ring */
byte tail, head;
byte turn[CAPACITY];
byte item[CAPACITY];

/* log_reactor.sleeping, and the eventfd of the consumer. */
bool sleeping, woken;

/* Not in the code: what the properties speak of. */
byte freed;
byte next_of[PRODUCERS];
bool has_stopped;
byte stopped_at;

/* --- any thread ------------------------------------------------------------------------------- */

/* log_wake_sleepers() for one reactor. */
inline wake_sleeper()
{
    if
    :: atomic { sleeping -> skip };
       if
       :: atomic { sleeping -> sleeping = false }; /* atomic_exchange() */
          woken = true                             /* io_wake() */
       :: atomic { !sleeping -> skip }
       fi
    :: atomic { !sleeping -> skip }
    fi
}

active [PRODUCERS] proctype producer()
{
    byte number, position;

    /* mpsc_ring_push() */
push:
    position = tail;
look:
    atomic { /* load turn */
        if
        :: turn[SLOT_OF(position)] == LAP_OF(position) -> goto claim
        :: turn[SLOT_OF(position)] < LAP_OF(position) ->
           assert(tail - freed == CAPACITY); /* false only when full, at this very moment */
           goto refused
        :: else -> skip
        fi
    };
    atomic { position = tail; goto look };
claim:
#ifdef BUG_CLAIM_WITHOUT_COMPARING
    tail = position + 1;
#else
    atomic { /* compare_exchange(tail); the spurious failures of the weak one go the same way */
        if
        :: tail == position -> tail = position + 1
        :: else -> position = tail; goto look
        fi
    };
#endif
#ifdef STOPS
    if
    :: atomic { _pid == 0 -> has_stopped = true; stopped_at = position; goto gone }
    :: true
    fi;
#endif
#ifdef BUG_WAKE_BEFORE_PUBLISHING
    wake_sleeper();
#endif
#ifdef BUG_PUBLISH_BEFORE_ITEM
    turn[SLOT_OF(position)] = LAP_OF(position) + 1;
    item[SLOT_OF(position)] = ITEM(_pid, number);
#else
    item[SLOT_OF(position)] = ITEM(_pid, number);
    turn[SLOT_OF(position)] = LAP_OF(position) + 1;
#endif
#ifndef BUG_WAKE_BEFORE_PUBLISHING
    wake_sleeper();
#endif
    atomic {
        number++;
        if
        :: number < EACH -> goto push
        :: else -> goto gone
        fi
    };
refused:
#ifdef STOPS
    skip; /* gives up: the slot may never come free */
#else
    /* Tries again when it would fit: to try before only fails again. */
    atomic { turn[SLOT_OF(tail)] >= LAP_OF(tail) -> goto push };
#endif
gone:
    skip
}

/* --- the consumer ----------------------------------------------------------------------------- */

#define IS_PUBLISHED (turn[SLOT_OF(head)] == LAP_OF(head) + 1) /* published() */

inline free_slot()
{
    atomic { turn[SLOT_OF(head)] = LAP_OF(head) + CAPACITY; freed++ }
}

active proctype consumer()
{
    byte got;

    /* mpsc_ring_pop(); its own head is no step */
pop:
    if
    :: atomic { IS_PUBLISHED -> skip }
    :: atomic { !IS_PUBLISHED -> goto rest }
    fi;
#ifdef BUG_FREE_BEFORE_READING
    free_slot();
    got = item[SLOT_OF(head)];
#else
    got = item[SLOT_OF(head)];
    free_slot();
#endif
    atomic {
        head++;
        assert(got != 0);
        assert(NUMBER_OF(got) == next_of[SOURCE_OF(got)]); /* not lost, doubled or overtaken */
        next_of[SOURCE_OF(got)]++;
        got = 0;
        goto pop
    };
rest:
#ifdef BUG_LOOK_BEFORE_SLEEPING
    if
    :: atomic { IS_PUBLISHED -> goto pop }
    :: atomic { !IS_PUBLISHED -> skip }
    fi;
    sleeping = true; /* log_sleep_begin() */
#else
    sleeping = true; /* log_sleep_begin() */
#ifndef BUG_NO_LOOK_AFTER_SLEEPING
    if /* mpsc_ring_has_item() */
    :: atomic { IS_PUBLISHED -> skip }; atomic { woken = false; goto awake } /* io_wait(0) */
    :: atomic { !IS_PUBLISHED -> skip }
    fi;
#endif
#endif
end_asleep:
    atomic { woken -> woken = false }; /* io_wait() */
awake:
    atomic { sleeping = false; goto pop } /* log_sleep_end() */
}

/* --- the end ---------------------------------------------------------------------------------- */

/* When nobody can do anything more: all that was claimed has been consumed, or all before the slot
 * that will never be published. Whoever sleeps with something to do, or waits in vain, fails it. */
active proctype judge()
{
    timeout;
#ifdef STOPS
    assert(head == (has_stopped -> stopped_at : tail))
#else
    assert(tail == PRODUCERS * EACH);
    assert(head == tail)
#endif
}
