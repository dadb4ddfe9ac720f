/* Whether the log may say that it is full, observed from above: the linker puts this in front of
 * log_append(). What becomes of a message that was taken is not known here. */
#include "base/assert.h"
#include "log/log.h"
#include "sim/failure.h"
#include "sim/truth.h"

int __real_log_append(struct log *l, struct message **chain);
int __wrap_log_append(struct log *l, struct message **chain);

static void note_full(struct truth *t, const struct message *chain)
{
    for (const struct message *m = chain; m; m = m->next_in_entry)
        if (m->kind != MESSAGE_END)
            t->publishes[truth_number_of(t, message_payload(m), "the log")].was_full = true;
}

/* Others may come and go meanwhile: of those who had come by its end, as many as there is room for
 * must not have been gone at its beginning. */
int __wrap_log_append(struct log *l, struct message **chain)
{
    struct truth *t = truth_present();
    const uint64_t gone = t->ordered_count + t->refused_count;
    t->append_count++;
    const int err = __real_log_append(l, chain);
    if (err == 0)
        return 0;
    const uint64_t others = t->append_count - 1 - gone;
    SIM_CHECK("refused", others >= t->inbox_capacity,
              "an append was refused with at most %lu before it", (unsigned long)others);
    t->refused_count++;
    note_full(t, *chain);
    return err;
}
