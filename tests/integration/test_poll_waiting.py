"""Long-polls while they wait: what answers them and where, what comes behind them on the same
connection, and that a server lets go of those who leave. What is in an answer is in test_poll.py.
"""
import contextlib
import signal
import time

from lib import check, http, poll, testing

FLAGS = ['--threads', '3']
CROWD = 24  # enough for a few on each reactor
FLOOD = 64 << 20  # more than anyone would keep for a peer


def wait_all(case, count, *topics, at=None, **how):
    """So many polls of those topics (or the test's own) that wait."""
    server = at or case.server
    wires = [poll.connect(case, server).begin(*(topics or [case.topic]), **how)
             for _ in range(count)]
    poll.wait_waiting(server, count)
    check.true(all(wire.is_waiting() for wire in wires), 'one was answered before its time')
    return wires


def test_a_message_answers_those_who_wait_on_every_reactor(case):
    for index in range(5):
        wires = wait_all(case, CROWD, after='now', wait=60)
        given = http.publish(case.server, case.topic, b'%d' % index)
        for wire in wires:
            answer = wire.finish()
            check.equal((answer.status, answer.data, answer.cursor), (200, [str(index)], given),
                        'answer')
            wire.close()
        poll.wait_waiting(case.server, 0)


def test_who_asks_behind_a_cursor_or_an_etag_waits_too(case):
    given = http.publish(case.server, case.topic, b'x')
    wires = [poll.connect(case).begin(case.topic, **how)
             for how in ({'after': given}, {'fields': poll.tagged(given)}, {'last': 0},
                         {'after': given, 'fields': [('Accept', poll.NDJSON)]})]
    poll.wait_waiting(case.server, len(wires))
    http.publish(case.server, case.topic, b'it came')
    check.equal([wire.finish().data for wire in wires], [['it came']] * len(wires), 'messages')


def test_hundreds_that_wait_are_answered_by_one_message(case):
    server = case.start(threads=3)
    for _ in range(2):
        wires = wait_all(case, 400, at=server, after='now', wait=60)
        given = http.publish(server, case.topic, b'for all')
        for wire in wires:
            answer = wire.finish()
            check.equal((answer.data, answer.cursor), (['for all'], given), 'answer')
            wire.close()
        server.wait_connection_count(1)


def test_a_message_to_another_topic_answers_nobody(case):
    wires = wait_all(case, 6, after='now', wait=60)
    http.publish(case.server, f'{case.topic}.other', b'x')
    case.peer().echo('mine')
    check.equal([wire.finish().data for wire in wires], [['mine']] * 6, 'messages')


def test_one_that_waits_for_many_is_answered_by_any(case):
    base = case.topic
    for topic in (base, f'{base}.a', f'{base}.b.c', f'{base}.d'):
        wires = wait_all(case, 6, base, f'{base}.a', f'{base}.*.c', f'{base}.d.#', after='now',
                         wait=60)
        http.publish(case.server, topic, b'x')
        got = [[message.topic for message in wire.finish().messages] for wire in wires]
        check.equal(got, [[topic]] * 6, 'topics of the messages')
        for wire in wires:
            wire.close()
        poll.wait_waiting(case.server, 0)


def check_time_out(wire, status, **how):
    began = time.monotonic()
    answer = wire.poll(wire.topic, wait=1, **how)
    took = time.monotonic() - began
    check.equal((answer.status, answer.response.body), (status, b''), 'answer')
    check.true(0.9 < took < 5, f'a second took {took:.2f} s')
    return answer


def test_when_the_time_is_over_it_is_204_or_304_and_the_next_may_follow(case):
    given = http.publish(case.server, case.topic, b'x')
    wire = poll.connect(case)
    wire.topic = case.topic
    check.equal(check_time_out(wire, 204, after=given).cursor, given, 'cursor of 204')
    check.equal(check_time_out(wire, 304, fields=poll.tagged(given)).cursor, given, 'of 304')
    check.equal(wire.ask('GET', '/healthz').status, 200, 'status of the next')


def test_the_cursor_of_a_204_is_exact_however_far_the_log_has_gone_on(case):
    """It may be a later one: what came to other topics is not to be looked through again."""
    start = http.publish(case.server, case.topic, b'x')
    wire = poll.connect(case).begin(case.topic, after=start, wait=1)
    poll.wait_waiting(case.server, 1)
    others = http.publish_all(case.server, [(f'{case.topic}.other', b'x')] * 50)
    answer = wire.finish()
    check.equal(answer.status, 204, 'status')
    check.true(poll.is_later(answer.cursor, start) and poll.is_later(others[-1], answer.cursor),
               f'cursor {answer.cursor} after {start}')
    given = http.publish(case.server, case.topic, b'then')
    for after in (start, answer.cursor):
        messages = wire.poll(case.topic, after=after, wait=60).messages
        check.equal([message.id for message in messages], [given], f'after {after}')


def poll_until(wire, topic, after, count):
    """Asks without waiting until so many have come: an answer may have only the first of them, as
    far as the peer's reactor is, but it is never empty before all are there."""
    data = []
    while len(data) < count:
        answer = wire.poll(topic, after=after, wait=0)
        check.equal(answer.status, 200, f'status with {len(data)} of {count} messages')
        data += answer.data
        after = answer.cursor
    return data, after


def test_between_two_polls_nothing_is_lost(case):
    """Whatever comes while nobody asks is answered first."""
    wire = poll.connect(case)
    after = wire.poll(case.topic).cursor
    for count in (1, 3, 0, 7, 1):
        http.publish_all(case.server, [(case.topic, b'%d' % index) for index in range(count)])
        data, after = poll_until(wire, case.topic, after, count)
        check.equal(data, [str(index) for index in range(count)], 'messages')
        check.equal(wire.poll(case.topic, after=after, wait=0).data, [], 'more messages')


def test_two_polls_in_one_segment_are_answered_one_after_the_other(case):
    given = http.publish(case.server, case.topic, b'x')
    wire = poll.connect(case)
    wire.send(poll.request([case.topic], [], wire.port, after=given, wait=60)
              + poll.request([f'{case.topic}.b'], [], wire.port, after='earliest', wait=60))
    poll.wait_waiting(case.server, 1)
    http.publish(case.server, f'{case.topic}.b', b'second')
    check.true(wire.is_waiting(), 'the second was answered before the first')
    http.publish(case.server, case.topic, b'first')
    check.equal([wire.finish().data, wire.finish().data], [['first'], ['second']], 'messages')


def test_a_poll_behind_one_that_waits_may_come_at_any_time_and_in_pieces(case):
    wire = poll.connect(case).begin(case.topic, after='now', wait=60)
    poll.wait_waiting(case.server, 1)
    second = http.request_bytes('GET', '/healthz', port=wire.port)
    third = http.request_bytes('POST', f'/t/{case.topic}', [], b'from behind', port=wire.port)
    wire.send_pieces([bytes([byte]) for byte in second] + [third[:-4]])
    check.true(wire.is_waiting(), 'it was answered before its time')
    http.publish(case.server, case.topic, b'first')
    check.equal(wire.finish().data, ['first'], 'messages')
    check.equal(wire.answer().body.strip(), b'ok', 'the answer of the second')
    wire.send(third[-4:])
    http.published(wire.answer('POST'), case.topic)


def test_a_publish_behind_a_poll_that_waits_is_one_only_after_its_answer(case):
    wire = poll.connect(case)
    wire.send(poll.request([case.topic], [], wire.port, after='now', wait=60)
              + http.request_bytes('POST', f'/t/{case.topic}', [], b'mine', port=wire.port))
    poll.wait_waiting(case.server, 1)
    http.publish(case.server, case.topic, b'wake up')
    answer = wire.finish()
    check.equal(answer.data, ['wake up'], 'messages')
    given = http.published(wire.answer('POST'), case.topic)
    rest = wire.poll(case.topic, after=answer.cursor).messages
    check.equal([(message.id, message.data) for message in rest], [(given, 'mine')], 'the rest')


def test_a_publish_behind_a_poll_whose_time_is_over_is_taken(case):
    wire = poll.connect(case)
    wire.send(poll.request([case.topic], [], wire.port, after='now', wait=1)
              + http.request_bytes('POST', f'/t/{case.topic}', [], b'mine', port=wire.port))
    check.equal(wire.finish().status, 204, 'status')
    http.published(wire.answer('POST'), case.topic)


def test_a_stream_may_follow_a_poll_that_waits(case):
    wire = poll.connect(case)
    wire.send(poll.request([case.topic], [], wire.port, after='now', wait=60)
              + http.request_bytes('GET', f'/t/{case.topic}', [('Accept', 'text/event-stream')],
                                   port=wire.port))
    poll.wait_waiting(case.server, 1)
    http.publish(case.server, case.topic, b'x')
    check.equal(wire.finish().data, ['x'], 'messages')
    check.contains(wire.head().get('content-type'), 'text/event-stream', 'Content-Type')


@testing.limit(60)
def test_a_flood_behind_a_poll_that_waits_is_not_kept(case):
    server = case.start()
    wire = poll.connect(case, server).begin(case.topic, after='now', wait=60)
    poll.wait_waiting(server, 1)
    before = server.resident_bytes()
    requests = http.request_bytes('GET', '/healthz', port=wire.port) * 1000
    sent = 0
    wire.socket.settimeout(1)
    with contextlib.suppress(OSError):
        while sent < FLOOD:
            sent += wire.socket.send(requests)
    check.true(sent < FLOOD, 'it took all of it')
    grown = server.resident_bytes() - before
    check.true(grown < case.memory_growth_max() // 2, f'grew by {grown >> 20} MiB')
    http.publish(server, case.topic, b'x')
    case.peer(at=server).echo('others are served')


@testing.limit(60)
def test_a_flood_of_polls_behind_a_poll_is_answered_without_waiting_and_not_kept(case):
    server = case.start()
    given = http.publish(server, case.topic, b'x')
    wire = poll.connect(case, server).begin(case.topic, after='now', wait=60)
    poll.wait_waiting(server, 1)
    before = server.resident_bytes()
    asked = poll.request([case.topic], [], wire.port, after=given, wait=60)
    sender = testing.Background(wire.send, asked * 5000)
    answers = 0
    while wire.finish().status == 204:
        answers += 1
        if answers == 4000:
            grown = server.resident_bytes() - before
            check.true(grown < case.memory_growth_max() // 2, f'grew by {grown >> 20} MiB')
            break
    check.equal(answers, 4000, 'answers without a message')
    sender.result()


def leave_by_end(wire):
    wire.close()


def leave_by_reset(wire):
    wire.reset()


def test_who_leaves_while_waiting_is_forgotten(case):
    server = case.start()
    for leave in (leave_by_end, leave_by_reset):
        for wire in wait_all(case, CROWD, at=server, after='now', wait=60):
            leave(wire)
        poll.wait_waiting(server, 0)
        server.wait_connection_count(1)
    http.publish(server, case.topic, b'nobody is there')
    check.equal(server.metrics().sum('uproar_deliveries_total', proto='poll'), 0, 'deliveries')


def test_who_leaves_with_requests_behind_the_poll_is_forgotten(case):
    server = case.start()
    wires = wait_all(case, 12, at=server, after='now', wait=60)
    for wire in wires:
        wire.send(http.request_bytes('GET', '/healthz', port=wire.port) * 3 + b'GET /heal')
    for index, wire in enumerate(wires):
        (leave_by_reset if index % 2 else leave_by_end)(wire)
    server.wait_connection_count(1)


def test_who_only_ends_its_output_is_not_kept_for_ever(case):
    server = case.start()
    wires = wait_all(case, 6, at=server, after='now', wait=2)
    for wire in wires:
        wire.end_output()
    server.wait_connection_count(1)


def test_those_who_wait_are_counted_as_such(case):
    server = case.start()
    wires = wait_all(case, 9, at=server, after='now', wait=60)
    http.publish(server, case.topic, b'x')
    for wire in wires:
        wire.finish()
    poll.wait_waiting(server, 0)
    server.wait_metric(9, 'uproar_deliveries_total', proto='poll')
    server.wait_connection_count(10)


def test_a_drain_answers_those_who_wait_at_once(case):
    server = case.start('--drain', 60)
    given = http.publish(server, case.topic, b'x')
    wires = [wire for fields, query in (([], {'after': given}), (poll.tagged(given), {}))
             for wire in [poll.connect(case, server) for _ in range(6)]
             if wire.begin(case.topic, fields=fields, wait=60, **query)]
    poll.wait_waiting(server, len(wires))
    began = time.monotonic()
    server.signal(signal.SIGTERM)
    answers = [wire.finish() for wire in wires]
    check.equal([answer.status for answer in answers], [204] * 6 + [304] * 6, 'statuses')
    check.equal({answer.cursor for answer in answers}, {given}, 'cursors')
    took = time.monotonic() - began
    check.true(took < 5, f'it took {took:.1f} s')
    check.equal(server.wait_exit(), 0, 'exit status')


def test_while_draining_nobody_begins_to_wait(case):
    server = case.start('--drain', 60)
    wires = [poll.connect(case, server) for _ in range(6)]
    given = http.publish(server, case.topic, b'x')
    for wire in wires:
        wire.poll(case.topic)
    case.stream(at=server)
    case.stream(at=server)  # the drain takes its time for two of them
    server.signal(signal.SIGTERM)
    readyz = http.request_bytes('GET', '/readyz', port=server.port)
    check.eventually(lambda: wires[0].send(readyz) or wires[0].answer().status == 503, 'it drains')
    began = time.monotonic()
    for wire in wires[1:]:
        wire.begin(case.topic, after=given, wait=60)
        answer = wire.answer()
        check.one_of(answer.status, (204, 503), 'status')
    check.true(time.monotonic() - began < 5, 'they waited')
    server.signal(signal.SIGINT)
    server.wait_exit()


def test_a_poll_without_messages_in_a_retained_set_stays_exact_after_a_trim(case):
    """It waits while all that it could have resumed from is trimmed; its own topic is quiet."""
    server = case.start('--history-messages', 20)
    start = http.publish(server, case.topic, b'x')
    wire = poll.connect(case, server).begin(case.topic, after=start, wait=60)
    poll.wait_waiting(server, 1)
    http.publish_all(server, [(f'{case.topic}.busy', b'x')] * 200)
    http.publish(server, case.topic, b'at last')
    check.equal(wire.finish().data, ['at last'], 'messages')


@testing.limit(60)
def test_a_message_that_was_acknowledged_is_never_missed_by_a_poll_that_begins(case):
    """The race between looking and waiting: polls begin while messages come."""
    server = case.start(threads=3)
    start = http.publish(server, case.topic, b'x')
    count = 600
    followers = [testing.Background(poll.follow, poll.connect(case, server), [case.topic], start,
                                    count) for _ in range(4)]
    given = [http.publish(server, case.topic, b'%d' % index) for index in range(count)]
    for follower in followers:
        check.true([message.id for message in follower.result()] == given, 'it missed one')
