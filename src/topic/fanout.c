/* Jobs, passes, slices. It never looks into a message. */
#include "topic/fanout.h"

/* Looking at a job costs this part of visiting one. */
enum { LOOKS_PER_VISIT = 4 };

void fanout_init(struct fanout *f)
{
    *f = (struct fanout){.needed_seq = UINT64_MAX};
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

static void begin_pass(struct fanout *f, struct set *s, uint64_t first_seq)
{
    s->pass_seq = first_seq;
    s->settled_seq = s->last_seq;
    s->wire = WIRES - 1;
    s->place = s->members[s->wire].count;
    if (first_seq < f->needed_seq)
        f->needed_seq = first_seq;
    list_push_back(&f->jobs, &s->job);
    f->job_count++;
}

void fanout_extend(struct fanout *f, struct set *set, uint64_t seq)
{
    if (list_is_empty(&set->job))
        begin_pass(f, set, seq);
    /* Else the pass offers it to those still to come, and the next pass to the others. */
}

bool fanout_exceeds(const struct fanout *f, uint32_t count)
{
    uint32_t members = 0;
    for (struct list *l = f->jobs.next; l != &f->jobs && members <= count; l = l->next)
        members += set_count(job_set(l));
    return members > count;
}

uint64_t fanout_needed_seq(struct fanout *f)
{
    f->needed_seq = UINT64_MAX;
    for (struct list *l = f->jobs.next; l != &f->jobs; l = l->next)
        if (job_set(l)->pass_seq < f->needed_seq)
            f->needed_seq = job_set(l)->pass_seq;
    f->visited = 0;
    return f->needed_seq;
}

bool fanout_may_trim(struct fanout *f, uint64_t oldest)
{
    if (!fanout_has_work(f) || f->needed_seq >= oldest)
        return true;
    /* The answer changes only by visits, and a million jobs are not looked at for a few of them. */
    if (f->visited == 0 || f->visited < f->job_count / LOOKS_PER_VISIT)
        return false;
    return fanout_needed_seq(f) >= oldest;
}

/* One visit, and what it cost beyond that. */
static void charge(struct fanout *f, uint32_t *budget)
{
    const uint32_t cost = f->surcharge + 1;
    *budget = cost < *budget ? *budget - cost : 0;
    f->surcharge = 0;
}

/* Visits members as far as *budget goes. True: the pass is over. */
static bool walk(struct fanout *f, struct set *s, uint32_t *budget)
{
    for (;;) {
        while (s->place > 0) {
            if (*budget == 0)
                return false;
            s->place--;
            const uint64_t offered =
                f->offer(f->user, s, s->wire, s->members[s->wire].conns[s->place]);
            if (offered < s->settled_seq)
                s->settled_seq = offered;
            charge(f, budget);
        }
        if (s->wire == 0)
            return true;
        s->wire--;
        s->place = s->members[s->wire].count;
    }
}

/* One slice; returns what it cost. When a pass ends and newer messages wait, another begins, which
 * has its first slice in the next run. */
static uint32_t run_slice(struct fanout *f, struct subscriptions *subscriptions, struct set *s,
                          uint32_t most)
{
    uint32_t left = most;
    const bool over = walk(f, s, &left);
    list_remove(&s->job);
    if (!over) {
        list_push_back(&f->jobs, &s->job);
        return most;
    }
    f->job_count--;
    if (s->last_seq > s->settled_seq)
        begin_pass(f, s, s->settled_seq + 1);
    else
        subscriptions_release(subscriptions, s);
    return left < most ? most - left : 1;
}

void fanout_run(struct fanout *f, struct subscriptions *subscriptions)
{
    uint32_t budget = FANOUT_RUN_MAX;
    for (uint32_t jobs = f->job_count; jobs > 0 && budget > 0; jobs--) {
        const uint32_t most = budget < FANOUT_SLICE ? budget : FANOUT_SLICE;
        budget -= run_slice(f, subscriptions, job_set(f->jobs.next), most);
        f->visited++;
    }
    f->settle(f->user);
}
