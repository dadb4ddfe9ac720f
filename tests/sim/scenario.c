/* The draw. Small numbers on purpose: a history of eight messages is trimmed in every run, a ring
 * of two entries is full most of the time. */
#include "sim/scenario.h"

#include <stdio.h>
#include <string.h>

static const char *const topic_names[] = {"a", "a.b", "a.b.c", "b", "b.x", "quiet"};
static const char *const patterns[] = {"#", "a.#", "a.*", "*", "*.b", "a.*.c", "b.*", "*.*", "b.#"};

enum {
    TOPIC_COUNT = sizeof(topic_names) / sizeof(topic_names[0]),
    PATTERN_COUNT = sizeof(patterns) / sizeof(patterns[0]),
    PEERS_AND_SOME = 64,
};

static_assert((int)TOPIC_COUNT == (int)TOPICS_MAX, "all of them");

static uint32_t one_of(struct random *r, const uint32_t *choices, uint32_t count)
{
    return choices[random_below(r, count)];
}

#define ONE_OF(r, ...)                                                                             \
    one_of(r, (const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void draw_settings(struct scenario *s, struct random *r)
{
    s->settings = (struct broker_settings){
        .conn_count_max = PEERS_AND_SOME,
        .message_bytes_max = ONE_OF(r, 1024, 8192, 70000),
        .body_bytes_max = ONE_OF(r, 8192, 100000, 1 << 20),
        .history_count = ONE_OF(r, 1, 4, 16, 64, 300),
        .history_bytes = ONE_OF(r, 3000, 20000, 200000, 4 << 20),
        .history_ms = ONE_OF(r, 300, 3000, 300000, 300000),
        .heartbeat_ms = ONE_OF(r, 1000, 5000, 15000),
        .ping_ms = ONE_OF(r, 700, 5000, 25000),
        .drain_ms = ONE_OF(r, 50, 500, 2000),
        .stream_max_ms = ONE_OF(r, 0, 0, 0, 700, 4000),
        .slow = (enum slow_policy)random_below(r, 3),
        .deflate = random_one_in(r, 4) ? DEFLATE_OFF : DEFLATE_SHARED,
        .deflate_bytes_min = ONE_OF(r, 1, 30, 1000),
        .admin_token = bytes_from("adm"),
    };
    s->payload_max = ONE_OF(r, 40, 400, 4000);
    if (s->payload_max > s->settings.message_bytes_max)
        s->payload_max = s->settings.message_bytes_max;
}

/* Who waits for room in a full log waits as long as others are faster: a bystander needs one that
 * has room. */
static void draw_log(struct scenario *s, struct random *r)
{
    const bool may_be_tiny = !s->has_bystander;
    s->log = (struct log_options){
        .reactor_count = s->reactor_count,
        .history_count = s->settings.history_count,
        .history_bytes = s->settings.history_bytes,
        .ring_capacity = may_be_tiny ? ONE_OF(r, 2, 2, 2, 64) : ONE_OF(r, 64, 1024),
        .inbox_capacity = may_be_tiny ? ONE_OF(r, 2, 2, 8, 64) : ONE_OF(r, 64, 1024),
        .ring_bytes = ONE_OF(r, 1000, 20000, 1 << 20),
    };
}

static uint32_t rarely(struct random *r, uint32_t once_in)
{
    return random_one_in(r, 2) ? 0 : random_between(r, once_in / 4, once_in);
}

/* Some seeds have a kernel that is well, so that what only shows there is seen too. */
static void draw_faults(struct scenario *s, struct random *r)
{
    if (random_one_in(r, 4))
        return;
    s->faults = (struct kernel_faults){
        .short_receive = rarely(r, 8),
        .short_send = rarely(r, 8),
        .passing = rarely(r, 60),
        .reset = rarely(r, 600),
        .late = rarely(r, 16),
        .accept = rarely(r, 30),
        .early = rarely(r, 30),
        .few = rarely(r, 8),
        .preempted = rarely(r, 4000),
        .late_ns = UINT64_C(1000000) * random_between(r, 1, 30),
    };
    s->allocation_fails = random_one_in(r, 6) ? random_between(r, 200, 2000) : 0;
}

static void draw_peers(struct scenario *s, struct random *r)
{
    s->publisher_count = random_between(r, 1, 3);
    s->ws_publisher_count = random_below(r, 3);
    s->thread_count = random_below(r, THREADS_MAX + 1);
    s->threads_in_step = random_one_in(r, 2);
    s->subscriber_count = random_between(r, 2, 10);
    s->nuisance_count = random_below(r, 3);
    s->publishes_each = ONE_OF(r, 10, 40, 120);
    s->impatient = ONE_OF(r, 0, 0, 40, 2);
    s->has_bystander = random_one_in(r, 3);
    /* Without memory for its topic an end is not noted. */
    s->finishes_topics = s->allocation_fails == 0 && random_one_in(r, 6);
    s->drains_early = random_one_in(r, 8);
    s->silent_count = random_one_in(r, 6) ? random_between(r, 1, 2) : 0;
}

/* Few seeds, for it takes long: where bodies and answers are so much larger than their budget, that
 * whoever forgets to look at it goes beyond at once. */
static void draw_greed(struct scenario *s, struct random *r)
{
    s->is_greedy = random_one_in(r, 16);
    if (!s->is_greedy)
        return;
    s->settings.body_bytes_max = 8192;
    s->settings.message_bytes_max = 70000;
    s->settings.history_bytes = ONE_OF(r, 200000, 4 << 20);
    s->payload_max = 30000;
    s->publisher_count = 4;
    s->publishes_each = 10;
    s->nuisance_count = random_between(r, 2, 6);
    s->has_bystander = false;
}

unsigned scenario_peer_count(const struct scenario *s)
{
    return s->publisher_count + s->ws_publisher_count + s->subscriber_count + s->nuisance_count +
           s->silent_count + s->has_bystander;
}

/* All of them on one reactor, and a few that it has not yet let go of. */
static void draw_room(struct scenario *s, struct random *r)
{
    const unsigned peers = scenario_peer_count(s);
    s->slot_count = random_one_in(r, 2) ? peers + 3 : KERNEL_SLOTS_MAX;
    s->is_full = random_one_in(r, 4);
    if (s->is_full)
        s->settings.conn_count_max = random_between(r, 1, peers);
}

static void draw_crowd(struct scenario *s, struct random *r)
{
    scenario_draw_filters(s, r, &s->crowd);
    s->is_crowd = random_one_in(r, 6);
    if (s->is_crowd)
        s->subscriber_count = random_between(r, 6, 12);
}

/* From a copy: without them a seed is what it was before there were any. */
static void draw_pullers(struct scenario *s, struct random random)
{
    s->puller_count = random_one_in(&random, 3) ? random_between(&random, 1, PULLERS_MAX) : 0;
}

void scenario_draw(struct scenario *s, struct random *random)
{
    memset(s, 0, sizeof(*s));
    s->reactor_count = random_between(random, 1, 3);
    for (; s->topic_count < TOPIC_COUNT; s->topic_count++)
        strcpy(s->topics[s->topic_count], topic_names[s->topic_count]);
    draw_settings(s, random);
    draw_faults(s, random);
    draw_peers(s, random);
    draw_greed(s, random);
    draw_crowd(s, random);
    draw_log(s, random);
    draw_room(s, random);
    s->preempt = ONE_OF(random, 0, 2, 4, 16);
    s->laggard = random_one_in(random, 3) ? (int)random_below(random, s->reactor_count) : -1;
    s->allocation_ns = ONE_OF(random, 0, 100, 10000, 100000);
    s->stall_us = ONE_OF(random, 0, 2000, 20000);
    draw_pullers(s, *random);
}

void scenario_shorten(struct scenario *s)
{
    s->faults = (struct kernel_faults){0};
    s->allocation_fails = UINT32_MAX; /* may fail, but only when it is told to */
    s->publisher_count = s->ws_publisher_count = s->thread_count = 1;
    s->subscriber_count = 3;
    s->nuisance_count = 1;
    s->silent_count = 0;
    s->puller_count = 1;
    s->publishes_each = 6;
    s->is_full = s->finishes_topics = s->drains_early = s->has_bystander = false;
    s->settings.conn_count_max = PEERS_AND_SOME;
    s->laggard = -1;
}

/* The last one is quiet: few publish to it. */
const char *scenario_draw_topic(const struct scenario *s, struct random *random)
{
    const bool quiet = random_one_in(random, 40);
    return s->topics[quiet ? s->topic_count - 1 : random_below(random, s->topic_count - 1)];
}

void scenario_draw_filters(const struct scenario *s, struct random *random, struct filters *out)
{
    if (s->is_crowd && !random_one_in(random, 4)) {
        *out = s->crowd;
        return;
    }
    out->count = random_one_in(random, 2) ? 1 : random_between(random, 1, 4);
    for (unsigned i = 0; i < out->count; i++) {
        const char *name = random_one_in(random, 3)
                               ? patterns[random_below(random, PATTERN_COUNT)]
                               : s->topics[random_below(random, s->topic_count)];
        strcpy(out->names[i], name);
    }
}

void scenario_print(const struct scenario *s)
{
    const struct broker_settings *b = &s->settings;
    printf("  %u reactors of %u slots, %u publishers, %u ws publishers, %u threads, %u pullers, %u "
           "publishes "
           "each of up to %u bytes, %u subscribers\n",
           s->reactor_count, s->slot_count, s->publisher_count, s->ws_publisher_count,
           s->thread_count, s->puller_count, s->publishes_each, s->payload_max,
           s->subscriber_count);
    printf("  history %u, %lu bytes, %u ms; slow policy %d; rings %u (%lu bytes), inbox %u; "
           "connections %u; bodies %lu bytes\n",
           b->history_count, (unsigned long)b->history_bytes, b->history_ms, (int)b->slow,
           s->log.ring_capacity, (unsigned long)s->log.ring_bytes, s->log.inbox_capacity,
           b->conn_count_max, (unsigned long)b->body_bytes_max);
}
