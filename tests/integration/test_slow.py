"""Subscribers that stop reading: they are let go in words or by reset, they cost little, and nobody
else notices. What --slow does for them is in test_slow_policies.py, who keeps up in test_order.py.
"""
import contextlib
import time

from lib import check, http, reading, subscriber, testing, websocket

HISTORY = ['--history-messages', '100', '--history-bytes', '1000000']
BATCH = 20            # far below the history: whoever reads at all keeps up
SIZE = 4096
BATCHES_MAX = 2000    # 160 MB: beyond what any two socket buffers hold
SMALL_BUFFER = 4096   # of a subscriber that is going to stall
LARGE = 1 << 20       # a message that none of those takes whole
PINNED_MAX = 8 << 20  # --history-bytes, where that is tested


def text_of(index):
    return f'{index:08d}'.ljust(SIZE, '.')


def publish_batch(publisher, readers, first):
    """Sends a batch and waits until every reader has all of it, so that only the stalled lag."""
    expected = [text_of(index) for index in range(first, first + BATCH)]
    publisher.send(b''.join(websocket.frame_bytes(websocket.TEXT, text.encode())
                            for text in expected))
    for read in readers:
        check.true([read() for _ in range(BATCH)] == expected, f'a reader missed some of {first}+')


def publish_until_closed(server, publisher, readers):
    """Publishes until the server has given up a slow subscriber; returns how many messages."""
    for batch in range(BATCHES_MAX):
        publish_batch(publisher, readers, batch * BATCH)
        if batch % 10 == 9 and server.metrics().sum('uproar_slow_closes_total') >= 1:
            return (batch + 1) * BATCH
    return check.fail(f'nobody was given up after {BATCHES_MAX * BATCH} messages')


def make_crowd(case, server):
    """(publisher, what reads one message for each who keeps up)."""
    publisher, peer, stream = case.peer(at=server), case.peer(at=server), case.stream(at=server)
    return publisher, [publisher.text, peer.text, lambda: stream.event().data]


def check_prefix(got, total):
    """A slow subscriber has a beginning of the order, without holes."""
    check.true(got == [text_of(index) for index in range(len(got))], 'its messages have holes')
    check.true(0 < len(got) < total, f'it has {len(got)} of {total} messages')


@testing.limit(90)
def test_a_websocket_that_stops_reading_is_closed_with_1013_and_the_others_get_everything(case):
    server = case.start(*HISTORY)
    stalled = case.peer(at=server, receive_buffer=SMALL_BUFFER)
    publisher, readers = make_crowd(case, server)
    total = publish_until_closed(server, publisher, readers)
    got, code = [], None
    try:
        while (frame := stalled.frame()).opcode != websocket.CLOSE:
            got.append(frame.payload.decode())
        code = websocket.close_from(frame.payload)[0]
    except (http.Ended, ConnectionResetError):
        pass  # not drained in time: it was reset
    check.one_of(code, (1013, None), 'close code')
    check_prefix(got, total)
    server.wait_metric(1, 'uproar_slow_closes_total')
    publish_batch(publisher, readers, total)


@testing.limit(90)
def test_a_stream_that_stops_reading_is_ended_and_the_others_get_everything(case):
    server = case.start(*HISTORY)
    stalled = case.stream(at=server, receive_buffer=SMALL_BUFFER)
    publisher, readers = make_crowd(case, server)
    total = publish_until_closed(server, publisher, readers)
    got = []
    with contextlib.suppress(http.Ended, ConnectionResetError):
        while True:
            got.append(stalled.event().data)
    check_prefix(got, total)
    publish_batch(publisher, readers, total)


@testing.limit(90)
def test_a_subscriber_that_never_reads_again_is_forgotten(case):
    server = case.start(*HISTORY)
    before = server.connection_count()
    case.peer(at=server, receive_buffer=SMALL_BUFFER)
    publisher, readers = make_crowd(case, server)
    publish_until_closed(server, publisher, readers)
    server.wait_connection_count(before + 3, patience_s=20)


@testing.limit(90)
def test_many_slow_subscribers_cost_little_memory(case):
    """They are cursors: nothing is queued for them. 40 queues of this burst would be 400 MB."""
    server = case.start(*HISTORY)
    publisher, readers = make_crowd(case, server)
    before = server.resident_bytes()
    for _ in range(40):
        case.peer(at=server, receive_buffer=SMALL_BUFFER)
    for batch in range(125):
        publish_batch(publisher, readers, batch * BATCH)
    grown = server.resident_bytes() - before
    check.true(grown < case.memory_growth_max(), f'grew by {grown >> 20} MiB')


@testing.limit(60)
def test_a_subscriber_that_pauses_within_the_history_loses_nothing(case):
    server = case.start()
    paused_peer = case.peer(at=server, receive_buffer=SMALL_BUFFER)
    paused_stream = case.stream(at=server, receive_buffer=SMALL_BUFFER)
    publisher, readers = make_crowd(case, server)
    batches = 75  # 6 MB: more than the socket buffers hold, less than the history
    for batch in range(batches):
        publish_batch(publisher, readers, batch * BATCH)
    expected = [text_of(index) for index in range(batches * BATCH)]
    check.true([paused_peer.text() for _ in expected] == expected, 'the WebSocket lost some')
    check.true([paused_stream.event().data for _ in expected] == expected, 'the stream lost some')
    check.equal(server.metrics().sum('uproar_slow_closes_total'), 0, 'slow closes')
    paused_peer.echo('and goes on')


@testing.limit(60)
def test_a_quiet_topic_is_not_closed_by_a_busy_one(case):
    """Its subscriber missed nothing, however much of the log was trimmed meanwhile."""
    server = case.start(*HISTORY)
    quiet_peer = case.peer('quiet', at=server)
    quiet_stream = case.stream('quiet', at=server)
    publisher, readers = make_crowd(case, server)
    for batch in range(50):
        publish_batch(publisher, readers, batch * BATCH)
    http.publish(server, 'quiet', b'at last')
    check.equal((quiet_peer.text(), quiet_stream.event().data), ('at last', 'at last'), 'messages')
    check.equal(server.metrics().sum('uproar_slow_closes_total'), 0, 'slow closes')


def stall(case, server, kind):
    wire = subscriber.KINDS[kind](server.port, receive_buffer=SMALL_BUFFER)
    return case.keep(wire).subscribe([case.topic])


def large_text(index):
    return str(index).ljust(LARGE, '.')


@testing.limit(60)
def test_many_who_stall_in_one_large_message_pin_it_once_and_get_all_of_it(case):
    server = case.start('--history-bytes', PINNED_MAX)
    before = server.resident_bytes()
    kinds = ['sse', 'sse 1.0', 'sse json', 'websocket raw', 'websocket json'] * 24
    readers = [stall(case, server, kind) for kind in kinds]
    http.publish(server, case.topic, large_text(0).encode())
    check.true(server.metrics().sum('uproar_pinned_bytes') < 4 * LARGE, 'it is pinned many times')
    grown = server.resident_bytes() - before
    check.true(grown < case.memory_growth_max(), f'grew by {grown >> 20} MiB')
    for reader in readers[:10]:
        check.true(reader.next().data == large_text(0), 'the message is another')
    check.equal(server.metrics().sum('uproar_slow_closes_total'), 0, 'slow closes')


@testing.limit(60)
def test_many_who_stall_in_different_large_messages_pin_no_more_than_the_history_may_hold(case):
    """Over twice of it the longest-stalled are reset: at once, not when their time is over."""
    server = case.start('--history-bytes', PINNED_MAX, threads=1)
    before, count, pinned, readers = server.resident_bytes(), 60, [], []
    for index in range(count):
        readers.append(stall(case, server, ('sse', 'websocket json')[index % 2]))
        http.publish(server, case.topic, large_text(index).encode())
        pinned.append(server.metrics().sum('uproar_pinned_bytes'))
    check.true(max(pinned) > PINNED_MAX // 2, f'never more than {max(pinned)} bytes were pinned')
    check.true(max(pinned) < 2 * (PINNED_MAX + LARGE), f'{max(pinned)} bytes were pinned')
    grown = server.resident_bytes() - before
    check.true(grown < case.memory_growth_max(), f'grew by {grown >> 20} MiB')
    check.equal(reading.to_the_end(readers[0])[1], reading.RESET, 'how the first one ended')
    for index in range(count - 3, count):
        check.true(readers[index].next().data == large_text(index), f'{index} has another message')
    for reader in readers:
        reader.close()
    server.wait_metric(0, 'uproar_pinned_bytes')
    server.wait_connection_count(1)


@testing.limit(60)
def test_who_stalls_for_a_moment_may_pin_more_than_the_history_may_hold_who_stays_is_reset(case):
    server = case.start('--history-bytes', PINNED_MAX, threads=1)
    began, readers = time.monotonic(), []
    for index in range(12):
        readers.append(stall(case, server, ('sse', 'websocket json')[index % 2]))
        http.publish(server, case.topic, large_text(index).encode())
    check.true(PINNED_MAX < server.metrics().sum('uproar_pinned_bytes'), 'less is pinned')
    closes = server.metrics().sum('uproar_slow_closes_total')
    if time.monotonic() - began < 1:
        check.equal(closes, 0, 'slow closes at once')
    check.eventually(lambda: server.metrics().sum('uproar_pinned_bytes') <= PINNED_MAX,
                     'those who stay stalled are reset')
