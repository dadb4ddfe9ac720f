/* Four threads want the image of the same message at the same moment, and give the message up at
 * the same moment: all get one image, complete, and whatever the losers built is freed
 * (LeakSanitizer looks, in a build that has it). */
#include "base/alloc.h"
#include "log/message.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { THREADS = 4, MESSAGES = 10000, IMAGE_LEN = 256 };

struct stage {
    pthread_barrier_t barrier;
    struct message *message;
    const struct image *got[THREADS];
    _Atomic unsigned built, wrong;
};

struct actor {
    struct stage *stage;
    unsigned number;
    pthread_t thread;
};

static struct image *build(const struct message *m, void *user)
{
    struct actor *a = user;
    struct image *i = alloc_bytes(sizeof(*i) + IMAGE_LEN);
    if (!i)
        return NULL;
    *i = (struct image){.len = IMAGE_LEN, .inner_len = a->number};
    memset(i->bytes, message_payload(m).at[0], IMAGE_LEN);
    atomic_fetch_add_explicit(&a->stage->built, 1, memory_order_relaxed);
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

/* One message: the first actor makes it, each uses and gives up its reference. */
static void act(struct actor *a, uint8_t mark)
{
    struct stage *s = a->stage;
    if (a->number == 0) {
        s->message = message_new(&(struct message_options){
            .topic = BYTES_LITERAL("t"), .payload = {&mark, 1}, .kind = MESSAGE_BINARY});
        if (!s->message)
            _exit(1);
        message_ref(s->message, THREADS - 1);
    }
    pthread_barrier_wait(&s->barrier);
    struct message *m = s->message;
    s->got[a->number] = message_image(m, IMAGE_SSE, build, a);
    note(s, is_complete(s->got[a->number], mark));
    pthread_barrier_wait(&s->barrier);
    if (a->number == 0)
        for (size_t i = 1; i < THREADS; i++)
            note(s, s->got[i] == s->got[0]);
    pthread_barrier_wait(&s->barrier);
    message_unref(&m);
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
        actors[i] = (struct actor){.stage = &s, .number = i};
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
