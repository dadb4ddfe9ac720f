"""One order for all: many publishers at once, over HTTP and WebSocket, on all reactors; every
subscriber has every message, once, in the same order. Slow subscribers are in test_slow.py.
"""
import contextlib

from lib import check, http, sse, testing, websocket

EACH = 600  # messages of each publisher


def http_publisher(server, topic, name, count):
    """Publishes in pipelines of 20 on one connection; returns {text: id}."""
    ids = {}
    with http.Connection(server.port) as connection:
        for first in range(0, count, 20):
            texts = [f'{name}-{index}' for index in range(first, min(first + 20, count))]
            connection.send(b''.join(http.request_bytes('POST', f'/t/{topic}', [], text.encode(),
                                                        port=server.port) for text in texts))
            ids |= {text: http.published(connection.answer('POST'), topic) for text in texts}
    return ids


def websocket_publisher(peer, name, count):
    for index in range(count):
        peer.send_text(f'{name}-{index}')


def read_texts(peer, count):
    return [peer.text() for _ in range(count)]


def read_events(stream, count):
    events = [stream.event() for _ in range(count)]
    check.true(all(not event.named for event in events), 'an event has a name')
    return [(event.id, event.data) for event in events]


def check_complete(order, publishers, count):
    """Nothing missing, nothing twice, and each publisher's own messages in its own order."""
    check.equal(len(set(order)), len(order), 'distinct messages')
    for name in publishers:
        own = [text for text in order if text.rpartition('-')[0] == name]
        check.true(own == [f'{name}-{index}' for index in range(count)],
                   f'{name}: its messages are out of order or missing')


def check_ids(events, ids_of_http):
    """Ids rise with the order, and are those that HTTP publishers were told."""
    cursors = [http.cursor(given) for given, _ in events]
    check.true(all(a < b for a, b in zip(cursors, cursors[1:])), 'ids do not rise')
    check.equal(len({epoch for epoch, _ in cursors}), 1, 'epochs')
    by_text = {text: given for given, text in events}
    wrong = [text for text, given in ids_of_http.items() if by_text[text] != given]
    check.equal(wrong, [], 'messages whose id differs from the publisher\'s')


def run_burst(case, topic, subscribers):
    """Publishes from six sides at once; returns (orders of WebSockets, events of streams, ids)."""
    total = 6 * EACH
    streams, peers = subscribers
    readers = [testing.Background(read_texts, peer, total) for peer in peers]
    watchers = [testing.Background(read_events, stream, total) for stream in streams]
    senders = [testing.Background(websocket_publisher, peer, f'ws{index}', EACH)
               for index, peer in enumerate(peers[:3])]
    posters = [testing.Background(http_publisher, case.server, topic, f'http{index}', EACH)
               for index in range(3)]
    ids = {}
    for poster in posters:
        ids |= poster.result()
    for sender in senders:
        sender.result()
    return [reader.result() for reader in readers], [watch.result() for watch in watchers], ids


@testing.limit(90)
def test_every_subscriber_has_every_message_in_the_same_order(case):
    streams = [case.stream(version=version) for version in ['HTTP/1.1', 'HTTP/1.0'] * 3]
    peers = [case.peer() for _ in range(6)]
    orders, events, ids = run_burst(case, case.topic, (streams, peers))
    names = [f'{kind}{index}' for kind in ('ws', 'http') for index in range(3)]
    check.equal(len(ids), 3 * EACH, 'answered publishes')
    check_complete(orders[0], names, EACH)
    for index, order in enumerate(orders):
        check.true(order == orders[0], f'WebSocket {index} has another order than the first')
    for index, seen in enumerate(events):
        check.true(seen == events[0], f'stream {index} differs from the first')
    check.true([text for _, text in events[0]] == orders[0], 'SSE and WebSocket differ in order')
    check_ids(events[0], ids)


@testing.limit(60)
def test_topics_do_not_mix_and_share_one_sequence(case):
    topics = [f'{case.topic}.{index}' for index in range(4)]
    streams = [case.stream(topic) for topic in topics]
    posters = [testing.Background(http_publisher, case.server, topic, topic[-1], 200)
               for topic in topics]
    ids = [poster.result() for poster in posters]
    seen = [read_events(stream, 200) for stream in streams]
    for index in range(4):
        check.equal({text for _, text in seen[index]}, set(ids[index]), f'topic {index}')
        check_ids(seen[index], ids[index])
    everything = [given for events in seen for given, _ in events]
    check.equal(len(set(everything)), 800, 'distinct ids over all topics')


@testing.limit(60)
def test_large_and_small_messages_keep_their_order(case):
    peer, stream = case.peer(), case.stream()
    sizes = [0, 70000, 1, 300, 1 << 20, 5, 65536, 2, 4096, 16384] * 3
    publisher = case.peer(f'{case.topic}.unused')
    reader = testing.Background(lambda: [len(peer.text()) for _ in sizes])
    watcher = testing.Background(lambda: [len(stream.event().data) for _ in sizes])
    for size in sizes:
        http.publish(case.server, case.topic, b'x' * size)
    check.equal(reader.result(), sizes, 'sizes at the WebSocket')
    check.equal(watcher.result(), sizes, 'sizes at the stream')
    publisher.echo('nothing strayed')


@testing.limit(60)
def test_subscribers_may_come_and_go_while_messages_flow(case):
    """Whoever comes sees a run of the order without holes, from where it came."""
    watcher = case.stream()
    poster = testing.Background(http_publisher, case.server, case.topic, 'm', 2000)
    runs = []
    for index in range(30):
        with contextlib.closing(newcomer(case, index)) as subscriber:
            runs.append(read_run(subscriber))
    poster.result()
    order = [text for _, text in read_events(watcher, 2000)]
    for run in runs:
        at = order.index(run[0]) if run else 0
        check.true(order[at:at + len(run)] == run, f'a newcomer saw {run}')
    check.true(any(runs), 'no newcomer saw any message: the test proves nothing')


def newcomer(case, index):
    if index % 2:
        return sse.connect(case.server, case.topic)
    return websocket.connect(case.server, case.topic)


def read_run(subscriber, count=5):
    """Up to so many messages; fewer when none come any more."""
    subscriber.socket.settimeout(0.3)
    run = []
    try:
        while len(run) < count:
            run.append(subscriber.event().data if isinstance(subscriber, sse.Stream)
                       else subscriber.text())
    except check.Failed:
        pass
    return run


def test_a_message_that_was_acknowledged_is_seen_by_whoever_subscribed_before(case):
    """201 comes when the order is fixed; the message is on its way to all by then."""
    peers = [case.peer() for _ in range(8)]
    for index in range(50):
        http.publish(case.server, case.topic, b'%d' % index)
    for peer in peers:
        check.equal([int(peer.text()) for _ in range(50)], list(range(50)), 'messages')


def test_what_was_published_before_is_not_seen_by_newcomers(case):
    """The start is `now`; resuming is asked for."""
    for _ in range(20):
        http.publish(case.server, case.topic, b'old')
        peer, stream = case.peer(), case.stream()
        http.publish(case.server, case.topic, b'new')
        check.equal((peer.text(), stream.event().data), ('new', 'new'), 'the first message')
