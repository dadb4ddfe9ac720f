/* Requests on one connection, one after the other, and how long they may keep others waiting. */
#include "conn/rig.h"

enum { REQUESTS = 40 };

Test(exchange, what_is_pipelined_is_answered_in_several_turns_in_order)
{
    static char requests[INPUT_MAX];
    size_t len = 0;
    rig_look_ns = 1000000; /* a turn's slice is over after a few requests */
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
}
