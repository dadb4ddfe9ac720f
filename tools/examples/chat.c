/* A chat whose door and whose words are watched: who may enter, which rooms there are, what may be
 * said; what looks like a link waits for a moderator, who is a thread of its own.
 * cc chat.c -o chat $(pkg-config --cflags --libs uproar) -lpthread
 * ./chat 127.0.0.1:8080, then: websocat 'ws://127.0.0.1:8080/t/room.tea?name=ada' */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uproar.h>

enum { QUESTIONS_MAX = 256, NAME_MAX_BYTES = 32 };

struct chat {
    struct uproar *server;
    /* What the moderator has yet to look at. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct uproar_ticket questions[QUESTIONS_MAX];
    unsigned count;
    bool is_over;
};

static bool contains(struct uproar_str s, const char *what)
{
    const size_t len = strlen(what);
    for (size_t i = 0; i + len <= s.len; i++)
        if (memcmp(s.at + i, what, len) == 0)
            return true;
    return false;
}

/* The value of `name=` at the start of the query, as it was sent. Empty: there is none. */
static struct uproar_str name_in(struct uproar_str query)
{
    static const char key[] = "name=";
    struct uproar_str name = {"", 0};
    if (query.len < sizeof(key) || memcmp(query.at, key, sizeof(key) - 1) != 0)
        return name;
    name.at = query.at + sizeof(key) - 1;
    while (name.at + name.len < query.at + query.len && name.at[name.len] != '&')
        name.len++;
    return name;
}

static void say(struct chat *chat, const char *name, const char *what)
{
    char line[NAME_MAX_BYTES + 32];
    const int len = snprintf(line, sizeof(line), "%s %s", name, what);
    uproar_publish(chat->server, "room.lobby", line, (size_t)len, UPROAR_TEXT);
}

/* Whoever gives a name may come in; the name stays with the peer. */
static enum uproar_verdict on_open(void *user, const struct uproar_peer_info *p,
                                   struct uproar_ticket t)
{
    struct chat *chat = user;
    const struct uproar_str name = name_in(p->query);
    (void)t;
    if (name.len == 0)
        return UPROAR_LOGIN;
    char *own = name.len <= NAME_MAX_BYTES ? strndup(name.at, name.len) : NULL;
    if (!own)
        return UPROAR_DENY;
    uproar_set_user(chat->server, p->peer, own);
    if (p->proto == UPROAR_WS)
        say(chat, own, "comes in");
    return UPROAR_ALLOW;
}

static void on_close(void *user, const struct uproar_peer_info *p, int code,
                     struct uproar_str reason)
{
    (void)code;
    (void)reason;
    if (p->proto == UPROAR_WS)
        say(user, p->user, "leaves");
    free(p->user);
}

static enum uproar_verdict on_subscribe(void *user, const struct uproar_peer_info *p,
                                        struct uproar_str pattern, struct uproar_ticket t)
{
    (void)user;
    (void)p;
    (void)t;
    return pattern.len > 5 && memcmp(pattern.at, "room.", 5) == 0 ? UPROAR_ALLOW : UPROAR_DENY;
}

/* A callback must not wait: what takes time is answered from elsewhere. */
static enum uproar_verdict on_publish(void *user, const struct uproar_peer_info *p,
                                      const struct uproar_message *m, struct uproar_ticket t)
{
    struct chat *chat = user;
    enum uproar_verdict verdict = UPROAR_LATER;
    (void)p;
    if (contains(m->body, "damn"))
        return UPROAR_DENY;
    if (!contains(m->body, "://"))
        return UPROAR_ALLOW;
    pthread_mutex_lock(&chat->lock);
    if (chat->count < QUESTIONS_MAX)
        chat->questions[chat->count++] = t;
    else
        verdict = UPROAR_DENY;
    pthread_cond_signal(&chat->changed);
    pthread_mutex_unlock(&chat->lock);
    return verdict;
}

/* A patient one: everything may be said, after a look at it. */
static void *moderate(void *arg)
{
    struct chat *chat = arg;
    pthread_mutex_lock(&chat->lock);
    while (!chat->is_over) {
        for (unsigned i = 0; i < chat->count; i++)
            uproar_answer(chat->server, chat->questions[i], UPROAR_ALLOW);
        chat->count = 0;
        pthread_cond_wait(&chat->changed, &chat->lock);
    }
    pthread_mutex_unlock(&chat->lock);
    return NULL;
}

static void end_moderation(struct chat *chat, pthread_t moderator)
{
    pthread_mutex_lock(&chat->lock);
    chat->is_over = true;
    pthread_cond_signal(&chat->changed);
    pthread_mutex_unlock(&chat->lock);
    pthread_join(moderator, NULL);
}

int main(int argc, char **argv)
{
    struct chat chat = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct uproar_listen at = {.address = argc > 1 ? argv[1] : "127.0.0.1:8080"};
    struct uproar_options o;
    char why[200];
    pthread_t moderator;
    int signal;

    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);

    uproar_options_init(&o, sizeof(o));
    o.listen = &at;
    o.listen_count = 1;
    o.drain_ms = 1000;
    o.user = &chat;
    o.on.on_open = on_open;
    o.on.on_close = on_close;
    o.on.on_subscribe = on_subscribe;
    o.on.on_publish = on_publish;
    if (uproar_start(&o, &chat.server, why, sizeof(why)) != 0) {
        fprintf(stderr, "chat: %s\n", why);
        return 1;
    }
    pthread_create(&moderator, NULL, moderate, &chat);
    printf("ws://127.0.0.1:%d/t/room.lobby?name=NAME\n", uproar_port(chat.server, 0));
    fflush(stdout);
    sigwait(&ends, &signal);
    end_moderation(&chat, moderator);
    return uproar_free(&chat.server) == 0 ? 0 : 1;
}
