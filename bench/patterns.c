/* What a publish costs with 100,000 patterns present, against 100: ten of them match, either way.
 * CPU time of subscriptions_append() alone, with the trimming of a full history, on one thread; no
 * sending. Status 0: within the gate. */
#include "base/alloc.h"
#include "lib/procstat.h"
#include "topic/subscriptions.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    GROUPS = 10,
    TOPICS_PER_GROUP = 30,
    TOPICS = GROUPS * TOPICS_PER_GROUP,
    MATCHES = 10,
    FEW = GROUPS * MATCHES,
    MANY = 100000,
    HISTORY = 65536,
    APPENDS = 40000,
    PAIRS = 21,
    NAME_MAX_LEN = 64,
};
static const double gate = 1.5;

struct side {
    struct subscriptions subscriptions;
    uint64_t found;
    double append_ns[PAIRS];
};

static _Noreturn void give_up(const char *why)
{
    fprintf(stderr, "patterns: %s\n", why);
    exit(2);
}

/* --- what is subscribed to -------------------------------------------------------------------- */

/* Ten for each group of topics site.G.deviceN.temp. */
static const char *const matching[MATCHES] = {
    "site.%d.*.temp", "*.%d.*.temp", "site.%d.#",        "*.%d.#",        "site.%d.*.*",
    "*.%d.*.*",       "site.%d.*.#", "site.%d.*.temp.#", "*.%d.*.temp.#", "*.%d.*.#"};

/* None matches a topic; most begin like one, and differ at any level. %d counts them. */
static const char *const others[] = {
    "site.1%d.*.temp",  "*.1%d.*.temp",         "site.1%d.#",
    "*.1%d.#",          "site.*.device1%d.#",   "*.*.device1%d.temp",
    "site.*.*.kind%d",  "*.*.*.kind%d",         "site.3.device7.kind%d.#",
    "org%d.#",          "org%d.*.*.temp",       "site.5.other%d.*",
    "*.*.*.*.deeper%d", "site.*.*.temp.day%d.#"};
enum { OTHERS = sizeof(others) / sizeof(others[0]) };

static void subscribe(struct subscriptions *s, const char *format, int number)
{
    char name[NAME_MAX_LEN];
    uint32_t place;
    struct bytes names[1] = {
        {(const uint8_t *)name, (size_t)snprintf(name, sizeof(name), format, number)}};
    struct set *set = subscriptions_get(s, names, 1);
    if (!set || set_join(set, WIRE_WS, 0, &place) != 0)
        give_up("no memory for its sets");
}

static void side_init(struct side *side, int patterns)
{
    static const struct siphash_key key = {1, 2};
    if (subscriptions_init(&side->subscriptions, HISTORY, &key) != 0)
        give_up("no memory for a history");
    for (int i = 0; i < FEW; i++)
        subscribe(&side->subscriptions, matching[i % MATCHES], i / MATCHES);
    for (int i = FEW; i < patterns; i++)
        subscribe(&side->subscriptions, others[i % OTHERS], i);
    if (side->subscriptions.sets.table.count != (size_t)patterns)
        give_up("two patterns are the same");
}

/* --- publishing ------------------------------------------------------------------------------- */

static struct message *next_message(int topic)
{
    char name[NAME_MAX_LEN];
    const int len =
        snprintf(name, sizeof(name), "site.%d.device%d.temp", topic % GROUPS, topic / GROUPS);
    const struct message_options o = {.topic = {(const uint8_t *)name, (size_t)len},
                                      .payload = BYTES_LITERAL("{\"celsius\":21.5}"),
                                      .kind = MESSAGE_TEXT,
                                      .origin = {.reactor = ORIGIN_NONE}};
    struct message *m = message_new(&o);
    if (!m)
        give_up("no memory for its messages");
    return m;
}

static void count_found(void *user, struct set *set, uint64_t seq)
{
    (void)set;
    (void)seq;
    (*(uint64_t *)user)++;
}

/* Messages are made before the clock runs. Returns CPU nanoseconds for each. */
static double publish(struct side *side, struct message **messages, int count)
{
    uint64_t seq = side->subscriptions.history.next_seq;
    for (int i = 0; i < count; i++, seq++) {
        messages[i] = next_message((int)(seq % TOPICS));
        messages[i]->seq = seq;
        messages[i]->oldest = seq > HISTORY - 1 ? seq - (HISTORY - 1) : 1;
    }
    side->found = 0;
    const uint64_t begin = procstat_cpu_ns(getpid());
    for (int i = 0; i < count; i++)
        (void)subscriptions_append(&side->subscriptions, messages[i], count_found, &side->found);
    const uint64_t end = procstat_cpu_ns(getpid());
    if (side->found != (uint64_t)count * MATCHES)
        give_up("a message did not find its ten patterns");
    return (double)(end - begin) / count;
}

/* --- the figure ------------------------------------------------------------------------------- */

static int compare(const void *a_at, const void *b_at)
{
    const double *a = a_at, *b = b_at;
    return (*a > *b) - (*a < *b);
}

/* The value below which that part of the pairs lies. */
static double quantile(const double *values, double part)
{
    double sorted[PAIRS];
    memcpy(sorted, values, sizeof(sorted));
    qsort(sorted, PAIRS, sizeof(sorted[0]), compare);
    return sorted[(int)(part * (PAIRS - 1) + 0.5)];
}

static int report(const struct side *few, const struct side *many)
{
    double ratios[PAIRS];
    for (int i = 0; i < PAIRS; i++)
        ratios[i] = many->append_ns[i] / few->append_ns[i];
    const double ratio = quantile(ratios, 0.5);
    printf("patterns: append with 10 matches: %.0f ns of CPU with %d patterns present, %.0f ns "
           "with %d: ratio %.2f (quartiles %.2f-%.2f, %d pairs), gate %.1f: %s\n",
           quantile(few->append_ns, 0.5), FEW, quantile(many->append_ns, 0.5), MANY, ratio,
           quantile(ratios, 0.25), quantile(ratios, 0.75), PAIRS, gate,
           ratio <= gate ? "pass" : "FAIL");
    return ratio <= gate ? 0 : 1;
}

int main(void)
{
    static struct side few, many;
    struct message **messages = alloc_bytes(HISTORY * sizeof(struct message *));
    if (!messages)
        give_up("no memory for its messages");
    side_init(&few, FEW);
    side_init(&many, MANY);
    /* A full history: from now on each append trims, as in a server that has run for a while. */
    (void)publish(&few, messages, HISTORY);
    (void)publish(&many, messages, HISTORY);
    for (int i = 0; i < PAIRS; i++) {
        few.append_ns[i] = publish(&few, messages, APPENDS);
        many.append_ns[i] = publish(&many, messages, APPENDS);
    }
    const int status = report(&few, &many);
    subscriptions_fini(&few.subscriptions);
    subscriptions_fini(&many.subscriptions);
    alloc_free(messages);
    return status;
}
