/* Jobs, passes, slices. It never looks into a message. */
#include "topic/fanout.h"

void fanout_init(struct fanout *f)
{
    list_init(&f->jobs);
}

bool fanout_has_work(const struct fanout *f)
{
    return !list_is_empty(&f->jobs);
}

static struct set *job_set(struct list *link)
{
    return LIST_OWNER(link, struct set, job);
}

void fanout_fini(struct fanout *f)
{
    while (fanout_has_work(f))
        set_free(job_set(f->jobs.next)); /* leaves the list by itself */
}

static void begin_pass(struct set *s, uint64_t first_seq)
{
    s->pass_seq = first_seq;
    s->settled_seq = s->topic->last_seq;
    s->wire = WIRES - 1;
    s->place = s->members[s->wire].count;
}

void fanout_extend(struct fanout *f, struct set *set, uint64_t seq)
{
    if (!list_is_empty(&set->job))
        return; /* the pass offers it to those still to come, the next pass to the others */
    begin_pass(set, seq);
    list_push_back(&f->jobs, &set->job);
}

bool fanout_exceeds(const struct fanout *f, uint32_t count)
{
    uint32_t members = 0;
    for (struct list *l = f->jobs.next; l != &f->jobs && members <= count; l = l->next)
        members += set_count(job_set(l));
    return members > count;
}

uint64_t fanout_needed_seq(const struct fanout *f)
{
    uint64_t needed = UINT64_MAX;
    for (struct list *l = f->jobs.next; l != &f->jobs; l = l->next)
        if (job_set(l)->pass_seq < needed)
            needed = job_set(l)->pass_seq;
    return needed;
}

/* Visits up to `budget` members. Returns what is left of the budget; > 0: the pass is over. */
static uint32_t walk(struct fanout *f, struct set *s, uint32_t budget)
{
    for (;;) {
        while (s->place > 0) {
            if (budget-- == 0)
                return 0;
            s->place--;
            const uint64_t offered =
                f->offer(f->user, s, s->wire, s->members[s->wire].conns[s->place]);
            if (offered < s->settled_seq)
                s->settled_seq = offered;
        }
        if (s->wire == 0)
            return budget;
        s->wire--;
        s->place = s->members[s->wire].count;
    }
}

/* One slice. When a pass ends and newer messages wait, the next slice begins a new one. */
static void run_slice(struct fanout *f, struct set *s, struct topic_table *table)
{
    if (walk(f, s, FANOUT_SLICE) == 0)
        return;
    list_remove(&s->job);
    if (s->topic->last_seq > s->settled_seq) {
        begin_pass(s, s->settled_seq + 1);
        list_push_back(&f->jobs, &s->job);
        return;
    }
    set_free_if_empty(s, table);
}

void fanout_run(struct fanout *f, struct topic_table *table)
{
    struct list *last = f->jobs.prev;
    for (struct list *l = f->jobs.next, *next; l != &f->jobs; l = next) {
        const bool is_last = l == last;
        next = l->next;
        run_slice(f, job_set(l), table);
        if (is_last)
            break;
    }
    f->settle(f->user);
}
