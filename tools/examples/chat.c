/* A chat: who may come in, what may be said, and a moderator (the main thread) who looks at links.
 * cc chat.c -o chat $(pkg-config --cflags --libs uproar) && ./chat 127.0.0.1:8080, then
 * curl -NH 'Accept: text/event-stream' 'http://127.0.0.1:8080/t/room.%23?name=eve', and beside it
 * curl -d 'see https://example.org' 'http://127.0.0.1:8080/t/room.tea?name=ada' */
#define _GNU_SOURCE /* memmem(), pipe2() */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <uproar.h>

struct chat {
    struct uproar *server;
    int questions[2]; /* a pipe of tickets: what the moderator has yet to look at */
};

static bool contains(struct uproar_str text, const char *word)
{
    return memmem(text.at, text.len, word, strlen(word)) != NULL;
}

/* Only who stays: any other request, say a POST, is a peer of its own, for a moment. */
static void announce(struct chat *chat, enum uproar_proto by, const char *name, const char *what)
{
    char line[64];
    const int len = snprintf(line, sizeof(line), "%s %s", name, what);
    if (by == UPROAR_WS || by == UPROAR_SSE)
        uproar_publish(chat->server, "room.lobby", line, (size_t)len, UPROAR_TEXT);
}

/* `?name=ada` opens the door, and stays with the peer until on_close(). */
static enum uproar_verdict on_open(void *user, const struct uproar_peer_info *p,
                                   struct uproar_ticket t)
{
    struct chat *chat = user;
    char given[33];
    const int len = uproar_query_value(p->query, "name", given, sizeof(given));
    (void)t;
    if (len == -ENOENT || len == 0)
        return UPROAR_LOGIN;
    char *name = len > 0 ? strdup(given) : NULL;
    if (!name)
        return UPROAR_DENY;
    uproar_set_user(chat->server, p->peer, name);
    announce(chat, p->proto, name, "comes in");
    uproar_send(chat->server, p->peer, "be kind", 7, UPROAR_TEXT); /* to this one alone */
    return UPROAR_ALLOW;
}

static void on_close(void *user, const struct uproar_peer_info *p, int code, struct uproar_str why)
{
    (void)code, (void)why;
    announce(user, p->proto, p->user, "leaves");
    free(p->user);
}

static enum uproar_verdict on_subscribe(void *user, const struct uproar_peer_info *p,
                                        struct uproar_str pattern, struct uproar_ticket t)
{
    (void)user, (void)p, (void)t;
    return pattern.len > 5 && memcmp(pattern.at, "room.", 5) == 0 ? UPROAR_ALLOW : UPROAR_DENY;
}

/* A callback must not wait: what takes time is answered by the moderator. */
static enum uproar_verdict on_publish(void *user, const struct uproar_peer_info *p,
                                      const struct uproar_message *m, struct uproar_ticket t)
{
    const struct chat *chat = user;
    if (strcmp(p->user, "guest") == 0)
        return UPROAR_LOGIN; /* may listen, but not speak */
    if (contains(m->body, "damn"))
        return UPROAR_DENY;
    if (!contains(m->body, "://"))
        return UPROAR_ALLOW;
    return write(chat->questions[1], &t, sizeof(t)) > 0 ? UPROAR_LATER : UPROAR_DENY;
}

static void moderate(const struct chat *chat)
{
    struct uproar_ticket t;
    if (read(chat->questions[0], &t, sizeof(t)) <= 0)
        return;
    usleep(100000); /* a look at it */
    uproar_answer(chat->server, t, UPROAR_ALLOW);
}

int main(int argc, char **argv)
{
    const struct uproar_listen at = {.address = argc > 1 ? argv[1] : "127.0.0.1:8080"};
    struct uproar_options o;
    struct chat chat;
    char why[200] = "no pipe";
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
    o.on = (struct uproar_callbacks){.on_open = on_open,
                                     .on_close = on_close,
                                     .on_subscribe = on_subscribe,
                                     .on_publish = on_publish};
    if (pipe2(chat.questions, O_CLOEXEC | O_NONBLOCK) != 0 ||
        uproar_start(&o, &chat.server, why, sizeof(why)) != 0)
        return fprintf(stderr, "chat: %s\n", why), 1;
    printf("ws://127.0.0.1:%d/t/room.tea?name=NAME\n", uproar_port(chat.server, 0));
    fflush(stdout);
    struct pollfd wait[] = {{.fd = signalfd(-1, &ends, SFD_CLOEXEC), .events = POLLIN},
                            {.fd = chat.questions[0], .events = POLLIN}};
    while (poll(wait, 2, -1) < 0 || wait[0].revents == 0)
        moderate(&chat);
    return uproar_free(&chat.server) == 0 ? 0 : 1;
}
