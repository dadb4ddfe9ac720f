/* The listener's end: who connected waits in the backlog for a slot, which there may be none of. */
#include "sim/kernel_io_internal.h"

/* Lowest first, as descriptors are, or any: a slot that is used again soon, and one that is not. */
static int free_slot(struct sim_io *f)
{
    const bool lowest = random_one_in(f->kernel->random, 2);
    const uint32_t first = lowest ? 0 : random_below(f->kernel->random, f->slot_count);
    for (uint32_t i = 0; i < f->slot_count; i++)
        if (!f->slots[(first + i) % f->slot_count])
            return (int)((first + i) % f->slot_count);
    return -EMFILE;
}

static struct socket *next_in_backlog(const struct sim_io *f)
{
    const struct list *head = &f->kernel->sockets;
    for (struct list *l = head->next; l != head; l = l->next) {
        struct socket *s = LIST_OWNER(l, struct socket, link);
        if (s->reactor == f->reactor && s->stage == SOCKET_BACKLOG)
            return s;
    }
    return NULL;
}

static void fail_accept(struct sim_io *f, int error)
{
    if (f->accept_retry_ns == 0)
        sim_add_event(f, IO_ACCEPT_FAILED, 0)->result = error;
    f->accept_retry_ns = f->kernel->now_ns + IO_ACCEPT_RETRY_MS * UINT64_C(1000000);
}

static void accept_one(struct sim_io *f, struct socket *s)
{
    static const int errors[] = {EMFILE, ENFILE, ENOMEM};
    const int slot = free_slot(f);
    if (slot < 0 || kernel_faults(f->kernel, f->kernel->faults.accept)) {
        fail_accept(f, slot < 0 ? slot : -errors[random_below(f->kernel->random, 3)]);
        return;
    }
    f->slots[slot] = s;
    s->stage = SOCKET_ACCEPTED;
    s->slot = (uint32_t)slot;
    struct io_event *e = sim_add_event(f, IO_ACCEPTED, s->slot);
    e->peer.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = (uint16_t)s->number};
}

static bool may_accept(struct sim_io *f)
{
    if (!f->listening || f->paused)
        return false;
    if (f->accept_retry_ns > f->kernel->now_ns)
        return false;
    f->accept_retry_ns = 0;
    return true;
}

void sim_accept(struct sim_io *f)
{
    struct socket *s;
    while (may_accept(f) && (s = next_in_backlog(f)) != NULL) {
        if (!sim_has_come(f->kernel, true, &f->backlog_due_ns))
            return;
        accept_one(f, s);
        f->backlog_due_ns = 0;
    }
}

uint64_t sim_accept_next_ns(const struct sim_io *f)
{
    const bool can = f->listening && !f->paused && next_in_backlog(f);
    const uint64_t ns = sim_when(f->kernel, can, f->backlog_due_ns);
    return can && f->accept_retry_ns > ns ? f->accept_retry_ns : ns;
}
