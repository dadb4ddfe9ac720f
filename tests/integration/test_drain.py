"""Signals: a drain that says goodbye to everyone, and a second signal that does not wait.
Also what peers that do not cooperate can delay: nothing beyond --drain.
"""
import re
import signal

from lib import check, http, testing

SIGNALS = [signal.SIGTERM, signal.SIGINT]


def start_with_peers(case, *flags, count=3):
    server = case.start(*flags)
    peers = [case.peer(at=server) for _ in range(count)]
    streams = [case.stream(at=server) for _ in range(count)]
    return server, peers, streams


def check_said_how_many(server, counts):
    """One line that says how many peers there were and how long it took."""
    pattern = re.compile(r'\b(?:%s)\b.*?\d+(?:\.\d+)? ?(?:ms|s|seconds?)\b'
                         % '|'.join(map(str, counts)))
    found = [line for line in server.stderr.splitlines() if pattern.search(line)]
    check.true(found, f'no line with one of {counts} peers and a time: {server.stderr!r}')


def test_a_server_without_peers_ends_at_once(case):
    for number in SIGNALS:
        server = case.start('--drain', 60)
        server.signal(number)
        check.equal(server.wait_exit(), 0, 'exit status')


@testing.limit(60)
def test_a_drain_says_goodbye_to_all_and_exits_0(case):
    for number in SIGNALS:
        server, peers, streams = start_with_peers(case, '--drain', 1)
        server.signal(number)
        for peer in peers:
            peer.expect_close(1001)
        for stream in streams:
            stream.expect_end()
        check.equal(server.wait_exit(), 0, 'exit status')
        check_said_how_many(server, [6])


@testing.limit(60)
def test_readyz_is_503_while_draining_and_healthz_is_not(case):
    server, _, _ = start_with_peers(case, '--drain', 20, count=10)
    connections = [case.connection(at=server) for _ in range(3)]
    check.equal(connections[0].ask('GET', '/readyz').status, 200, 'status before')
    server.signal(signal.SIGTERM)
    check.eventually(lambda: readyz(server, connections) == 503, 'readyz is 503')
    check.true(server.is_running(), 'the drain is over already')
    for _ in range(2):
        server.signal(signal.SIGINT)
    server.wait_exit()


def readyz(server, kept):
    """Asks on a new connection; where none is let in, on one that was there before."""
    for connect in (lambda: http.Connection(server.port), kept.pop if kept else None):
        try:
            with connect() as connection:
                return connection.ask('GET', '/readyz').status
        except (OSError, http.Ended, TypeError):
            continue
    return None


@testing.limit(60)
def test_what_was_published_before_the_drain_is_delivered(case):
    server, peers, streams = start_with_peers(case, '--drain', 1)
    for index in range(100):
        http.publish(server, case.topic, b'%d' % index)
    server.signal(signal.SIGTERM)
    for peer in peers:
        check.equal([int(peer.text()) for _ in range(100)], list(range(100)), 'messages')
        peer.expect_close(1001)
    for stream in streams:
        check.equal([int(stream.event().data) for _ in range(100)], list(range(100)), 'events')
        stream.expect_end()
    check.equal(server.wait_exit(), 0, 'exit status')


@testing.limit(60)
def test_a_peer_that_answers_nothing_does_not_hold_the_drain(case):
    """It gets its close frame, and never replies; nor does one that reads nothing at all."""
    server, _, _ = start_with_peers(case, '--drain', 2)
    server.signal(signal.SIGTERM)
    check.equal(server.wait_exit(patience_s=30), 0, 'exit status')


@testing.limit(60)
def test_unfinished_requests_do_not_hold_the_drain(case):
    server = case.start('--drain', 1)
    for part in (b'GET /hea', b'POST /t/x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhal',
                 b''):
        case.connection(at=server).send(part or b'G')
    server.signal(signal.SIGTERM)
    check.equal(server.wait_exit(patience_s=30), 0, 'exit status')


@testing.limit(60)
def test_a_second_signal_ends_it_at_once_with_its_number(case):
    for first, second in (SIGNALS, SIGNALS[::-1]):
        server, _, _ = start_with_peers(case, '--drain', 60, count=10)
        kept = [case.connection(at=server) for _ in range(3)]
        server.signal(first)
        check.eventually(lambda: readyz(server, kept) != 200, 'the drain has begun')
        check.true(server.is_running(), 'the drain is over already')
        server.signal(second)
        check.equal(server.wait_exit(), 128 + second, 'exit status')


def test_no_new_subscriber_is_taken_while_draining(case):
    """Whoever comes is refused in words, or finds nobody listening."""
    server, _, _ = start_with_peers(case, '--drain', 60, count=10)
    kept = [case.connection(at=server) for _ in range(3)]
    server.signal(signal.SIGTERM)
    check.eventually(lambda: readyz(server, kept) != 200, 'the drain has begun')
    try:
        response = http.ask(server, 'POST', f'/t/{case.topic}', body=b'late')
        check.one_of(response.status, (201, 503), 'status of a late publish')
    except (OSError, http.Ended):
        pass
    server.signal(signal.SIGINT)
    server.wait_exit()


def test_who_asked_before_the_drain_and_goes_on_asking_in_it_is_refused_too(case):
    """A stream that began then would get no goodbye."""
    server, _, _ = start_with_peers(case, '--drain', 60, count=10)
    kept = [case.connection(at=server) for _ in range(3)]
    body = b'{"topics":["%b"]}' % case.topic.encode()
    asking = case.connection(at=server)
    asked = http.request_bytes('POST', '/t', [('Accept', 'text/event-stream')], body,
                               port=server.port)
    asking.send(asked[:-1])
    http.ask(server, 'GET', '/healthz')
    server.signal(signal.SIGTERM)
    check.eventually(lambda: readyz(server, kept) != 200, 'the drain has begun')
    asking.send(asked[-1:])
    check.equal(asking.answer().status, 503, 'status')
    server.signal(signal.SIGINT)
    server.wait_exit()
