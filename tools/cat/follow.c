/* What is printed, what is remembered, and what the end of a connection means. */
#include "cat/follow.h"

#include "base/clock.h"
#include "cat/answer.h"
#include "cat/envelope.h"
#include "cat/exit_status.h"

#include <errno.h>
#include <stdio.h>

/* --- printing --------------------------------------------------------------------------------- */

static void print_line(struct bytes b)
{
    fwrite(b.at, 1, b.len, stdout);
    putchar('\n');
}

bool follow_flush(struct follow *f)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    snprintf(f->why, sizeof(f->why), "cannot write to standard output: %s", strerror(errno));
    return false;
}

static void say_gap(const struct follow *f, const struct envelope *e)
{
    if (f->options->quiet)
        return;
    fprintf(stderr,
            "uproar-cat: a gap: after %.*s some messages are missing (%.*s); goes on after "
            "%.*s\n",
            (int)e->after.len, (const char *)e->after.at, (int)e->reason.len,
            (const char *)e->reason.at, (int)e->cursor.len, (const char *)e->cursor.at);
}

/* --- taking ----------------------------------------------------------------------------------- */

void follow_set_place(struct follow *f, struct bytes cursor)
{
    if (cursor.len > 0 && cursor.len < sizeof(f->place))
        snprintf(f->place, sizeof(f->place), "%.*s", (int)cursor.len, (const char *)cursor.at);
}

struct bytes follow_place(const struct follow *f)
{
    return f->place[0] ? bytes_from(f->place) : (struct bytes){0};
}

/* False: that is all that was asked for. */
static bool take_message(struct follow *f, const struct envelope *e, struct bytes json)
{
    print_line(f->options->json ? json : e->data);
    follow_set_place(f, e->cursor);
    f->printed++;
    backoff_worked(&f->backoff);
    return f->options->count == 0 || f->printed < f->options->count;
}

static void take_gap(struct follow *f, const struct envelope *e)
{
    f->has_missed = true;
    follow_set_place(f, e->cursor);
    say_gap(f, e);
}

bool follow_take(struct follow *f, struct bytes json, enum ending *ending)
{
    struct envelope e;
    bool goes_on = true;
    switch (envelope_parse(&e, json)) {
    case ENVELOPE_MESSAGE:
    case ENVELOPE_DIRECT:
        *ending = ENDING_ENOUGH;
        goes_on = take_message(f, &e, json);
        break;
    case ENVELOPE_OPEN:
        follow_set_place(f, e.cursor);
        break;
    case ENVELOPE_GAP:
        if (f->options->json)
            print_line(json);
        take_gap(f, &e);
        break;
    case ENVELOPE_BAD:
        *ending = follow_ended(f, ENDING_FAILED, "the server sends what is no envelope");
        goes_on = false;
        break;
    }
    envelope_fini(&e);
    return goes_on;
}

bool follow_take_gap(struct follow *f, struct bytes json, enum ending *ending)
{
    struct envelope e;
    const bool is_gap = envelope_parse_gap(&e, json) == ENVELOPE_GAP;
    if (is_gap && f->options->json)
        printf("{\"gap\":%.*s}\n", (int)json.len, (const char *)json.at);
    if (is_gap)
        take_gap(f, &e);
    else
        *ending = follow_ended(f, ENDING_FAILED, "the server sends a gap that is none");
    envelope_fini(&e);
    return is_gap;
}

/* --- endings ---------------------------------------------------------------------------------- */

void follow_opened(struct follow *f)
{
    if (f->backoff.failures > 0 && !f->options->quiet)
        fprintf(stderr, "uproar-cat: connected again%s%s\n", f->place[0] ? ", goes on after " : "",
                f->place);
}

enum ending follow_ended(struct follow *f, enum ending ending, const char *why)
{
    snprintf(f->why, sizeof(f->why), "%s", why);
    return ending;
}

enum ending follow_refused(struct follow *f)
{
    struct answer a;
    enum ending ending = ENDING_FAILED;
    char why[WIRE_WHY_MAX];
    if (!answer_read(&f->wire, &a)) {
        ending = follow_ended(f, ENDING_AGAIN, f->wire.why);
    } else if (a.status == 204) {
        ending = ENDING_FINISHED;
    } else {
        if (answer_is_later(a.status))
            ending = ENDING_AGAIN;
        f->told_ms = a.retry_after_ms;
        snprintf(why, sizeof(why), "the server answers %u%s%s", a.status, a.message[0] ? ": " : "",
                 a.message);
        follow_ended(f, ending, why);
    }
    answer_fini(&a);
    return ending;
}

/* One connection, from the attempt to its end. */
static enum ending follow_once(struct follow *f)
{
    f->told_ms = 0;
    if (!wire_open(&f->wire, &f->options->url))
        return follow_ended(f, ENDING_UNREACHABLE, f->wire.why);
    backoff_connected(&f->backoff);
    const enum ending ending =
        f->options->url.scheme == URL_WS ? socket_follow(f) : stream_follow(f);
    backoff_lost(&f->backoff, clock_monotonic_ns());
    wire_close(&f->wire);
    return follow_flush(f) ? ending : ENDING_FAILED;
}

static int status_of(const struct follow *f, enum ending ending)
{
    if (ending == ENDING_FINISHED || ending == ENDING_ENOUGH)
        return f->has_missed ? EXIT_MISSED : EXIT_DONE;
    fprintf(stderr, "uproar-cat: %s\n", f->why);
    return EXIT_FAILED;
}

int follow_run(const struct options *o)
{
    struct follow f = {.options = o};
    enum ending ending;
    backoff_init(&f.backoff, o, clock_monotonic_ns());
    do
        ending = follow_once(&f);
    while ((ending == ENDING_UNREACHABLE || ending == ENDING_AGAIN) &&
           backoff_wait(&f.backoff, o, f.told_ms, f.why));
    const int status = status_of(&f, ending);
    wire_fini(&f.wire);
    return status;
}
