/* Where a subscription begins on a reactor that has not consumed all of the log, or has lost some
 * of it since. */
#include "conn/rig.h"

/* Receiving comes before consuming: what is published here is in the log, and not yet known to the
 * reactor when it reads the request. */
static void subscribe_while_behind(unsigned count, const char *query)
{
    char request[400];
    fake->room = SIZE_MAX;
    push_event(fake, IO_ACCEPTED);
    turns(1);
    for (unsigned i = 0; i < count; i++)
        publish(i);
    snprintf(request, sizeof(request), "GET /t/t?%s HTTP/1.1\r\nHost: x\r\n%s\r\n", query,
             "Accept: text/event-stream\r\n");
    say(request);
    turns(3);
    fake->out[fake->out_len] = '\0';
}

Test(conn_place, a_cursor_ahead_of_the_reactor_is_exact)
{
    for (uint64_t seq = 0; seq <= 5; seq++) {
        char query[64], cursor[CURSOR_TEXT_MAX];
        setup(64);
        cursor_format((struct cursor){log_epoch(broker->log), seq}, cursor);
        snprintf(query, sizeof(query), "after=%s", cursor);
        subscribe_while_behind(5, query);
        cr_assert(eq(uint, occurrences("event: gap"), 0));
        cr_assert(eq(uint, occurrences("data: "), (unsigned)(5 - seq)));
        publish(9);
        turns(1);
        fake->out[fake->out_len] = '\0';
        cr_assert(eq(uint, occurrences("data: "), (unsigned)(6 - seq)), "and then the live ones");
        teardown();
    }
}

Test(conn_place, a_cursor_ahead_of_the_log_is_told)
{
    char query[64], cursor[CURSOR_TEXT_MAX];
    setup(64);
    cursor_format((struct cursor){log_epoch(broker->log), 6}, cursor);
    snprintf(query, sizeof(query), "after=%s", cursor);
    subscribe_while_behind(5, query);
    cr_assert(eq(uint, occurrences("event: gap"), 1));
    cr_assert(eq(uint, occurrences("\"reason\":\"epoch\""), 1));
    cr_assert(eq(uint, occurrences("data: "), 1 + 5), "from the oldest retained");
    teardown();
}

Test(conn_place, now_is_the_head_of_the_log_whatever_the_reactor_knows)
{
    setup(64);
    subscribe_while_behind(5, "after=now");
    cr_assert(eq(uint, occurrences("data: "), 0));
    cr_assert(eq(uint, occurrences("-5\r\n"), 1), "the opening cursor says so");
    publish(9);
    turns(1);
    fake->out[fake->out_len] = '\0';
    cr_assert(eq(uint, occurrences("data: "), 1));
    teardown();
}

Test(conn_place, a_poll_that_does_not_wait_is_not_empty_while_the_log_has_a_message_for_it)
{
    char request[300], cursor[CURSOR_TEXT_MAX];
    setup(64);
    fake->room = SIZE_MAX;
    push_event(fake, IO_ACCEPTED);
    turns(1);
    cursor_format((struct cursor){log_epoch(broker->log), 2}, cursor);
    snprintf(request, sizeof(request), "GET /t/t?wait=0&after=%s HTTP/1.1\r\nHost: x\r\n\r\n",
             cursor);
    for (unsigned i = 0; i < 5; i++)
        publish(i); /* not yet consumed when the request is read, as if held elsewhere */
    say(request);
    turns(3);
    fake->out[fake->out_len] = '\0';
    cr_assert(eq(uint, occurrences("HTTP/1.1 200"), 1));
    cr_assert(eq(uint, occurrences("\"data\""), 3));
    teardown();
}

static void begin_behind(const char *request, void (*happens)(void))
{
    setup(64);
    fake->room = SIZE_MAX;
    push_event(fake, IO_ACCEPTED);
    turns(1);
    publish(0);
    turns(1);
    happens(); /* in the log, and unknown to the reactor when it reads the request */
    say(request);
    turns(6);
    fake->out[fake->out_len] = '\0';
}

static void topic_is_finished(void)
{
    finish_topic("t");
}

Test(conn_place, who_begins_behind_the_end_of_a_topic_is_told_when_it_comes)
{
    begin_behind("GET /t/t HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n",
                 topic_is_finished);
    cr_assert(eq(uint, occurrences("HTTP/1.1 200"), 1), "it was not known then");
    cr_assert(fake->shut, "the stream ended");
    teardown();
    begin_behind(websocket_request, topic_is_finished);
    const uint8_t *close = fake->out + fake->out_len - 2 - 2 - strlen("the topic is finished");
    cr_assert(eq(u8, close[0], 0x88));
    cr_assert(eq(u64, load_be(close + 2, 2), 1000));
    teardown();
    begin_behind("GET /t/t?after=now&wait=60 HTTP/1.1\r\nHost: x\r\n\r\n", topic_is_finished);
    cr_assert(eq(uint, occurrences("HTTP/1.1 410"), 1));
    teardown();
}

static void the_oldest_are_trimmed(void)
{
    for (unsigned i = 0; i < 70; i++)
        publish(i);
}

Test(conn_place, the_log_may_be_faster_than_a_newcomer_who_is_not_slow_for_that)
{
    begin_behind("GET /t/t?after=earliest HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream"
                 "\r\n\r\n",
                 the_oldest_are_trimmed);
    turns(4);
    fake->out[fake->out_len] = '\0';
    cr_assert(not(fake->shut));
    cr_assert(eq(uint, occurrences("event: gap"), 1));
    cr_assert(eq(uint, occurrences("\"reason\":\"trimmed\""), 1));
    cr_assert(eq(uint, occurrences("data: "), 1 + 70), "one was trimmed before its first turn");
    cr_assert(eq(u64, stat_read(&reactor->stats.slow_closes), 0));
    teardown();
}
