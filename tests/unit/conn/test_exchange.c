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

/* One connection, open, whose peer has said that; what was answered is a string. */
static void said(const char *bytes)
{
    setup(8);
    fake->room = SIZE_MAX;
    push_event(fake, IO_ACCEPTED);
    turns(1);
    say(bytes);
    turns(2);
    fake->out[fake->out_len] = '\0';
}

/* It would pass for the answer to the next request. */
Test(exchange, an_unwanted_body_whose_framing_is_faulty_gets_no_second_answer)
{
    said("GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n"
         "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert(eq(uint, occurrences("HTTP/1.1 200"), 1));
    cr_assert(eq(uint, occurrences("HTTP/1.1 "), 1));
    cr_assert(eq(int, reactor->conns[0].phase, CONN_ENDING));
    teardown();
}

Test(exchange, an_unwanted_body_that_does_not_come_gets_no_second_answer)
{
    said("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");
    cr_assert(eq(uint, occurrences("HTTP/1.1 200"), 1));
    rig_ns += 31000000000;
    turns(2);
    fake->out[fake->out_len] = '\0';
    cr_assert(eq(uint, occurrences("HTTP/1.1 "), 1));
    cr_assert(eq(int, reactor->conns[0].phase, CONN_ENDING));
    teardown();
}

Test(exchange, a_wanted_body_whose_framing_is_faulty_is_400_with_what_pages_need)
{
    said("POST /t/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;\r\n");
    cr_assert(eq(uint, occurrences("HTTP/1.1 400"), 1));
    cr_assert(eq(uint, occurrences("Connection: close\r\n"), 1));
    cr_assert(eq(uint, occurrences("Vary: Origin\r\n"), 1));
    teardown();
}

Test(exchange, who_waits_for_100_gets_it_and_who_does_not_wait_does_not)
{
    const char *head = "POST /t/x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                       "Content-Length: 5\r\n\r\n";
    char both[200];
    snprintf(both, sizeof(both), "%sh", head);
    said(head);
    cr_assert(eq(uint, occurrences("HTTP/1.1 100"), 1));
    teardown();
    said(both);
    cr_assert(eq(uint, occurrences("HTTP/1.1 100"), 0));
    teardown();
}
