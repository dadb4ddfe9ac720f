"""--stream-max: event streams that end after a while, for what stands between them and their peers.
How a stream is resumed is in test_resume.py.
"""
import select
import time

from lib import check, envelope, http, poll, reading, subscriber, testing

STREAMS = ['sse', 'sse 1.0', 'sse json', 'post']
EARLIER = 1 / 8  # at most this part of it: jitter
LATE_S = 1.5     # a loaded machine


def open_all(case, server, kinds):
    return [(time.monotonic(), subscriber.open(case, kind, [case.topic], at=server))
            for kind in kinds]


def seconds_to_the_end(opened):
    """For each reader, from when it was opened until it heard anything; that has to be the end."""
    left = {reader.socket: opened_at for opened_at, reader in opened}
    took = []
    while left:
        readable, _, _ = select.select(list(left), [], [], check.PATIENCE_S)
        check.true(readable, f'{len(left)} streams go on')
        took += [time.monotonic() - left.pop(socket) for socket in readable]
    for _, reader in opened:
        check.equal(reading.to_the_end(reader), ([], reading.ENDED), 'what came, and the end')
    return took


@testing.limit(40)
def test_every_kind_of_stream_ends_well_when_its_time_is_over(case):
    server = case.start('--stream-max', 2)
    for took in seconds_to_the_end(open_all(case, server, STREAMS)):
        check.true(2 * (1 - EARLIER) - 0.05 < took < 2 + LATE_S, f'it ended after {took:.2f} s')
    server.wait_metric(0, 'uproar_connections', proto='sse')


@testing.limit(40)
def test_streams_that_began_together_do_not_end_together(case):
    server = case.start('--stream-max', 4)
    took = seconds_to_the_end(open_all(case, server, ['sse'] * 60))
    check.true(4 * (1 - EARLIER) - 0.05 < min(took) and max(took) < 4 + LATE_S,
               f'they ended after {min(took):.2f} to {max(took):.2f} s')
    check.true(max(took) - min(took) > 4 * EARLIER / 2, f'within {max(took) - min(took):.3f} s')


def publish_steadily(server, topic, seconds):
    """Returns ids; the last message says so."""
    ids, until = [], time.monotonic() + seconds
    with http.Connection(server.port) as wire:
        while time.monotonic() < until:
            ids.append(http.published(wire.ask('POST', f'/t/{topic}', body=b'x')))
            time.sleep(0.001)
        ids.append(http.published(wire.ask('POST', f'/t/{topic}', body=b'last')))
    return ids


def resume_again_and_again(case, server, kind, reader):
    """Reads streams, each from where the one before it ended. Returns ids, and how many ended."""
    had, ends, last = [], 0, reader.start
    while True:
        try:
            item = reader.next()
            check.true(isinstance(item, envelope.Message), f'{kind}: {item}')
            had.append(item.id)
            last = item.id
            if item.data == 'last':
                return had, ends
        except http.Ended:
            check.true(reading.is_stream_over(reader), f'{kind}: a stream was cut')
            reader = subscriber.open(case, kind, [case.topic], at=server, last_event_id=last)
            check.equal(reader.start, last, f'{kind}: where it goes on')
            ends += 1


@testing.limit(40)
def test_whoever_comes_back_has_everything_once(case):
    """Messages flow all the while, also between an end and the next beginning."""
    server = case.start('--stream-max', 1, threads=3)
    followers = [testing.Background(resume_again_and_again, case, server, kind, reader)
                 for kind in STREAMS for _, reader in open_all(case, server, [kind])]
    ids = publish_steadily(server, case.topic, 3.5)
    for kind, follower in zip(STREAMS, followers):
        had, ends = follower.result()
        check.true(had == ids, f'{kind}: not what was published')
        check.true(ends >= 2, f'{kind}: {ends} streams ended')


@testing.limit(40)
def test_websockets_and_polls_are_none_of_its_business(case):
    server = case.start('--stream-max', 1)
    peer = case.peer(at=server)
    reader = subscriber.open(case, 'websocket json', [case.topic], at=server)
    wire = poll.connect(case, server).begin(case.topic, after='now', wait=60)
    poll.wait_waiting(server, 1)
    time.sleep(2.5)
    peer.echo('still here')
    subscriber.expect(reader, ['still here'], 'the other WebSocket')
    check.equal(wire.finish().data, ['still here'], 'the poll')


@testing.limit(40)
def test_a_stream_of_heartbeats_ends_too(case):
    server = case.start('--stream-max', 3, '--heartbeat', 1)
    opened = time.monotonic()
    stream = case.stream(at=server)
    while stream.line() is not None:
        check.true(time.monotonic() - opened < 3 + LATE_S, 'it goes on')
    took = time.monotonic() - opened
    check.true(took > 3 * (1 - EARLIER) - 0.05, f'it ended after {took:.2f} s')
    check.equal(stream.ends(), b'', 'bytes after the stream')


@testing.limit(40)
def test_who_does_not_read_is_let_go_as_well(case):
    server = case.start('--stream-max', 1)
    for kind in STREAMS:
        wire = subscriber.KINDS[kind](server.port, receive_buffer=4096)
        case.keep(wire).subscribe([case.topic])
    http.publish_all(server, [(case.topic, b'x' * 500_000)] * 4)
    server.wait_metric(0, 'uproar_connections', patience_s=20, proto='sse')


@testing.limit(40)
def test_who_reads_slowly_gets_the_event_that_was_cut(case):
    """The time is over in the middle of an event: it is finished, then comes the end."""
    server = case.start('--stream-max', 2)
    readers = [case.keep(subscriber.KINDS[kind](server.port, receive_buffer=4096))
               .subscribe([case.topic]) for kind in STREAMS]
    opened = time.monotonic()
    http.publish(server, case.topic, b'x' * 400_000)
    time.sleep(max(0, opened + 2.3 - time.monotonic()))
    for kind, reader in zip(STREAMS, readers):
        items, how = reading.to_the_end(reader)
        check.equal([len(item.data) for item in items], [400_000], f'{kind}: the event')
        check.equal(how, reading.ENDED, f'{kind}: how it ended')


def test_without_it_streams_do_not_end(case):
    server = case.start('--heartbeat', 1)
    stream = case.stream(at=server)
    check.equal([stream.comment() for _ in range(3)], [':'] * 3, 'heartbeats')
