/* What there is to resume: 50 topics whose numbers of messages lie far apart, and thousands with
 * one message each, in one shuffled order. Does not know who will ask for it. */
#include "resume.h"

#include "base/alloc.h"
#include "client_publisher.h"
#include "lib/head.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { POSTS_IN_FLIGHT = 256 };

/* Each feed has this part of what the one before it has: from one seventh of all to five. */
static const double feed_ratio = 0.85;
static const char filler[] = "-of-what-was-published-before-anybody-asked-for-it------";
static_assert(sizeof(filler) - 1 == PAYLOAD_LEN - NUMBER_LEN, "number and filler are a payload");

uint64_t chance(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* --- the plan --------------------------------------------------------------------------------- */

/* Busy and quiet feeds are spread over the groups; so any pattern has some of both. */
static void name_topics(struct past *p)
{
    for (int i = 0; i < FEEDS; i++)
        snprintf(p->names[i], TOPIC_NAME_LEN, "feed.%d.%d", i % FEED_GROUPS, i / FEED_GROUPS);
    for (int i = 0; i < RARES; i++)
        snprintf(p->names[FEEDS + i], TOPIC_NAME_LEN, "rare.%d.%d", i % RARE_GROUPS,
                 i / RARE_GROUPS);
}

/* Of the messages that are the feeds'. */
static void weigh(double weights[static FEEDS])
{
    double weight = 1, all = 0;
    for (int i = 0; i < FEEDS; i++) {
        weights[i] = weight;
        all += weight;
        weight *= feed_ratio;
    }
    for (int i = 0; i < FEEDS; i++)
        weights[i] /= all;
}

/* How many messages each topic has, as topic_of[] sorted by topic. */
static void share_out(struct past *p)
{
    double weights[FEEDS];
    uint32_t at = 0;
    weigh(weights);
    for (int i = 1; i < FEEDS; i++) {
        const uint32_t end = at + (uint32_t)(weights[i] * (p->count - RARES));
        while (at < end)
            p->topic_of[at++] = (uint16_t)i;
    }
    for (int i = 0; i < RARES; i++)
        p->topic_of[at++] = (uint16_t)(FEEDS + i);
    while (at < p->count)
        p->topic_of[at++] = 0; /* the busiest */
}

static void shuffle(struct past *p, uint64_t *seed)
{
    for (uint32_t left = p->count; left > 1; left--) {
        const uint32_t other = (uint32_t)(chance(seed) % left);
        const uint16_t topic = p->topic_of[left - 1];
        p->topic_of[left - 1] = p->topic_of[other];
        p->topic_of[other] = topic;
    }
}

/* By topic: a counting sort keeps the numbers ascending. */
static void index_numbers(struct past *p)
{
    static uint32_t at[TOPICS];
    for (uint32_t n = 0; n < p->count; n++)
        p->first[p->topic_of[n] + 1]++;
    for (unsigned t = 0; t < TOPICS; t++)
        p->first[t + 1] += p->first[t];
    memcpy(at, p->first, sizeof(at));
    for (uint32_t n = 0; n < p->count; n++)
        p->numbers[at[p->topic_of[n]]++] = n;
}

int past_init(struct past *p, uint32_t count, uint64_t *seed)
{
    *p = (struct past){.count = count};
    p->topic_of = alloc_bytes(count * sizeof(*p->topic_of));
    p->numbers = alloc_bytes(count * sizeof(*p->numbers));
    if (!p->topic_of || !p->numbers)
        return -ENOMEM;
    name_topics(p);
    share_out(p);
    shuffle(p, seed);
    index_numbers(p);
    return 0;
}

void past_fini(struct past *p)
{
    alloc_free(p->topic_of);
    alloc_free(p->numbers);
}

/* --- what is of whom -------------------------------------------------------------------------- */

static uint32_t count_from(const struct past *p, unsigned topic, uint32_t from)
{
    uint32_t low = p->first[topic], high = p->first[topic + 1];
    const uint32_t end = high;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (p->numbers[middle] < from)
            low = middle + 1;
        else
            high = middle;
    }
    return end - low;
}

uint32_t past_count(const struct past *p, const struct topics *t, uint32_t from)
{
    uint32_t count = 0;
    for (unsigned topic = 0; topic < TOPICS; topic++)
        if (topics_have(t, topic))
            count += count_from(p, topic, from);
    return count;
}

/* '*' is one level, a last '#' any number of them. */
static bool matches(const char *pattern, const char *name)
{
    for (;;) {
        const size_t p_len = strcspn(pattern, "."), n_len = strcspn(name, ".");
        if (strcmp(pattern, "#") == 0)
            return true;
        const bool any = p_len == 1 && *pattern == '*';
        if (!any && (p_len != n_len || memcmp(pattern, name, p_len) != 0))
            return false;
        pattern += p_len;
        name += n_len;
        if (*name == '\0')
            return *pattern == '\0' || strcmp(pattern, ".#") == 0;
        if (*pattern == '\0')
            return false;
        pattern++;
        name++;
    }
}

void past_match(const struct past *p, const char *pattern, struct topics *out)
{
    for (unsigned topic = 0; topic < TOPICS; topic++)
        if (matches(pattern, p->names[topic]))
            topics_add(out, topic);
}

void past_payload(uint32_t number, char out[static PAYLOAD_LEN + 1])
{
    for (int i = NUMBER_LEN - 1; i >= 0; i--, number /= 10)
        out[i] = (char)('0' + number % 10);
    memcpy(out + NUMBER_LEN, filler, sizeof(filler));
}

bool past_is_payload(struct bytes payload, uint32_t number)
{
    if (payload.len != PAYLOAD_LEN ||
        memcmp(payload.at + NUMBER_LEN, filler, sizeof(filler) - 1) != 0)
        return false;
    for (int i = NUMBER_LEN - 1; i >= 0; i--, number /= 10)
        if (payload.at[i] != '0' + number % 10)
            return false;
    return true;
}

void past_cursor(const struct past *p, uint32_t number, char out[static CURSOR_TEXT_LEN])
{
    snprintf(out, CURSOR_TEXT_LEN, "%s-%llu", p->epoch, (unsigned long long)p->base_seq + number);
}

/* --- publishing ------------------------------------------------------------------------------- */

/* Where the log ends, by HEAD. */
static int read_head(struct past *p, uint16_t port, uint64_t *seq)
{
    struct text answer = {0};
    int err = server_ask(port, "HEAD /t/feed.0.0", &answer);
    const struct bytes cursor = head_field(text_bytes(&answer), BYTES_LITERAL("Uproar-Cursor"));
    char text[CURSOR_TEXT_LEN] = "";
    if (err == 0 && (cursor.len == 0 || cursor.len >= sizeof(text)))
        err = -EPROTO;
    if (err == 0)
        memcpy(text, cursor.at, cursor.len);
    text_fini(&answer);
    const size_t epoch_len = strcspn(text, "-");
    if (err != 0 || text[epoch_len] != '-' || epoch_len >= sizeof(p->epoch))
        return err != 0 ? err : -EPROTO;
    memcpy(p->epoch, text, epoch_len);
    p->epoch[epoch_len] = '\0';
    *seq = strtoull(text + epoch_len + 1, NULL, 10);
    return 0;
}

static void on_answered(void *user, struct publisher *p)
{
    (void)user;
    (void)p;
}

/* One pipeline: the order of publishing is the order of the log. */
static int post_all(struct past *p, struct client_options *o, struct publisher *to)
{
    char path[TOPIC_NAME_LEN + 3], payload[PAYLOAD_LEN + 1];
    uint32_t posted = 0;
    int err = 0;
    o->path = path;
    while (err == 0 && !to->failed && to->answered < p->count) {
        for (; posted < p->count && posted < to->answered + POSTS_IN_FLIGHT; posted++) {
            snprintf(path, sizeof(path), "/t/%s", p->names[p->topic_of[posted]]);
            past_payload(posted, payload);
            publisher_post(to, (struct bytes){(const uint8_t *)payload, PAYLOAD_LEN});
        }
        publisher_flush(to);
        if (!to->failed)
            err = loop_turn(to->loop, UINT64_MAX);
    }
    return err == 0 && to->failed ? -EIO : err;
}

int past_publish(struct past *p, const struct client_options *o, struct loop *l)
{
    struct client_options own = *o;
    struct publisher to = {.options = &own, .loop = l, .on_answered = on_answered, .fd = -1};
    uint64_t end_seq = 0;
    own.sse = true; /* text */
    int err = read_head(p, o->port, &p->base_seq);
    if (err == 0)
        err = publisher_open(&to);
    if (err == 0)
        err = post_all(p, &own, &to);
    publisher_close(&to);
    if (err == 0)
        err = read_head(p, o->port, &end_seq);
    if (err == 0 && end_seq != p->base_seq + p->count) {
        fputs("resume: somebody else publishes here\n", stderr);
        return -EPROTO;
    }
    return err;
}
