/* Requests on one connection, one after the other, and how long they may keep others waiting. */
#include "base/clock.h"
#include "conn/rig.h"

#include <time.h>

enum { REQUESTS = 40 };

static uint64_t slow_ns;

/* Every look at the clock takes a millisecond: a turn's slice is over after a few requests. */
static uint64_t slow_monotonic_ns(void)
{
    return slow_ns += 1000000;
}

static int64_t fixed_realtime_ms(void)
{
    return 1700000000000;
}

static void no_random(void *out, size_t len)
{
    memset(out, 7, len);
}

Test(exchange, what_is_pipelined_is_answered_in_several_turns_in_order)
{
    static const struct clock_source slow = {slow_monotonic_ns, fixed_realtime_ms, no_random};
    static char requests[INPUT_MAX];
    size_t len = 0;
    clock_set_source(&slow);
    setup(8);
    fake->room = SIZE_MAX;
    push_event(fake, IO_ACCEPTED);
    turns(1);
    for (unsigned i = 0; i < REQUESTS; i++)
        len += (size_t)snprintf(requests + len, sizeof(requests) - len,
                                "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n", i % 2 ? "no" : "healthz");
    say(requests);
    turns(2);
    fake->out[fake->out_len] = '\0';
    const unsigned first = occurrences("HTTP/1.1 ");
    cr_assert(ge(uint, first, 1));
    cr_assert(le(uint, first, REQUESTS / 2), "others have their turn");
    turns(REQUESTS);
    fake->out[fake->out_len] = '\0';
    cr_assert(eq(uint, occurrences("HTTP/1.1 200"), REQUESTS / 2));
    cr_assert(eq(uint, occurrences("HTTP/1.1 404"), REQUESTS / 2));
    const char *at = (const char *)fake->out;
    for (unsigned i = 0; i < REQUESTS; i++) {
        cr_assert(eq(int, strncmp(at, i % 2 ? "HTTP/1.1 404" : "HTTP/1.1 200", 12), 0), "%u", i);
        at = strstr(at + 1, "HTTP/1.1 ");
    }
    cr_assert(eq(ptr, reactor->conns[0].inbound, NULL), "nothing is kept");
    teardown();
    clock_set_source(NULL);
}
