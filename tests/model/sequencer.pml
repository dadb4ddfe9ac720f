/* The sequencer role, `blocked` and the elided wake-ups of src/log, as Promela: each atomic
 * operation of the C code is one step, memory is sequentially consistent. Weaker orders are the
 * business of tests/stress, and the slots of a ring that of ring.pml: a push into the inbox is two
 * steps here, claim and publish, and the reactors' rings are counters.
 *
 * What a step does besides its one access to shared memory is local, the holder's own, or an
 * assertion. A look whose answer nobody else can change is one step with what follows from it.
 * Limits by bytes, images and other engines than `memory` are left out.
 *
 * Set by run.py: PUBLISHERS, ENTRIES (of each), OWN_0, OWN_1 (entries that reactor 0 and 1
 * publish), CHAIN (messages of an entry), HOLD_MAX; STOPS: publisher 0 may stop for ever between
 * claiming a slot of the inbox and publishing it; BUG_...: a planted bug, which must be found. */

#define REACTORS 2
#define SOURCES (PUBLISHERS + REACTORS)
#define CAPACITY 2 /* of the inbox and of each ring */
#define LAP_OF(position) ((position) - (position) % CAPACITY)
#define SLOT_OF(position) ((position) % CAPACITY)

/* An entry is known by its source and its number there. 0: none. */
#define STRIDE 8
#define ENTRY(source, number) (1 + (source) * STRIDE + (number))
#define SOURCE_OF(entry) (((entry) - 1) / STRIDE)
#define NUMBER_OF(entry) (((entry) - 1) % STRIDE)

#define IDLE 0 /* enum sequencer_role */
#define HELD 1
#define AGAIN 2

#define EMPTY 0 /* enum drain_end */
#define BLOCKED 1
#define HELD_LONG 2

/* struct sequencer */
byte role;
byte in_tail, in_head;
byte in_turn[CAPACITY], in_item[CAPACITY];

/* struct log */
byte blocked; /* 0, or 1 + reactor */
byte log_head;
byte pending;      /* how many messages of the chain are left; the holder's, as the next one */
byte next_reactor;

/* struct log_reactor. Its ring has one at a time who pushes and one who pops, so that counting what
 * was pushed and freed says what the slots' turns say. */
typedef log_reactor {
    byte tail, freed, head;
    bool sleeping;
    bool woken /* its eventfd */
};
log_reactor reactors[REACTORS];

/* Not in the code: what the properties speak of. */
byte next_of[SOURCES];
byte stamped; /* the last sequence given out; the holder's */
bool is_held;
bool has_stopped;
byte stopped_at;

/* --- the inbox -------------------------------------------------------------------------------- */

#define HAS_ROOM (in_turn[SLOT_OF(in_tail)] == LAP_OF(in_tail))
#define IS_PUBLISHED(position) (in_turn[SLOT_OF(position)] == LAP_OF(position) + 1)

/* inbox_push() that found room is this and publish(). */
inline claim()
{
    position = in_tail;
    in_tail++
}

inline publish()
{
    atomic {
        in_item[SLOT_OF(position)] = ENTRY(_pid, number);
        in_turn[SLOT_OF(position)] = LAP_OF(position) + 1;
        position = 0;
        number++
    }
}

/* --- the holder: deliver.c -------------------------------------------------------------------- */

#define RING reactors[next_reactor]

/* log_ring_push(). The message's sequence is its place in every ring: none lost, none doubled. */
inline push_pending()
{
    assert(RING.tail - RING.freed < CAPACITY); /* offer(): ASSERT(pushed) */
    assert(RING.tail == stamped - pending);
    RING.tail++;
    delivered = true;
    next_reactor++;
    if
    :: next_reactor == REACTORS -> pending--; next_reactor = 0
    :: else
    fi
}

/* log_deliver() with offer(). Ends with end == BLOCKED, or with nothing pending. */
inline deliver()
{
    do
    :: atomic { pending > 0 && RING.tail - RING.freed < CAPACITY -> push_pending() }
    :: atomic { pending > 0 && RING.tail - RING.freed == CAPACITY -> skip };
#ifndef BUG_BLOCKED_AFTER_LOOK
       blocked = next_reactor + 1;
#endif
       if /* log_ring_has_room() */
       :: atomic { RING.tail - RING.head < CAPACITY -> push_pending() }
       :: atomic { RING.tail - RING.head >= CAPACITY -> end = BLOCKED };
#ifdef BUG_BLOCKED_AFTER_LOOK
          blocked = next_reactor + 1;
#endif
#ifdef BUG_PLACE_FORGOTTEN
          next_reactor = 0;
#endif
          break
       fi
#ifdef BUG_HEAD_AFTER_DELIVERY
    :: atomic { pending == 0 -> blocked = 0; log_head = stamped; break }
#else
    :: atomic { pending == 0 -> blocked = 0; break }
#endif
    od
}

/* log_order() */
inline stamp()
{
    atomic {
        assert(pending == 0);
        assert(NUMBER_OF(entry) == next_of[SOURCE_OF(entry)]);
        next_of[SOURCE_OF(entry)]++;
        entry = 0;
        pending = CHAIN;
        stamped = stamped + CHAIN;
#ifndef BUG_HEAD_AFTER_DELIVERY
        log_head = stamped; /* before any reactor can see the entry */
#endif
        held_count++
    }
}

/* --- the holder: sequencer.c ------------------------------------------------------------------ */

inline drain()
{
    do
    :: deliver();
       if /* inbox_pop() */
       :: atomic { end == BLOCKED -> break }
       :: atomic { end != BLOCKED && held_count == HOLD_MAX -> end = HELD_LONG; break }
#ifdef BUG_WAITS_FOR_CLAIMED
       :: atomic { end != BLOCKED && held_count < HOLD_MAX && in_head == in_tail -> break }
#else
       :: atomic { end != BLOCKED && held_count < HOLD_MAX && !IS_PUBLISHED(in_head) -> break }
#endif
       :: atomic {
              end != BLOCKED && held_count < HOLD_MAX && IS_PUBLISHED(in_head) ->
              entry = in_item[SLOT_OF(in_head)];
              in_item[SLOT_OF(in_head)] = 0; /* nobody reads it again */
              in_turn[SLOT_OF(in_head)] = LAP_OF(in_head) + CAPACITY
          }
       fi;
       in_head++;
       stamp()
    od
}

/* log_wake_sleepers(). A flag is looked at before it is exchanged; by itself that look changes
 * nothing, hence one step. */
inline wake_sleepers()
{
    do
    :: atomic { at < REACTORS && !reactors[at].sleeping -> at++ }
    :: atomic { at < REACTORS && reactors[at].sleeping -> reactors[at].sleeping = false };
       atomic { reactors[at].woken = true; at++ } /* l->wake() */
    :: atomic { at == REACTORS -> at = 0; break }
    od
}

#ifdef BUG_ROLE_NOT_RECHECKED
#define LEAVES_ANYWAY true
#elif defined(BUG_BLOCKED_NOT_RECHECKED)
#define LEAVES_ANYWAY (end != EMPTY)
#else
#define LEAVES_ANYWAY (end == HELD_LONG) /* leave_to_reactors(); else leave() */
#endif

#ifdef BUG_WAKE_BEFORE_LEAVING
#define WAKES false
#elif defined(BUG_HELD_LONG_WAKES_NOBODY)
#define WAKES (delivered && end != HELD_LONG)
#elif defined(BUG_DELIVERED_WAKES_NOBODY)
#define WAKES (end == HELD_LONG)
#else
#define WAKES (end == HELD_LONG || delivered)
#endif

inline sequencer_run()
{
    if
    :: atomic { role != IDLE -> role = AGAIN }
    :: atomic { role == IDLE -> role = AGAIN; assert(!is_held); is_held = true };
       do
       :: atomic {
              end = EMPTY;
#ifndef BUG_AGAIN_NOT_TAKEN_DOWN
              role = HELD
#endif
          };
          drain();
#ifdef BUG_WAKE_BEFORE_LEAVING
          at = 0;
          wake_sleepers();
#endif
          if
          :: atomic { LEAVES_ANYWAY || role == HELD -> role = IDLE; is_held = false; break }
          :: atomic { !LEAVES_ANYWAY && role == AGAIN -> skip }
          fi
       od;
       atomic {
           held_count = 0;
           at = (WAKES -> 0 : REACTORS);
           end = EMPTY;
           delivered = false
       };
       wake_sleepers()
    fi
}

/* What is left of memory_append() after claim(). */
inline append()
{
#ifdef BUG_RUN_BEFORE_PUBLISHING
    sequencer_run();
    publish()
#else
    publish();
    sequencer_run()
#endif
}

/* --- publishers ------------------------------------------------------------------------------- */

#if PUBLISHERS > 0
active [PUBLISHERS] proctype publisher()
{
    byte number, position;
    byte end, held_count, entry, at; /* sequencer_run()'s */
    bool delivered;

    do
    :: atomic { number == ENTRIES -> break }
    :: atomic { number < ENTRIES && HAS_ROOM -> claim() };
#ifdef STOPS
       if
       :: atomic { _pid == 0 -> has_stopped = true; stopped_at = position; break }
       :: true
       fi;
#endif
       append()
#ifdef STOPS
    :: atomic { number < ENTRIES && !HAS_ROOM -> break } /* refused, and gives up */
#endif
    od
}
#endif

/* --- reactors --------------------------------------------------------------------------------- */

#define INDEX (_pid - PUBLISHERS)
#define MINE reactors[INDEX]
#define OWN (INDEX == 0 -> OWN_0 : OWN_1)

/* log.c: order_needs() */
inline order_needs()
{
    if
    :: atomic { blocked == INDEX + 1 -> needed = true }
#ifdef BUG_ANYBODY_HELPS
    :: atomic { blocked != 0 && blocked != INDEX + 1 -> needed = true }
#else
    :: atomic { blocked != 0 && blocked != INDEX + 1 -> needed = false }
#endif
    :: atomic { blocked == 0 -> skip };
       if /* memory_is_waiting() */
#ifdef BUG_WAITING_WHILE_HELD
       :: atomic { role != IDLE -> needed = IS_PUBLISHED(in_head) }
#else
       :: atomic { role != IDLE -> needed = false }
#endif
       :: atomic { role == IDLE -> skip };
          position = in_head; /* mpsc_ring_has_item() */
          atomic { needed = IS_PUBLISHED(position); position = 0 }
       fi
    fi
}

/* log_help() */
inline help()
{
    order_needs();
    if
    :: atomic { !needed -> skip }
    :: atomic { needed -> needed = false };
#ifdef BUG_TAKEN_DOWN_AFTER
       sequencer_run();
#endif
       if
       :: atomic { blocked == INDEX + 1 -> skip }; blocked = 0
       :: atomic { blocked != INDEX + 1 -> skip }
       fi;
#ifndef BUG_TAKEN_DOWN_AFTER
       sequencer_run()
#endif
    fi
}

/* log_has_work() */
inline has_work()
{
    if
    :: atomic { MINE.tail != MINE.head -> needed = true }
    :: atomic { MINE.tail == MINE.head -> skip }; order_needs()
    fi
}

/* mpsc_ring_pop() frees the slot, then stores the head. */
#ifdef BUG_HEAD_BEFORE_TURN
#define TURN_FIRST MINE.head
#define HEAD_THEN MINE.freed
#else
#define TURN_FIRST MINE.freed
#define HEAD_THEN MINE.head
#endif

active [REACTORS] proctype reactor()
{
    byte number, position;
    byte end, held_count, entry, at; /* sequencer_run()'s */
    bool delivered, needed;
    bool asked; /* to publish, by a peer; it stays so while the log refuses */

turn:
    do /* log_consume() */
    :: atomic { MINE.tail != MINE.head -> assert(MINE.head < log_head); TURN_FIRST++ };
       HEAD_THEN++;
       if
       :: true
       :: break /* had its share of this turn */
       fi
    :: atomic { MINE.tail == MINE.head -> break }
    od;
    if /* log_append() */
    :: atomic { asked && HAS_ROOM -> asked = false; claim() };
       append()
    :: atomic { asked && !HAS_ROOM -> skip }
    :: atomic { !asked -> skip }
    fi;
    help();
#ifdef BUG_LOOK_BEFORE_SLEEPING
    has_work();
#endif
    MINE.sleeping = true; /* log_sleep_begin() */
#ifndef BUG_LOOK_BEFORE_SLEEPING
    has_work();
#endif
    if /* io_wait() */
    :: atomic { needed -> needed = false; MINE.woken = false };
       if
       :: atomic { !asked && number < OWN -> asked = true }
       :: true
       fi
    :: atomic { !needed -> skip };
end_asleep:
       if
       :: atomic { MINE.woken -> MINE.woken = false }
       :: atomic { !asked && number < OWN -> asked = true }
       fi
    fi;
    atomic { MINE.sleeping = false; goto turn } /* log_sleep_end() */
}

/* --- the end ---------------------------------------------------------------------------------- */

active proctype judge()
{
    timeout;
    assert(role == IDLE);
    assert(pending == 0);
    assert(reactors[0].head == in_head * CHAIN);
    assert(reactors[1].head == in_head * CHAIN);
#ifdef STOPS
    assert(in_head == (has_stopped -> stopped_at : in_tail))
#else
    assert(in_head == PUBLISHERS * ENTRIES + OWN_0 + OWN_1)
#endif
}
