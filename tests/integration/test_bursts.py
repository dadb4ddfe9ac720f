"""Thousands of messages while subscribers of every transport are cut at random bytes: each has each
message once and in order, or was told the gap. lib/cutting.py has the subscribers and the judge.
"""
import os
import random
import threading
import time

from lib import check, cutting, envelope, holding, http, subscriber, testing, websocket

THREADS = 3
PIPELINE = 20
PLACES = [28, 14, 0, 29]  # in the 30 messages that a reactor is behind, later ones first
PUSHED = [kind for kind in subscriber.KINDS if kind not in ('poll', 'ndjson')]


def new_seed():
    """UPROAR_TEST_SEED repeats a run as far as threads allow."""
    return int(os.environ.get('UPROAR_TEST_SEED') or int.from_bytes(os.urandom(4), 'big'))


class Burst:
    """One server, its publishers and readers."""

    def __init__(self, case, seed, *flags):
        self.case = case
        self.seed = seed
        self.server = case.start(*flags, threads=THREADS)
        self.world = cutting.World()
        self.topics = [f'{case.topic}.{name}' for name in ('one', 'two', 'quiet', 'socket')]
        self.readers = []
        self.running = []

    def chance(self, *names):
        return random.Random(f'{self.seed} {names}')

    def end_of(self, topic):
        return f'end of {topic}'

    def add_reader(self, kind, names, matched, **how):
        """`matched`: what of self.topics these names match."""
        last = [topic for topic in self.topics if topic in matched][-1]
        reader = cutting.Reader(self.world, self.server.port, kind, names, self.end_of(last),
                                self.chance('reader', len(self.readers)))
        for name, value in how.items():
            setattr(reader, name, value)
        self.readers.append((reader, set(matched)))
        return reader

    def start_readers(self):
        self.running = [testing.Background(reader.run) for reader, _ in self.readers]

    def text(self, chance, name, index):
        """Mostly short, now and then longer than a frame's short length or a socket buffer."""
        size = chance.choices((20, 200, 5000, 70000), (80, 17, 2.8, 0.2))[0]
        return f'{name}-{index}'.ljust(chance.randrange(size), '.')

    def publish_http(self, name, topics, count):
        """In pipelines on one connection, over random ones of the topics."""
        chance = self.chance(name)
        with http.Connection(self.server.port) as connection:
            for first in range(0, count, PIPELINE):
                texts = {self.text(chance, name, index): chance.choice(topics)
                         for index in range(first, first + PIPELINE)}
                connection.send(b''.join(
                    http.request_bytes('POST', f'/t/{topic}', [], text.encode(),
                                       port=connection.port) for text, topic in texts.items()))
                for text, topic in texts.items():
                    given = http.published(connection.answer('POST'), topic)
                    self.world.add(topic, {text: given})

    def publish_websocket(self, name, topic, count):
        """Its own messages come back with their ids, among those of others."""
        chance = self.chance(name)
        with subscriber.JsonPeer(self.server.port) as peer:
            peer.subscribe([topic])
            for first in range(0, count, PIPELINE):
                texts = {self.text(chance, name, index)
                         for index in range(first, first + PIPELINE)}
                peer.send(b''.join(websocket.frame_bytes(websocket.TEXT, text.encode())
                                   for text in sorted(texts)))
                while texts:
                    message = peer.next()
                    if message.data in texts:
                        texts.remove(message.data)
                        self.world.add(topic, {message.data: message.id})

    def publish_ends(self):
        for topic in self.topics:
            text = self.end_of(topic)
            self.world.add(topic, {text: http.publish(self.server, topic, text.encode())})

    def finish(self, publishers):
        for publisher in publishers:
            publisher.result()
        self.publish_ends()
        for background in self.running:
            background.result()
        for reader, matched in self.readers:
            reader.judge(matched.__contains__)
        return [reader for reader, _ in self.readers]


    def hold_in_turn(self, until):
        """Holds up one reactor after the other for a moment each, until then."""
        chance = self.chance('holder')
        threads = holding.reactor_threads(self.server)
        while not until.is_set():
            with holding.held(chance.choice(threads), anywhere=chance.random() < 0.5):
                time.sleep(chance.uniform(0.005, 0.06))
            time.sleep(chance.uniform(0, 0.02))

    def while_held_in_turn(self, work):
        until = threading.Event()
        holder = testing.Background(self.hold_in_turn, until)
        try:
            return work()
        finally:
            until.set()
            holder.result()


def add_readers(burst, kinds=subscriber.KINDS, **how):
    """Every transport, of one topic, of several, and of patterns; the same ones more than once, at
    different places."""
    one, two, quiet, socket = burst.topics
    for index, kind in enumerate(kinds):
        burst.add_reader(kind, [one], [one], **how)
        burst.add_reader(kind, [f'{burst.case.topic}.*'], burst.topics, **how)
        if index % 2:
            burst.add_reader(kind, [two, quiet, socket], [two, quiet, socket], **how)
        else:
            burst.add_reader(kind, [one], [one], **how)


def publish(burst, scale, with_websocket):
    """Starts the publishers: two pipelines, one that says little, and a WebSocket."""
    one, two, quiet, socket = burst.topics
    publishers = [testing.Background(burst.publish_http, 'a', [one, two], scale),
                  testing.Background(burst.publish_http, 'b', [one, two, socket], scale),
                  testing.Background(burst.publish_http, 'c', [quiet], 40)]
    if with_websocket:
        publishers.append(testing.Background(burst.publish_websocket, 'd', socket, scale // 2))
    return publishers


def run_exact(burst, scale):
    """Everything is retained, so nobody misses anything or is let go."""
    add_readers(burst)
    burst.start_readers()
    readers = burst.finish(publish(burst, scale, with_websocket=True))
    check.equal([reader for reader in readers if reader.gaps], [], 'readers with gaps')
    check.true(sum(reader.cuts for reader in readers) > 50, f'too few cuts: {readers}')


def run_trimmed(burst, scale, kinds=subscriber.KINDS, **how):
    """The history is tiny: readers miss a lot, and are told exactly what."""
    add_readers(burst, kinds, **{'may_be_slow': True, 'pause_max_s': 0.04, **how})
    burst.start_readers()
    readers = burst.finish(publish(burst, scale, with_websocket=False))
    told = {reader.kind for reader in readers if reader.gaps}
    check.true(len(told) > 4, f'too few were told a gap, only {told}')


@testing.limit(90)
def test_readers_that_are_cut_at_random_bytes_have_everything_once_and_in_order(case):
    seed = new_seed()
    with cutting.told(seed):
        run_exact(Burst(case, seed), 2000)


@testing.limit(90)
def test_so_have_they_while_one_reactor_after_the_other_is_held_up(case):
    seed = new_seed()
    with cutting.told(seed):
        burst = Burst(case, seed)
        burst.while_held_in_turn(lambda: run_exact(burst, 400))


@testing.limit(90)
def test_with_a_tiny_history_readers_are_told_exactly_what_they_missed(case):
    seed = new_seed()
    with cutting.told(seed):
        run_trimmed(Burst(case, seed, '--history-messages', 200), 2000)


@testing.limit(90)
def test_so_are_they_while_one_reactor_after_the_other_is_held_up(case):
    seed = new_seed()
    with cutting.told(seed):
        burst = Burst(case, seed, '--history-messages', 50)
        burst.while_held_in_turn(lambda: run_trimmed(burst, 400))


def run_stalled(case, policy, kinds):
    """Some stop reading for a moment; nobody is let go for it."""
    seed = new_seed()
    with cutting.told(seed):
        burst = Burst(case, seed, '--history-messages', 50, '--slow', policy)
        run_trimmed(burst, 1000, kinds, may_be_slow=False, stall_max_s=0.05)


@testing.limit(90)
def test_so_are_they_when_slow_ones_skip(case):
    run_stalled(case, 'skip', subscriber.KINDS)


@testing.limit(90)
def test_so_are_they_when_slow_ones_have_only_the_latest(case):
    """But for raw WebSockets, which are not told."""
    run_stalled(case, 'latest', [kind for kind in subscriber.KINDS if kind != 'websocket raw'])


@testing.limit(60)
def test_who_listens_to_a_quiet_topic_notices_nothing_of_a_burst(case):
    """Neither a gap nor a close, however much is trimmed around its few messages."""
    seed = new_seed()
    with cutting.told(seed):
        burst = Burst(case, seed, '--history-messages', 50)
        quiet = burst.topics[2]
        for kind in PUSHED:
            burst.add_reader(kind, [quiet], [quiet], is_cut=False)
        burst.start_readers()
        readers = burst.finish(publish(burst, 2000, with_websocket=False))
        check.equal([reader for reader in readers if reader.gaps], [], 'readers with gaps')


def connect_idle(case, server, count):
    """Connections of every transport, known to their reactors, that subscribe to nothing yet."""
    wires = [(kind, case.keep(subscriber.KINDS[kind](server.port)))
             for kind in subscriber.KINDS for _ in range(count)]
    for _, wire in wires:
        check.equal(wire.ask('GET', '/healthz').status, 200, 'status')
    return wires


def running_publisher(case, server):
    """A connection on a reactor that is not held up: it is answered."""
    for _ in range(50):
        connection = case.connection(at=server)
        connection.socket.settimeout(0.2)
        try:
            connection.ask('GET', '/healthz')
            connection.socket.settimeout(check.PATIENCE_S)
            return connection
        except check.Failed:
            connection.close()
    return check.fail('no reactor answers while one is held up')


def publish_on(connection, topic, texts):
    answers = [connection.ask('POST', f'/t/{topic}', [], text.encode()) for text in texts]
    return [http.published(answer, topic) for answer in answers]


class Ahead:
    """The log is 30 messages ahead of a reactor that is held up, when subscribers ask it."""
    TEXTS = [str(index) for index in range(30)]

    def __init__(self, case, *flags):
        self.case = case
        self.server = case.start(*flags, threads=THREADS)

    def ask(self, topic, topics, query_of):
        """[(kind, wire, its place)]: all ask while each reactor in turn is held up. query_of gives
        the query for a place, and the ids."""
        for thread in holding.reactor_threads(self.server):
            wires = connect_idle(self.case, self.server, len(PLACES))
            with holding.held(thread):
                ids = publish_on(running_publisher(self.case, self.server), topic, self.TEXTS)
                asked = [(kind, place, testing.Background(
                    lambda wire=wire, place=place: wire.subscribe(topics, **query_of(ids, place))))
                    for (kind, wire), place in zip(wires, PLACES * len(wires))]
                time.sleep(0.05)  # so that they have asked; nothing else depends on it
            yield [(kind, place, each.result()) for kind, place, each in asked]


def check_behind_reactor(case, topic, topics):
    """All resume exactly, from cursors that the reactor had not seen when it was asked."""
    ahead = Ahead(case)
    for asked in ahead.ask(topic, topics, lambda ids, place: {'after': ids[place]}):
        http.publish(ahead.server, topic, b'live')
        for kind, place, reader in asked:
            subscriber.expect(reader, [*Ahead.TEXTS[place + 1:], 'live'], f'{kind} after {place}')
            reader.close()


def test_a_reactor_that_is_held_behind_resumes_from_cursors_it_has_not_seen_yet(case):
    check_behind_reactor(case, case.topic, [case.topic])


def test_so_does_it_for_several_topics_and_patterns(case):
    check_behind_reactor(case, f'{case.topic}.b', [f'{case.topic}.a', f'{case.topic}.b'])
    check_behind_reactor(case, f'{case.topic}.b', [f'{case.topic}.*'])


def test_a_reactor_that_is_held_behind_knows_what_now_is(case):
    """What was acknowledged before a newcomer asked is not new."""
    ahead = Ahead(case)
    for asked in ahead.ask(case.topic, [case.topic], lambda *_: {}):
        given = http.publish(ahead.server, case.topic, b'live')
        for kind, _, reader in asked:
            check.equal(beyond(reader.start, 1), given, f'{kind}: where it begins')
            subscriber.expect(reader, ['live'], kind)
            reader.close()


def read_until(reader, text):
    texts = [reader.next().data]
    while texts[-1] != text:
        texts.append(reader.next().data)
    return texts


def test_a_reactor_that_is_held_behind_has_at_least_the_newest(case):
    """It may not know the newest yet: then what follows comes too, but nothing is left out."""
    ahead, order = Ahead(case), []
    for asked in ahead.ask(case.topic, [case.topic], lambda _, place: {'last': place // 7}):
        live = f'live {len(order)}'
        http.publish(ahead.server, case.topic, live.encode())
        order += [*Ahead.TEXTS, live]
        for kind, place, reader in asked:
            got = read_until(reader, live)
            check.equal(got, order[-len(got):], f'{kind} with last={place // 7}')
            check.true(len(got) > place // 7, f'{kind}: {len(got) - 1} of the last {place // 7}')
            check.true(place // 7 or len(got) == 1, f'{kind}: with last=0 {len(got) - 1} came')
            reader.close()


def beyond(cursor, distance):
    epoch, seq = http.cursor(cursor)
    return f'{epoch}-{seq + distance}'


def test_a_reactor_that_is_held_behind_knows_future_cursors(case):
    """They are a gap there too, though it has not seen the head of the log."""
    ahead = Ahead(case)
    for asked in ahead.ask(case.topic, [case.topic], lambda ids, _: {'after': beyond(ids[-1], 1)}):
        for kind, _, reader in asked:
            gap = reader.next()
            check.true(isinstance(gap, envelope.Gap), f'{kind}: {gap} where a gap was due')
            check.equal(http.cursor(gap.resumed)[1], 0, f'{kind}: resumed')
            reader.close()


def test_a_cursor_is_good_on_all_reactors_as_soon_as_it_is_told(case):
    """Each cursor of a burst is used at once on connections all over the server."""
    server = case.start(threads=THREADS)
    until = threading.Event()
    noise = [testing.Background(make_noise, server, f'{case.topic}.noise{index}', until)
             for index in range(2)]
    publisher = case.connection(at=server)
    try:
        given = publish_on(publisher, case.topic, ['first'])[0]
        for index in range(12):
            wires = [(kind, case.keep(subscriber.KINDS[kind](server.port)))
                     for kind in [*subscriber.KINDS, *subscriber.KINDS]]
            given = publish_on(publisher, case.topic, [f'{index}'])[0]
            readers = [(kind, wire.subscribe([case.topic], after=given)) for kind, wire in wires]
            publish_on(publisher, case.topic, ['x', 'y'])
            for kind, reader in readers:
                subscriber.expect(reader, 'xy', f'{kind} in round {index}')
                reader.close()
    finally:
        until.set()
    check.true(all(each.result() > 100 for each in noise), 'the burst was none')


def make_noise(server, topic, until):
    count = 0
    while not until.is_set():
        count += len(http.publish_all(server, [(topic, b'x' * 200)] * PIPELINE))
    return count
