/* Publishes one message after the other; tries again where the log has no room. */
#include "sim/thread.h"

#include "base/assert.h"
#include "sim/failure.h"
#include "sim/world.h"

#include <errno.h>
#include <stdlib.h>

enum { RETRY_NS = 1000000, PAUSE_MAX_NS = 3000000, STEP_NS = 2000000 };

static struct message *make_message(struct world *w, uint32_t number)
{
    const struct publish *p = &w->truth.publishes[number];
    uint8_t *payload = malloc(p->len);
    ASSERT(payload);
    truth_payload(p, payload);
    const struct message_options o = {.topic = bytes_from(p->topic),
                                      .payload = {payload, p->len},
                                      .kind = p->is_binary ? MESSAGE_BINARY : MESSAGE_TEXT,
                                      .origin = {.reactor = ORIGIN_NONE}};
    struct message *m = message_new(&o);
    free(payload);
    return m;
}

static void pause_for(struct thread *t, uint64_t ns)
{
    t->next_ns = t->world->kernel.now_ns + ns;
    fiber_yield();
}

static void publish(struct thread *t)
{
    struct world *w = t->world;
    const char *topic = scenario_draw_topic(&w->scenario, &w->random);
    const uint32_t len = random_between(&w->random, TRUTH_PAYLOAD_MIN, w->scenario.payload_max);
    const uint32_t number = truth_new_publish(&w->truth, topic, len, random_one_in(&w->random, 4));
    struct message *m = make_message(w, number);
    if (!m) {
        truth_refused(&w->truth, number);
        return;
    }
    while (log_append(w->broker->log, &m) != 0) {
        if (w->draining) {
            message_unref(&m); /* nobody makes room any more */
            truth_refused(&w->truth, number);
            return;
        }
        pause_for(t, RETRY_NS);
    }
    truth_taken(&w->truth, number);
}

/* In step they meet at the log each time, else by chance. */
static uint64_t draw_pause_ns(const struct world *w, struct random *random)
{
    return w->scenario.threads_in_step ? STEP_NS - w->kernel.now_ns % STEP_NS
                                       : random_below(random, PAUSE_MAX_NS);
}

static void run(void *user)
{
    struct thread *t = user;
    for (unsigned i = 0; i < t->world->scenario.publishes_each && !t->world->draining; i++) {
        publish(t);
        pause_for(t, draw_pause_ns(t->world, &t->world->random));
    }
    t->next_ns = UINT64_MAX;
}

void thread_init(struct thread *t, struct world *w)
{
    *t = (struct thread){.world = w, .fiber = fiber_new(run, t)};
}

void thread_fini(struct thread *t)
{
    fiber_free(&t->fiber);
}
