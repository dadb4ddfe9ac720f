/* Reactor threads: started together, ended together. What a turn does is the reactor's. */
#define _GNU_SOURCE /* pthread_setname_np */
#include "server/server_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

static void report(struct worker *w, int err)
{
    struct gate *g = &w->server->gate;
    pthread_mutex_lock(&g->lock);
    w->state = err == 0 ? WORKER_READY : WORKER_FAILED;
    w->err = err;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

/* True: all workers are ready. */
static bool wait_for_order(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    while (g->order == GATE_HOLD)
        pthread_cond_wait(&g->changed, &g->lock);
    const bool run = g->order == GATE_RUN;
    pthread_mutex_unlock(&g->lock);
    return run;
}

static void wait_for_the_others(struct worker *w)
{
    struct gate *g = &w->server->gate;
    pthread_mutex_lock(&g->lock);
    g->left_count++;
    pthread_cond_broadcast(&g->changed);
    while (g->left_count < w->server->worker_count)
        pthread_cond_wait(&g->changed, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

static void tell_thread(const struct worker *w, bool starting)
{
    if (w->server->on.on_thread)
        w->server->on.on_thread(w->server->user, w->index, starting);
}

static int open_reactor(struct worker *w)
{
    struct uproar *u = w->server;
    struct reactor *r = &u->reactors[w->index];
    struct io *io;
    int err = io_new(&io, &u->io);
    if (err == 0)
        err = reactor_init(r, &u->broker, w->index, &io, u->io.slot_count);
    return err != 0 ? err : reactor_listen(r, w->listen_fds, u->listener_count);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct reactor *r = &w->server->reactors[w->index];
    const int err = open_reactor(w);
    report(w, err);
    const bool runs = wait_for_order(&w->server->gate);
    if (runs) {
        tell_thread(w, true); /* not before: it may call anything, and rename the thread */
        while (reactor_turn(r))
            continue;
        wait_for_the_others(w);
        server_shut(w->server);
    }
    reactor_fini(r);
    if (runs)
        tell_thread(w, false);
    return NULL;
}

int thread_create(pthread_t *thread, void *(*run)(void *), void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int err = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -err;
}

static int start_thread(struct worker *w)
{
    char name[16];
    const int err = thread_create(&w->thread, worker_main, w);
    if (err != 0)
        return err;
    w->thread_started = true;
    snprintf(name, sizeof(name), "uproar-%u", w->index);
    pthread_setname_np(w->thread, name);
    return 0;
}

static int start_threads(struct uproar *u)
{
    for (unsigned i = 0; i < u->worker_count; i++) {
        u->workers[i].server = u;
        u->workers[i].index = i;
        const int err = start_thread(&u->workers[i]);
        if (err != 0)
            return err;
    }
    return 0;
}

/* 0, or the first failure among them. */
static int wait_until_ready(struct uproar *u)
{
    int err = 0;
    pthread_mutex_lock(&u->gate.lock);
    for (unsigned i = 0; i < u->worker_count; i++) {
        while (u->workers[i].state == WORKER_STARTING)
            pthread_cond_wait(&u->gate.changed, &u->gate.lock);
        if (u->workers[i].state == WORKER_FAILED && err == 0)
            err = u->workers[i].err;
    }
    pthread_mutex_unlock(&u->gate.lock);
    return err;
}

static void give_order(struct gate *g, bool run)
{
    pthread_mutex_lock(&g->lock);
    g->order = run ? GATE_RUN : GATE_QUIT;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

int workers_start(struct uproar *u)
{
    int err = start_threads(u);
    if (err == 0)
        err = wait_until_ready(u);
    give_order(&u->gate, err == 0);
    if (err != 0)
        workers_join(u);
    return err;
}

void workers_wake(struct uproar *u)
{
    pthread_mutex_lock(&u->gate.lock);
    if (u->gate.left_count < u->worker_count)
        for (unsigned i = 0; i < u->worker_count; i++)
            io_wake(u->reactors[i].io);
    pthread_mutex_unlock(&u->gate.lock);
}

void workers_join(struct uproar *u)
{
    for (unsigned i = 0; i < u->worker_count; i++) {
        if (u->workers[i].thread_started)
            pthread_join(u->workers[i].thread, NULL);
        u->workers[i].thread_started = false;
    }
}

bool workers_include_caller(const struct uproar *u)
{
    for (unsigned i = 0; i < u->worker_count; i++)
        if (u->workers[i].thread_started && pthread_equal(pthread_self(), u->workers[i].thread))
            return true;
    return false;
}
