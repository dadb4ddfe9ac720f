/* See host.h. One lock around the notes: callbacks of different peers come in parallel. */
#include "host.h"

#include <stdarg.h>
#include <stdio.h>

/* --- notes ------------------------------------------------------------------------------------ */

static const char *proto_name(enum uproar_proto proto)
{
    static const char *const names[] = {"none", "http", "poll", "sse", "ws", "stomp"};
    return names[proto];
}

__attribute__((format(printf, 3, 4))) static void
note(struct host *h, const struct uproar_peer_info *info, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&h->lock);
    CHECK(h->event_count < HOST_EVENTS);
    struct host_event *e = &h->events[h->event_count++];
    e->peer = info->peer.id;
    vsnprintf(e->text, sizeof(e->text), format, args);
    pthread_mutex_unlock(&h->lock);
    va_end(args);
    CHECK(info->peer.id != 0);
    if (h->look)
        h->look(info, h->look_user);
}

static bool query_says(const struct uproar_peer_info *info, const char *stage, const char *value)
{
    char wanted[40], query[400];
    snprintf(wanted, sizeof(wanted), "%s=%s", stage, value);
    snprintf(query, sizeof(query), "%.*s", info->query.at ? (int)info->query.len : 0,
             info->query.at ? info->query.at : "");
    return strstr(query, wanted) != NULL;
}

static void put_off(struct host *h, struct uproar_ticket t)
{
    pthread_mutex_lock(&h->lock);
    CHECK(h->ticket_count < HOST_TICKETS);
    CHECK(t.id != 0);
    h->tickets[h->ticket_count] = t;
    h->ticket_count++;
    pthread_mutex_unlock(&h->lock);
}

static enum uproar_verdict verdict(struct host *h, const struct uproar_peer_info *info,
                                   const char *stage, struct uproar_ticket t)
{
    if (query_says(info, stage, "deny"))
        return UPROAR_DENY;
    if (query_says(info, stage, "login"))
        return UPROAR_LOGIN;
    if (query_says(info, stage, "odd"))
        return (enum uproar_verdict)77;
    if (query_says(info, stage, "now"))
        CHECK_EQ(uproar_answer(h->u, t, UPROAR_ALLOW), 0);
    else if (query_says(info, stage, "later"))
        put_off(h, t);
    else
        return UPROAR_ALLOW;
    return UPROAR_LATER;
}

/* --- callbacks -------------------------------------------------------------------------------- */

static enum uproar_verdict on_open(void *user, const struct uproar_peer_info *info,
                                   struct uproar_ticket t)
{
    struct host *h = user;
    h->opened++;
    note(h, info, "open %s", proto_name(info->proto));
    return verdict(h, info, "open", t);
}

static enum uproar_verdict on_subscribe(void *user, const struct uproar_peer_info *info,
                                        struct uproar_str pattern, struct uproar_ticket t)
{
    note(user, info, "subscribe %.*s", (int)pattern.len, pattern.at);
    return verdict(user, info, "subscribe", t);
}

static enum uproar_verdict on_publish(void *user, const struct uproar_peer_info *info,
                                      const struct uproar_message *m, struct uproar_ticket t)
{
    CHECK_EQ(m->from.id, info->peer.id);
    note(user, info, "publish %.*s %.*s", (int)m->topic.len, m->topic.at, (int)m->body.len,
         m->body.at);
    return verdict(user, info, "publish", t);
}

static void on_close(void *user, const struct uproar_peer_info *info, int code,
                     struct uproar_str reason)
{
    struct host *h = user;
    (void)reason;
    note(h, info, "close %d", code);
    h->closed++;
}

/* --- life ------------------------------------------------------------------------------------- */

struct uproar_options host_options(struct host *h)
{
    struct uproar_options o = usual_options();
    o.on = (struct uproar_callbacks){.on_open = on_open,
                                     .on_subscribe = on_subscribe,
                                     .on_publish = on_publish,
                                     .on_close = on_close};
    o.user = h;
    return o;
}

void host_start_with(struct host *h, const struct uproar_options *o)
{
    pthread_mutex_init(&h->lock, NULL);
    h->u = start(o);
}

void host_start(struct host *h)
{
    const struct uproar_options o = host_options(h);
    host_start_with(h, &o);
}

void host_free(struct host *h)
{
    stop_and_free(&h->u);
}

/* --- what was noted --------------------------------------------------------------------------- */

static bool is_first_of_its_peer(const struct host *h, unsigned at)
{
    for (unsigned i = 0; i < at; i++)
        if (h->events[i].peer == h->events[at].peer)
            return false;
    return true;
}

/* 0: there is none yet. */
static uint64_t find_peer(struct host *h, unsigned index)
{
    uint64_t found = 0;
    unsigned count = 0;
    pthread_mutex_lock(&h->lock);
    for (unsigned i = 0; i < h->event_count && !found; i++)
        if (is_first_of_its_peer(h, i) && count++ == index)
            found = h->events[i].peer;
    pthread_mutex_unlock(&h->lock);
    return found;
}

unsigned host_peer_count(struct host *h)
{
    unsigned count = 0;
    while (find_peer(h, count) != 0)
        count++;
    return count;
}

struct uproar_peer host_peer(struct host *h, unsigned index)
{
    struct uproar_peer p = {0};
    WAIT_FOR((p.id = find_peer(h, index)) != 0);
    return p;
}

static void tell_story(struct host *h, uint64_t peer, char *story)
{
    size_t len = 0;
    story[0] = '\0';
    pthread_mutex_lock(&h->lock);
    for (unsigned i = 0; i < h->event_count; i++)
        if (h->events[i].peer == peer && len < HOST_STORY)
            len += (size_t)snprintf(story + len, HOST_STORY - len, "%s%s", len > 0 ? "; " : "",
                                    h->events[i].text);
    pthread_mutex_unlock(&h->lock);
}

void host_expect_story(struct host *h, unsigned index, const char *story)
{
    char is[HOST_STORY];
    const uint64_t peer = host_peer(h, index).id;
    const int64_t until = now_ms() + PATIENCE_S * 1000;
    do {
        tell_story(h, peer, is);
        if (strncmp(is, story, strlen(is)) != 0 || now_ms() > until)
            fail(__FILE__, __LINE__, "peer %u was told of '%s', not '%s'", index, is, story);
    } while (strcmp(is, story) != 0);
}

struct uproar_ticket host_ticket(const struct host *h, unsigned index)
{
    WAIT_FOR(h->ticket_count > index);
    return h->tickets[index];
}
