/* Four threads want the images of the same message at the same moment, pin it, retire its images
 * and give it up, each at its own pace: all get one image of a kind, complete for as long as they
 * have not retired it, and one of them the claim; whatever the losers built is freed, and nothing
 * stays counted (LeakSanitizer looks too, in a build that has it). */
#include "base/alloc.h"
#include "log/message.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

enum { THREADS = 4, MESSAGES = 10000, IMAGE_LEN = 256 };

struct stage {
    pthread_barrier_t barrier;
    struct message *message;
    const struct image *got[THREADS];
    _Atomic uint64_t image_bytes, pinned_bytes;
    _Atomic unsigned built, claimed, wrong;
};

struct actor {
    struct stage *stage;
    unsigned number;
    uint32_t random;
    pthread_t thread;
};

static uint32_t random_below(struct actor *a, uint32_t bound)
{
    a->random = a->random * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)a->random >> 8) * bound >> 24);
}

static void maybe_pause(struct actor *a)
{
    if (random_below(a, 8) == 0)
        sched_yield();
}

static struct image *build(const struct message *m, void *user)
{
    struct actor *a = user;
    struct image *i = image_new(IMAGE_LEN);
    if (!i)
        return NULL;
    memset(i->bytes, message_payload(m).at[0], IMAGE_LEN);
    atomic_fetch_add_explicit(&a->stage->built, 1, memory_order_relaxed);
    maybe_pause(a);
    return i;
}

static bool is_complete(const struct image *i, uint8_t mark)
{
    if (!i || i->len != IMAGE_LEN)
        return false;
    for (size_t at = 0; at < IMAGE_LEN; at++)
        if (i->bytes[at] != mark)
            return false;
    return true;
}

static void note(struct stage *s, bool good)
{
    if (!good)
        atomic_fetch_add_explicit(&s->wrong, 1, memory_order_relaxed);
}

/* The first actor makes it, with a reference and a right to its images for each. */
static void begin(struct actor *a, uint8_t mark)
{
    struct stage *s = a->stage;
    if (a->number != 0)
        return;
    s->message = message_new(&(struct message_options){
        .topic = BYTES_LITERAL("t"), .payload = {&mark, 1}, .kind = MESSAGE_BINARY});
    if (!s->message)
        _exit(1);
    message_ref(s->message, THREADS - 1);
    atomic_store_explicit(&s->message->image_holders, THREADS, memory_order_relaxed);
}

/* All look at once, and compare before anybody lets go. */
static void want_the_same(struct actor *a, struct message *m, uint8_t mark)
{
    struct stage *s = a->stage;
    if (message_claim_image(m, IMAGE_WS_DEFLATE))
        atomic_fetch_add_explicit(&s->claimed, 1, memory_order_relaxed);
    s->got[a->number] = message_image(m, IMAGE_SSE, build, a, &s->image_bytes);
    note(s, is_complete(s->got[a->number], mark));
    pthread_barrier_wait(&s->barrier);
    if (a->number == 0)
        for (size_t i = 1; i < THREADS; i++)
            note(s, s->got[i] == s->got[0]);
    if (a->number == 0)
        note(s, atomic_load(&s->image_bytes) == image_size(s->got[0]));
    if (a->number == 0)
        note(s, atomic_exchange(&s->claimed, 0) == 1);
    pthread_barrier_wait(&s->barrier);
}

/* As a reactor does: some images, a cut frame now and then, retired, trimmed; no two in step. What
 * is left of images by one who never retires is freed with the last reference. */
static void live_and_let_go(struct actor *a, struct message *m, uint8_t mark)
{
    struct stage *s = a->stage;
    struct message *pinned = random_below(a, 2) ? m : NULL;
    if (pinned)
        message_pin(pinned, &s->pinned_bytes);
    for (uint32_t count = random_below(a, 3); count > 0; count--) {
        const enum image_kind kind = (enum image_kind)random_below(a, IMAGE_KINDS);
        (void)!message_claim_image(m, kind); /* retiring does not count claims */
        note(s, is_complete(message_image(m, kind, build, a, &s->image_bytes), mark));
        maybe_pause(a);
    }
    if (random_below(a, 16) > 0)
        message_retire_images(m);
    maybe_pause(a);
    message_unref(&m);
    if (!pinned)
        return;
    note(s, atomic_load(&s->pinned_bytes) <= THREADS * message_cost(pinned)); /* no wrap */
    note(s, message_payload(pinned).at[0] == mark);
    message_unpin(&pinned, &s->pinned_bytes);
}

static void act(struct actor *a, uint8_t mark)
{
    struct stage *s = a->stage;
    begin(a, mark);
    pthread_barrier_wait(&s->barrier);
    struct message *m = s->message;
    if (mark % 2)
        want_the_same(a, m, mark);
    live_and_let_go(a, m, mark);
    pthread_barrier_wait(&s->barrier);
    note(s, atomic_load(&s->image_bytes) == 0);
    note(s, atomic_load(&s->pinned_bytes) == 0);
    pthread_barrier_wait(&s->barrier);
}

static void *perform(void *arg)
{
    for (size_t i = 0; i < MESSAGES; i++)
        act(arg, (uint8_t)i);
    return NULL;
}

int main(void)
{
    static struct stage s;
    static struct actor actors[THREADS];
    alarm(60);
    if (pthread_barrier_init(&s.barrier, NULL, THREADS) != 0)
        return 1;
    for (unsigned i = 0; i < THREADS; i++) {
        actors[i] = (struct actor){.stage = &s, .number = i, .random = i + 1};
        if (pthread_create(&actors[i].thread, NULL, perform, &actors[i]) != 0)
            return 1;
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(actors[i].thread, NULL);
    const unsigned wrong = atomic_load(&s.wrong), built = atomic_load(&s.built);
    printf("stress_images: %s, %d messages, %u images built, %u wrong\n", wrong ? "FAILED" : "ok",
           MESSAGES, built, wrong);
    return wrong ? 1 : 0;
}
