"""--slow: what becomes of subscribers that lost their place because they stopped reading: the cut
frame is completed, the notice follows, and nothing else is missing. That they are let go, and what
they cost, is in test_slow.py.
"""
import time

from lib import check, envelope, http, reading, subscriber, testing, websocket

RETAINED = 20
HISTORY = ['--history-messages', str(RETAINED)]
SIZE = 20_000        # of a message
BATCH = 10           # whoever reads it at once keeps up
STALLING = 100       # messages: twice what the kernel's buffers and the history hold
SMALL_BUFFER = 4096  # of a subscriber that is going to stall
STREAMS = ['sse', 'sse 1.0', 'sse json', 'post']
JSON_PEERS = ['websocket json', 'websocket protocol']
TOLD = [*STREAMS, *JSON_PEERS]  # who can be told a gap
RAW = 'websocket raw'


def text_of(index):
    return str(index).ljust(SIZE, '.')


def stall(case, server, kind, topics):
    """A subscriber that reads nothing yet."""
    wire = subscriber.KINDS[kind](server.port, receive_buffer=SMALL_BUFFER)
    return case.keep(wire).subscribe(topics)


class Flow:
    """Publishes to some topics in turn, and watches that who keeps up has all of it."""

    def __init__(self, case, server, topics):
        self.server = server
        self.topics = topics
        self.log = reading.Log()
        self.names = []  # the topic of each
        self.watcher = subscriber.open(case, 'sse json', topics, at=server)

    def publish(self, count):
        for _ in range(count // BATCH):
            first = len(self.log.ids)
            texts = [text_of(index) for index in range(first, first + BATCH)]
            names = [self.topics[index % len(self.topics)] for index in range(first, first + BATCH)]
            ids = http.publish_all(self.server, [(name, text.encode())
                                                 for name, text in zip(names, texts)])
            subscriber.expect(self.watcher, texts, 'who keeps up')
            self.log.add(ids, texts)
            self.names += names

    def silence_all_but_one(self, count):
        """Publishes so many more to the first topic."""
        spoken, self.topics = self.topics, self.topics[:1]
        self.publish(count)
        self.topics = spoken

    @property
    def last(self):
        return self.log.payloads[-1]


def gaps_of(items):
    return [item for item in items if isinstance(item, envelope.Gap)]


def start(case, policy):
    """A server, and a flow of the test's topic."""
    server = case.start(*HISTORY, '--slow', policy)
    return server, Flow(case, server, [case.topic])


def check_prefix(items, flow, what):
    """What it had before it was told anything: a beginning, without holes. Returns its length."""
    count = flow.log.account(items, 0, what)
    check.true(0 < count < STALLING - RETAINED, f'{what}: it had {count} of {STALLING}')
    return count


@testing.limit(60)
def test_close_completes_the_cut_frame_and_then_closes(case):
    server, flow = start(case, 'close')
    kinds = [*TOLD, RAW]
    readers = [stall(case, server, kind, [case.topic]) for kind in kinds]
    flow.publish(STALLING)
    for kind, reader in zip(kinds, readers):
        items, how = reading.to_the_end(reader)
        check.equal(gaps_of(items), [], f'{kind}: gaps')
        check_prefix(items, flow, kind)
        check.equal(how, reading.ENDED if kind in STREAMS else 1013, f'{kind}: how it ended')
    server.wait_metric(len(kinds), 'uproar_slow_closes_total')


@testing.limit(60)
def test_who_was_closed_comes_back_and_is_told_the_gap(case):
    server, flow = start(case, 'close')
    readers = [stall(case, server, kind, [case.topic]) for kind in TOLD]
    flow.publish(STALLING)
    for kind, reader in zip(TOLD, readers):
        items, _ = reading.to_the_end(reader)
        again = subscriber.open(case, kind, [case.topic], at=server, after=items[-1].id)
        items += reading.up_to(again, flow.last)
        check.equal(flow.log.account(items, 0, kind), STALLING, f'{kind}: how far it came')
        check.equal([gap.reason for gap in gaps_of(items)], ['trimmed'], f'{kind}: reasons')


@testing.limit(60)
def test_skip_tells_the_gap_and_goes_on_with_the_oldest_there_is(case):
    server, flow = start(case, 'skip')
    readers = [stall(case, server, kind, [case.topic]) for kind in TOLD]
    flow.publish(STALLING)
    for kind, reader in zip(TOLD, readers):
        items = reading.up_to(reader, flow.last)
        check.equal(flow.log.account(items, 0, kind), STALLING, f'{kind}: how far it came')
        gap, = gaps_of(items)
        check.equal((gap.reason, gap.resumed), ('slow', flow.log.ids[-RETAINED - 1]),
                    f'{kind}: the gap')
    server.wait_metric(len(TOLD), 'uproar_gaps_total', reason='slow')
    server.wait_metric(0, 'uproar_slow_closes_total')
    flow.publish(BATCH)
    for kind, reader in zip(TOLD, readers):
        subscriber.expect(reader, flow.log.payloads[-BATCH:], f'{kind}: live ones')


@testing.limit(60)
def test_skip_closes_a_raw_websocket_with_its_gap(case):
    """It has no place to tell one; the reason of the close has."""
    server, flow = start(case, 'skip')
    readers = [stall(case, server, RAW, [case.topic]) for _ in range(4)]
    flow.publish(STALLING)
    for reader in readers:
        items, how = reading.to_the_end(reader)
        check.equal(how, 4410, 'close code')
        count = check_prefix(items[:-1], flow, RAW)
        check.equal((items[-1].after, items[-1].resumed),
                    (flow.log.ids[count - 1], flow.log.ids[-RETAINED - 1]), 'the gap')
        again = subscriber.open(case, RAW, [case.topic], at=server, after=items[-1].resumed)
        subscriber.expect(again, flow.log.payloads[-RETAINED:], 'behind the gap')
    server.wait_metric(4, 'uproar_gaps_total', reason='slow')


@testing.limit(60)
def test_whoever_stalls_again_is_told_again(case):
    for policy in ('skip', 'latest'):
        server, flow = start(case, policy)
        readers = [stall(case, server, kind, [case.topic]) for kind in TOLD]
        items = [[] for _ in TOLD]
        for _ in range(3):
            flow.publish(STALLING)
            for index, reader in enumerate(readers):
                items[index] += reading.up_to(reader, flow.last)
        for kind, had in zip(TOLD, items):
            what = f'{policy}, {kind}'
            check.equal(flow.log.account(had, 0, what), 3 * STALLING, f'{what}: how far it came')
            check.equal({gap.reason for gap in gaps_of(had)}, {'slow'}, f'{what}: reasons')
            check.true(len(gaps_of(had)) >= 3, f'{what}: {len(gaps_of(had))} gaps')


@testing.limit(60)
def test_latest_of_one_topic_is_its_newest_message(case):
    server, flow = start(case, 'latest')
    readers = [stall(case, server, kind, [case.topic]) for kind in TOLD]
    flow.publish(STALLING)
    for kind, reader in zip(TOLD, readers):
        items = reading.up_to(reader, flow.last)
        check.equal(flow.log.account(items, 0, kind), STALLING, f'{kind}: how far it came')
        gap, newest = items[-2:]
        check.equal(gaps_of(items), [gap], f'{kind}: gaps')
        check.equal((gap.reason, gap.resumed), ('slow', flow.log.ids[-2]), f'{kind}: the gap')
        check.equal(newest.data, flow.last, f'{kind}: the newest')
    server.wait_metric(len(TOLD), 'uproar_gaps_total', reason='slow')
    flow.publish(BATCH)
    for kind, reader in zip(TOLD, readers):
        subscriber.expect(reader, flow.log.payloads[-BATCH:], f'{kind}: live ones')


def newest_of_each(flow):
    """Indices of the newest message of every topic, in log order."""
    return sorted(max(index for index, name in enumerate(flow.names) if name == topic)
                  for topic in flow.topics)


def several(case, server):
    """A flow of five topics."""
    return Flow(case, server, [f'{case.topic}.{letter}' for letter in 'abcde'])


def subscriptions(case, flow):
    return [flow.topics, [f'{case.topic}.*'], [*flow.topics[:2], f'{case.topic}.#']]


@testing.limit(60)
def test_latest_of_several_topics_is_the_newest_of_each_in_log_order(case):
    server = case.start(*HISTORY, '--slow', 'latest')
    flow = several(case, server)
    readers = [(f'{kind} of {topics}', stall(case, server, kind, topics))
               for kind in ('sse', 'sse 1.0', 'websocket json')
               for topics in subscriptions(case, flow)]
    flow.publish(STALLING)
    for what, reader in readers:
        items = reading.up_to(reader, flow.last)
        check.equal(flow.log.account(items, 0, what), STALLING, f'{what}: how far it came')
        check_conflated(items, flow, what)
    flow.publish(BATCH)
    for what, reader in readers:
        subscriber.expect(reader, flow.log.payloads[-BATCH:], f'{what}: live ones')


def check_conflated(items, flow, what):
    """Behind the first gap there are only the newest of their topics, and all of these."""
    first_gap = items.index(gaps_of(items)[0])
    got = [item.data for item in items[first_gap:] if isinstance(item, envelope.Message)]
    check.equal(got, [flow.log.payloads[index] for index in newest_of_each(flow)], what)


@testing.limit(60)
def test_latest_with_topics_that_fell_silent_tells_every_run_that_it_skips(case):
    server = case.start(*HISTORY, '--slow', 'latest')
    flow = several(case, server)
    readers = [(kind, stall(case, server, kind, flow.topics)) for kind in TOLD if kind != 'post']
    flow.publish(STALLING)
    flow.silence_all_but_one(BATCH)
    for kind, reader in readers:
        items = reading.up_to(reader, flow.last)
        check.equal(flow.log.account(items, 0, kind), STALLING + BATCH, f'{kind}: how far')
        check_conflated(items, flow, kind)
        check.true(len(gaps_of(items)) >= 2, f'{kind}: {len(gaps_of(items))} gaps')


@testing.limit(60)
def test_latest_tells_that_a_newest_message_is_gone_too(case):
    """Topics that fell silent so long ago that nothing of them is retained."""
    server = case.start(*HISTORY, '--slow', 'latest')
    flow = several(case, server)
    readers = [(kind, stall(case, server, kind, flow.topics)) for kind in TOLD if kind != 'post']
    flow.publish(STALLING)
    flow.silence_all_but_one(STALLING)
    for kind, reader in readers:
        items = reading.up_to(reader, flow.last)
        check.equal(flow.log.account(items, 0, kind), 2 * STALLING, f'{kind}: how far it came')
        check.equal(len(gaps_of(items)), 1, f'{kind}: gaps')


def finish(server, topic):
    answer = http.ask(server, 'DELETE', f'/t/{topic}', [('Authorization', 'Bearer 5ecret')])
    check.equal(answer.status, 200, 'status of DELETE')


@testing.limit(60)
def test_a_finished_topic_ends_for_those_behind_a_gap_too(case):
    for policy in ('skip', 'latest'):
        server = case.start(*HISTORY, '--slow', policy, '--admin-token', case.file('5ecret'))
        flow = Flow(case, server, [case.topic])
        readers = [(kind, stall(case, server, kind, [case.topic])) for kind in TOLD]
        flow.publish(STALLING)
        finish(server, case.topic)
        for kind, reader in readers:
            (items, how), what = reading.to_the_end(reader), f'{policy}, {kind}'
            check.equal(flow.log.account(items, 0, what), STALLING, f'{what}: how far it came')
            check.equal(how, reading.ENDED if kind in STREAMS else 1000, f'{what}: how it ended')
            check.equal(items[-1].data, flow.last, f'{what}: the last message')


@testing.limit(60)
def test_latest_is_silent_on_a_raw_websocket(case):
    server = case.start(*HISTORY, '--slow', 'latest')
    flow = several(case, server)
    readers = [stall(case, server, RAW, [case.topic + '.a']) for _ in range(2)]
    all_of_them = [case.keep(websocket.Peer(server.port, receive_buffer=SMALL_BUFFER))
                   .open(subscriber.target(flow.topics, {'format': 'raw'})) for _ in range(2)]
    flow.publish(3 * STALLING)
    newest = [flow.log.payloads[index] for index in newest_of_each(flow)]
    own = [text for name, text in zip(flow.names, flow.log.payloads) if name.endswith('.a')]
    for reader in readers:
        check_silent(reader, own, own[-1:])
    for reader in all_of_them:
        check_silent(reader, flow.log.payloads, newest)
    flow.publish(BATCH)
    for reader in all_of_them:
        check.equal([reader.text() for _ in range(BATCH)], flow.log.payloads[-BATCH:], 'live ones')
    server.wait_metric(0, 'uproar_slow_closes_total')


def check_silent(reader, published, newest):
    """A beginning without holes, then the newest ones."""
    got = [reader.text()]
    while got[-1] != published[-1]:
        got.append(reader.text())
    count = len(got) - len(newest)
    check.true(0 < count < len(published) - len(newest), f'{count} before it lost its place')
    check.true(got[:count] == published[:count], 'what came before has holes')
    check.equal([text.rstrip('.') for text in got[count:]], [text.rstrip('.') for text in newest],
                'the newest')


@testing.limit(60)
def test_who_takes_nothing_at_all_is_reset_whatever_the_policy(case):
    """Five seconds after its loss was noticed; all servers at once, to wait only once. The kernel
    would let go of it too, after a heartbeat."""
    servers = [case.start(*HISTORY, '--slow', policy, '--heartbeat', 600)
               for policy in ('close', 'skip', 'latest')]
    kinds = ('sse', 'sse 1.0', 'websocket json', RAW)
    stalled = [[stall(case, server, kind, [case.topic]) for kind in kinds] for server in servers]
    for server in servers:
        Flow(case, server, [case.topic]).publish(STALLING)
    lost_at = time.monotonic()
    for server, readers in zip(servers, stalled):
        server.wait_connection_count(2, patience_s=15)  # who keeps up, and who asks
        server.wait_metric(0, 'uproar_pinned_bytes')
        for reader in readers:
            check.equal(reading.to_the_end(reader)[1], reading.RESET, 'how it ended')
    check.true(time.monotonic() - lost_at > 4, 'they were not given their five seconds')


def read_slowly(reader, last, seconds):
    """Reads with pauses for a while, and then up to the last one."""
    items, until = [], time.monotonic() + seconds
    while not items or isinstance(items[-1], envelope.Gap) or items[-1].data != last:
        items.append(reader.next())
        if time.monotonic() < until:
            time.sleep(0.01)
    return items


def publish_for(server, topics, last, seconds):
    """As fast as it goes; the last message is given. Returns the log."""
    log, until = reading.Log(), time.monotonic() + seconds
    while time.monotonic() < until:
        first = len(log.ids)
        texts = [text_of(index) for index in range(first, first + BATCH)]
        names = [topics[index % len(topics)] for index in range(BATCH)]
        log.add(http.publish_all(server, [(name, text.encode())
                                          for name, text in zip(names, texts)]), texts)
    log.add([http.publish(server, topics[0], last.encode())], [last])
    return log


@testing.limit(60)
def test_slow_readers_of_a_flood_have_everything_but_what_they_are_told(case):
    """They lose their place over and over, at any moment."""
    for policy in ('skip', 'latest'):
        server = case.start(*HISTORY, '--slow', policy, threads=3)
        topics = [f'{case.topic}.{letter}' for letter in 'abc']
        readers = [(kind, stall(case, server, kind, topics)) for kind in TOLD]
        followers = [testing.Background(read_slowly, reader, 'last', 2.5)
                     for _, reader in readers]
        log = publish_for(server, topics, 'last', 2)
        for (kind, _), follower in zip(readers, followers):
            items, what = follower.result(), f'{policy}, {kind}'
            check.equal(log.account(items, 0, what), len(log.ids), f'{what}: how far it came')
            check.true(gaps_of(items), f'{what}: it never lost its place')


@testing.limit(60)
def test_a_quiet_topic_beside_a_flood_is_neither_closed_nor_told_a_gap(case):
    for policy in ('skip', 'latest'):
        server, flow = start(case, policy)
        readers = [subscriber.open(case, kind, [f'{case.topic}.quiet'], at=server)
                   for kind in (*TOLD, RAW)]
        flow.publish(STALLING)
        http.publish(server, f'{case.topic}.quiet', b'at last')
        for reader in readers:
            subscriber.expect(reader, ['at last'], policy)
        server.wait_metric(0, 'uproar_gaps_total', reason='slow')
