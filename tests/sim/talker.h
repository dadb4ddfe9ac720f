/* A raw WebSocket that publishes what it sends to its topic, and knows which of it came back: what
 * ws_publisher.c and bystander.c have in common. */
#pragma once

#include "sim/subscriber.h"

struct said {
    uint32_t number; /* of the publish */
    bool came_back;
    bool is_excused; /* how long it took is nobody's fault */
    uint64_t said_ns;
};

struct talker {
    struct subscriber subscriber;
    struct said *said; /* in order */
    unsigned said_count, said_capacity;
    unsigned first;      /* said on this connection: from here on */
    unsigned next;       /* the first of them that was neither given to it nor passed over */
    uint64_t connection; /* its number */
    uint64_t worst_ns;   /* the longest that one of its own messages took */
};

void talker_init(struct talker *t, const char *topic);
bool talker_can_say(const struct talker *t);
/* Publishes a message of so many bytes: the last one, when they are more than may be. */
void talker_say(struct talker *t, uint32_t len);
/* Before anything else in a turn: forgets what was under way on a connection that is gone. */
void talker_begin_turn(struct talker *t);
/* Is everything it said on this connection in the log, or is the connection gone? */
bool talker_is_through(const struct talker *t);
/* Has it not been given yet what it said on this connection? */
bool talker_waits(const struct talker *t);
/* What it waits for may take its time. */
void talker_excuse(struct talker *t);
void talker_fini(struct talker *t);
