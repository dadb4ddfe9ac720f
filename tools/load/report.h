/* What a run found: figures, and how they are said, as a table for people whose last line is one
 * sentence worth quoting, and as JSON. It measures nothing. */
#pragma once

#include "base/text.h"
#include "load/checker.h"
#include "load/failures.h"
#include "load/latency.h"
#include "load/options.h"

enum { REPORT_SAMPLES_MAX = 256 };

/* The server's CPU time, in parts. What is more than fits is not kept. */
struct report_samples {
    uint32_t count;
    uint64_t ns[REPORT_SAMPLES_MAX];
};

struct report {
    enum load_mode mode;
    const char *const *urls; /* [url_count] */
    uint64_t url_count;
    const char *io; /* "uring", "epoll" */
    bool has_ws, has_sse;
    bool is_local;    /* both ends are on this machine */
    bool interrupted; /* by Ctrl-C */
    uint64_t payload_len;

    uint64_t asked, opened, dropped; /* connections; those that failed: asked - opened */
    uint64_t pings;                  /* answered */
    uint64_t connect_ns;             /* from the first dial until all had come or failed */
    uint64_t held_ns;                /* idle, before the first message */
    uint64_t talking_ns;             /* fanout, echo: from the first message to the last */

    /* fanout: published and accepted; echo: sent. */
    uint64_t published;
    uint64_t retried;  /* fanout: answered 429 or 503, and sent again */
    uint64_t expected; /* deliveries */
    struct checker checker;
    const char *trouble; /* what went wrong but for connections and messages; NULL: nothing */

    uint64_t pid;         /* 0: nobody looked at the server */
    uint64_t cpu_ns;      /* the server's: connect: all of the run; else talking */
    uint64_t held_cpu_ns; /* while held */
    uint64_t held_step_s; /* ...in steps of so long */
    struct report_samples held_cpu;
    /* fanout: from publishing a message until all have it, if it had the server to itself. */
    struct report_samples message_cpu;
    double pss_each;    /* its memory per connection */
    double kernel_each; /* the machine's, per connection */
    bool has_memory;    /* the two were measured */

    bool has_drain;       /* the server was ended */
    uint64_t drain_count; /* connections open then */
    uint64_t told;        /* of these, by a close frame or the stream's last chunk */
    uint64_t drain_ns;    /* until the last one was told */

    const struct failures *failures;
    const struct latency *handshake, *latency;
};

void report_sample(struct report_samples *s, uint64_t ns);
uint64_t report_failed(const struct report *r);
uint64_t report_lost(const struct report *r);
/* Nothing failed and nothing was lost. */
bool report_is_clean(const struct report *r);
/* Lines for people; the last one is the sentence. */
void report_add_text(struct text *out, const struct report *r);
/* The sentence alone, without a line's end. */
void report_add_sentence(struct text *out, const struct report *r);
/* json.c: writes the file. 0 or -errno. */
int report_write_json(const struct report *r, const char *path) MUST_CHECK;
