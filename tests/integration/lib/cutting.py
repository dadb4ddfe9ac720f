"""A subscriber that is cut at random bytes again and again and resumes from what it had whole; and
the judge of what it has in the end. Starts no server and publishes nothing.
"""
import bisect
import contextlib
import threading
import time

from lib import check, envelope, http, subscriber, websocket

BUDGETS = (400, 3000, 20000)  # bytes until the next cut, at most: in a head, a frame, a batch
POLL_BUDGETS = (600, 10000, 60000)  # a cut answer is read from its beginning again
SMALL_BUFFER = 4096  # of some, so that the server's sends are cut too


class World:
    """What was published, told by the publishers' answers. Texts are all different."""

    def __init__(self):
        self.lock = threading.Condition()
        self.ids = {}     # text -> id
        self.topics = {}  # text -> topic

    def add(self, topic, ids):
        with self.lock:
            self.ids |= ids
            self.topics |= dict.fromkeys(ids, topic)
            self.lock.notify_all()

    def id_of(self, text):
        """A subscriber may have a message before its publisher has the answer."""
        with self.lock:
            known = self.lock.wait_for(lambda: text in self.ids, check.PATIENCE_S)
            check.true(known, f'a message that nobody published: {check.shown(text)}')
            return self.ids[text]

    def expected(self, topics, first):
        """[(sequence, text)] of these topics after that cursor, in order."""
        start = http.cursor(first)[1]
        found = [(http.cursor(given)[1], text) for text, given in self.ids.items()
                 if topics(self.topics[text])]
        return sorted(pair for pair in found if pair[0] > start)


class Reader:
    """One of them. `names`: what it subscribes to; `last`: the text behind which it is done."""

    def __init__(self, world, port, kind, names, last, chance):
        self.world = world
        self.port = port
        self.kind = kind
        self.names = names
        self.last = last
        self.chance = chance
        self.first = None   # the cursor from which on it has to have everything
        self.cursor = None  # behind the last item; None while only its text is known
        self.opened = None  # where a raw WebSocket was opened, until its first item
        self.items = []
        self.cuts = 0
        self.closes = 0     # by the server
        self.fruitless = 0  # connections in a row without a whole item
        self.is_done = False
        self.is_cut = True
        self.may_be_slow = False
        self.pause_max_s = 0  # between two connections
        self.stall_max_s = 0  # between two items, now and then

    def run(self):
        try:
            while not self.is_done:
                self.connect()
        except check.Failed as problem:
            raise check.Failed(f'{self}: {problem}') from problem
        return self

    def __repr__(self):
        return f'{self.kind} of {check.shown(self.names)} after {self.cuts} cuts'

    def position(self):
        """Where it resumes. A raw WebSocket tells no cursor: its publisher was told it."""
        if self.cursor is None and self.items:
            self.cursor = self.world.id_of(self.items[-1].data)
        return self.cursor

    def connect(self):
        before = len(self.items)
        is_small = self.is_cut and self.chance.random() < 0.3
        wire = subscriber.KINDS[self.kind](self.port,
                                           receive_buffer=SMALL_BUFFER if is_small else None)
        wire.budget = self.new_budget(wire)
        try:
            self.read(wire)
        except http.Cut:
            self.cuts += 1
        except (http.Ended, websocket.Closed, ConnectionResetError) as problem:
            self.closed(problem)
        finally:
            wire.reset() if self.chance.random() < 0.5 else wire.close()
        self.fruitless = self.fruitless + 1 if len(self.items) == before else 0
        time.sleep(self.chance.random() * self.pause_max_s)

    def new_budget(self, wire):
        """Larger after each connection that brought nothing, so that it gets on."""
        budgets = POLL_BUDGETS if isinstance(wire, subscriber.Poll) else BUDGETS
        limit = self.chance.choice(budgets) << self.fruitless
        return self.chance.randrange(1, limit) if self.is_cut else None

    def closed(self, problem):
        """Only who may be slow is let go of."""
        is_slow = not isinstance(problem, websocket.Closed) or problem.code == 1013
        if not (self.may_be_slow and is_slow):
            raise check.Failed(f'the server let it go: {problem!r}') from problem
        self.closes += 1

    def read(self, wire):
        position = self.position()
        query = {}
        if position is not None:
            by_header = self.kind in subscriber.RESUMING_BY_HEADER and self.chance.random() < 0.5
            query = {'last_event_id' if by_header else 'after': position}
        wire.subscribe(self.names, **query)
        if position is None:
            self.cursor = self.first = wire.start
        elif self.kind == 'websocket raw':
            self.opened = wire.start
        elif wire.start is not None:
            self.cursor = wire.start  # it may have been told to begin elsewhere
        while not self.is_done:
            item = wire.next()
            self.take(item)
            if self.stall_max_s and self.chance.random() < 0.05:
                time.sleep(self.chance.random() * self.stall_max_s)
            if isinstance(item, envelope.Gap) and self.kind == 'websocket raw':
                return  # that was its close

    def take(self, item):
        """Keeps an item and where it stands: only now it counts as had."""
        if isinstance(item, envelope.Gap):
            check.equal(item.after, self.before(item), 'the cursor behind which a gap begins')
            self.cursor = item.resumed
        else:
            self.cursor = item.id
            self.is_done = item.data == self.last
        self.opened = None
        self.items.append(item)

    def before(self, gap):
        """Where it stood. A raw WebSocket may have been opened further on, when nothing of its own
        lay between; only for a gap of the opening itself the opening tells what is behind it."""
        if self.opened is None or gap.resumed == self.opened:
            return self.position()
        return self.opened

    def judge(self, topics):
        """Every message of its topics is there once, in order, or lies in a gap that was told."""
        try:
            Judge(self, self.world.expected(topics, self.first)).run()
        except check.Failed as problem:
            raise check.Failed(f'{self}: {problem}') from problem

    @property
    def gaps(self):
        return [item for item in self.items if isinstance(item, envelope.Gap)]


class Judge:
    def __init__(self, reader, expected):
        self.reader = reader
        self.expected = expected
        self.sequences = [seq for seq, _ in expected]
        self.at = 0  # how many of the expected are accounted for
        self.seen = set()

    def run(self):
        for item in self.reader.items:
            self.gap(item) if isinstance(item, envelope.Gap) else self.message(item)
        check.equal(self.at, len(self.expected), 'messages accounted for')

    def message(self, message):
        check.true(message.data not in self.seen, f'{message} came twice')
        self.seen.add(message.data)
        check.true(self.at < len(self.expected), f'{message} was not due, nor anything else')
        seq, text = self.expected[self.at]
        check.equal(message.data, text, f'message {self.at}, sequence {seq}')
        if message.id:
            check.equal(message.id, self.reader.world.ids[text], 'the id its publisher was told')
        if message.topic:
            check.equal(message.topic, self.reader.world.topics[text], 'topic')
        self.at += 1

    def gap(self, gap):
        """It has to cover something of its own, all of which is still to come."""
        after, resumed = http.cursor(gap.after)[1], http.cursor(gap.resumed)[1]
        had = self.sequences[self.at - 1] if self.at else 0
        check.true(had <= after < resumed, f'{gap} behind sequence {had}')
        behind = bisect.bisect_right(self.sequences, resumed)
        check.true(behind > self.at, f'{gap}, but nothing of its own was missing')
        check.true(gap.reason != 'epoch', f'{gap} in one epoch')
        self.at = behind


@contextlib.contextmanager
def told(seed):
    """What fails inside says with which seed."""
    try:
        yield
    except check.Failed as problem:
        raise check.Failed(f'seed {seed}: {problem}') from problem
