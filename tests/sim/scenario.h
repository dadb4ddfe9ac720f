/* What a seed makes of a run: settings of the server (small ones, so that every limit is met
 * often), what goes wrong, who the peers are. Only numbers; nobody acts here. */
#pragma once

#include "conn/broker.h"
#include "sim/kernel.h"
#include "sim/truth.h"

enum { TOPICS_MAX = 6, THREADS_MAX = 3, PULLERS_MAX = 3 };

struct scenario {
    unsigned reactor_count;
    uint32_t slot_count; /* of each */
    struct broker_settings settings;
    struct log_options log;
    struct kernel_faults faults;
    uint32_t allocation_fails; /* once in so many times; 0: never */
    uint32_t allocation_ns;    /* what one takes: it stands for the work that it is a part of */
    uint32_t preempt; /* a fiber is interrupted at an atomic operation once in so many turns */
    char topics[TOPICS_MAX][TRUTH_TOPIC_MAX];
    unsigned topic_count;
    unsigned publisher_count, ws_publisher_count, thread_count; /* threads: log_append() directly */
    bool threads_in_step;
    unsigned puller_count; /* threads: local subscriptions */
    unsigned subscriber_count, nuisance_count, silent_count;
    unsigned publishes_each;
    int laggard;       /* a reactor that seldom gets its turn; -1: none */
    uint32_t stall_us; /* who is interrupted may have no processor for so long; 0: it goes on */
    uint32_t payload_max;
    uint32_t impatient; /* publishers do not wait for an answer, once in so many; 0: they do */
    bool has_bystander;
    bool finishes_topics; /* DELETE */
    bool drains_early;    /* in the middle of it */
    bool is_greedy;       /* large bodies and answers, and little room for either */
    bool is_crowd;        /* most subscribers want the same, so that their set is a large one */
    struct filters crowd;
    bool is_full; /* fewer connections are let in than there are peers, until they settle */
};

void scenario_draw(struct scenario *s, struct random *random);
/* The same, in short, and with nothing going wrong: for one allocation that fails. */
void scenario_shorten(struct scenario *s);
unsigned scenario_peer_count(const struct scenario *s);
/* Names, or patterns that may match some: 1 to 4 of them. */
void scenario_draw_filters(const struct scenario *s, struct random *random, struct filters *out);
const char *scenario_draw_topic(const struct scenario *s, struct random *random);
/* Printed with a failure. */
void scenario_print(const struct scenario *s);
