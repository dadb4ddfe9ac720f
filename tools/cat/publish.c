/* One POST after the other on a kept connection. A message that the server has not taken is sent
 * again; of one that it may have taken nobody decides in silence. */
#include "cat/publish.h"

#include "base/clock.h"
#include "cat/answer.h"
#include "cat/backoff.h"
#include "cat/exit_status.h"
#include "cat/target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A connection that rested for longer may be ended by the server just when it is used. */
#define REST_MAX_NS (20 * 1000000000ull)

struct publisher {
    const struct options *options;
    struct wire wire;
    struct backoff backoff;
    struct text head; /* the same for all, but for the length */
    uint64_t line;
    uint64_t used_ns; /* when the wire was last used */
};

enum fate {
    FATE_TAKEN,
    FATE_NOT_TAKEN, /* told so, or never sent: may be sent again */
    FATE_UNKNOWN,
    FATE_REFUSED, /* said already */
};

static const char *unit_of(const struct publisher *p)
{
    return p->options->nul ? "message" : "line";
}

static enum fate take_answer(struct publisher *p, const struct answer *a, uint64_t *told_ms)
{
    if (a->status == 201) {
        backoff_worked(&p->backoff);
        if (p->options->json)
            printf("%.*s", (int)a->body.len, (const char *)a->body.at);
        return FATE_TAKEN;
    }
    *told_ms = a->retry_after_ms;
    if (answer_is_later(a->status)) {
        snprintf(p->wire.why, sizeof(p->wire.why), "the server answers %u%s%s", a->status,
                 a->message[0] ? ": " : "", a->message);
        return FATE_NOT_TAKEN;
    }
    fprintf(stderr, "uproar-cat: %s %llu is refused with %u%s%s\n", unit_of(p),
            (unsigned long long)p->line, a->status, a->message[0] ? ": " : "", a->message);
    return FATE_REFUSED;
}

static bool send_message(struct publisher *p, struct bytes message)
{
    struct text request = {0};
    text_add(&request, text_bytes(&p->head));
    text_printf(&request, "Content-Length: %zu\r\n\r\n", message.len);
    text_add(&request, message);
    const bool is_sent = !request.failed && wire_send(&p->wire, text_bytes(&request));
    text_fini(&request);
    return is_sent;
}

/* Who is refused because of its length may be told so before it has sent all of it. */
static enum fate exchange(struct publisher *p, struct bytes message, uint64_t *told_ms)
{
    struct answer a;
    enum fate fate = FATE_UNKNOWN;
    const bool is_sent = send_message(p, message);
    if (answer_read(&p->wire, &a))
        fate = take_answer(p, &a, told_ms);
    const bool closes = fate == FATE_UNKNOWN || a.closes || !is_sent;
    answer_fini(&a);
    p->used_ns = clock_monotonic_ns();
    if (closes) {
        backoff_lost(&p->backoff, p->used_ns);
        wire_close(&p->wire);
    }
    return fate;
}

static enum fate try_once(struct publisher *p, struct bytes message, uint64_t *told_ms)
{
    *told_ms = 0;
    if (p->wire.curl &&
        (clock_monotonic_ns() - p->used_ns > REST_MAX_NS || !wire_is_quiet(&p->wire)))
        wire_close(&p->wire);
    if (!p->wire.curl && !wire_open(&p->wire, &p->options->url))
        return FATE_NOT_TAKEN;
    backoff_connected(&p->backoff);
    return exchange(p, message, told_ms);
}

/* False: it is not published, which is said. */
static bool publish_message(struct publisher *p, struct bytes message)
{
    uint64_t told_ms;
    for (p->line++;;) {
        enum fate fate = try_once(p, message, &told_ms);
        if (fate == FATE_UNKNOWN && p->options->again)
            fate = FATE_NOT_TAKEN;
        if (fate == FATE_NOT_TAKEN && backoff_wait(&p->backoff, p->options, told_ms, p->wire.why))
            continue;
        if (fate == FATE_NOT_TAKEN)
            fprintf(stderr, "uproar-cat: %s %llu is not published: %s\n", unit_of(p),
                    (unsigned long long)p->line, p->wire.why);
        if (fate == FATE_UNKNOWN)
            fprintf(stderr,
                    "uproar-cat: %s %llu may have been published or not: %s before the answer came "
                    "(--again would send it once more)\n",
                    unit_of(p), (unsigned long long)p->line, p->wire.why);
        return fate == FATE_TAKEN;
    }
}

static void make_head(struct publisher *p)
{
    text_add_str(&p->head, "POST ");
    target_add_publication(&p->head, p->options);
    text_add_str(&p->head, " HTTP/1.1\r\n");
    target_add_fields(&p->head, p->options);
    if (p->options->type)
        text_printf(&p->head, "Content-Type: %s\r\n", p->options->type);
}

static bool publish_all(struct publisher *p)
{
    const int end = p->options->nul ? '\0' : '\n';
    char *at = NULL;
    size_t capacity = 0;
    ssize_t len;
    bool all = true;
    while (all && (len = getdelim(&at, &capacity, end, stdin)) >= 0) {
        const size_t without = (size_t)len - (at[len - 1] == end);
        all = publish_message(p, (struct bytes){(const uint8_t *)at, without});
        if (p->options->json && fflush(stdout) != 0)
            all = false;
    }
    free(at);
    if (!ferror(stdin))
        return all;
    fprintf(stderr, "uproar-cat: cannot read standard input: %s\n", strerror(errno));
    return false;
}

int publish_run(const struct options *o)
{
    struct publisher p = {.options = o};
    backoff_init(&p.backoff, o, clock_monotonic_ns());
    make_head(&p);
    const bool all = publish_all(&p);
    wire_fini(&p.wire);
    text_fini(&p.head);
    return all ? EXIT_DONE : EXIT_FAILED;
}
