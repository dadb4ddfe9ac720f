"""Subscribers of every transport behind one face: where a stream begins, its messages, its gaps.
Resumes nothing by itself and judges no order: that is the tests' part.
"""
import collections
import json
import re
import urllib.parse

from lib import check, envelope, http, sse, websocket

GAP_REASON = re.compile(r'^gap (\S+) (\S+)$')


def target(topics, query):
    """Where to subscribe to these topics and patterns. A single one is named in the path."""
    pairs = list(query.items())
    path = f'/t/{urllib.parse.quote(topics[0], safe="")}'
    if len(topics) > 1:
        path = '/t'
        pairs = [('topic', topic) for topic in topics] + pairs
    return f'{path}?{urllib.parse.urlencode(pairs)}' if pairs else path


def raw_form(topics):
    """For one plain topic it is the default."""
    is_plain = not any(level in ('*', '#') for topic in topics for level in topic.split('.'))
    return {} if len(topics) == 1 and is_plain else {'format': 'raw'}


class Events(sse.Stream):
    """Server-Sent Events. `start`: the id of the first block."""
    version = 'HTTP/1.1'

    def subscribe(self, topics, last_event_id=None, **query):
        fields = [] if last_event_id is None else [('Last-Event-ID', last_event_id)]
        self.open(target(topics, {**self.form(topics), **query}), fields, version=self.version)
        self.start = self.first.id
        return self

    def form(self, topics):
        return raw_form(topics)

    def next(self):
        event = self.event()
        if event.named and event.name == 'gap':
            gap = envelope.gap_of(envelope.members(event.data, 'a gap'))
            check.equal(event.id, gap.resumed, 'the id of a gap')
            return gap
        return self.message_of(event)

    def message_of(self, event):
        data = event.binary if event.name == 'binary' else event.data
        return envelope.Message(data, event.id, event=event.name if event.named else None)


class PlainEvents(Events):
    """The same without chunks."""
    version = 'HTTP/1.0'


class JsonEvents(Events):

    def form(self, topics):
        return {'format': 'json'}

    def message_of(self, event):
        message = envelope.message_from(event.data)
        check.equal(event.id, message.id, 'the id of the event and of its envelope')
        check.equal(event.name if event.named else None, message.event, 'event')
        return message


class PostedEvents(Events):
    """What fetch clients ask for with a body."""

    def subscribe(self, topics, last_event_id=None, **members):
        if 'last' in members:
            members['last'] = int(members['last'])
        fields = [('Accept', 'text/event-stream'), ('Content-Type', 'application/json')]
        fields += [] if last_event_id is None else [('Last-Event-ID', last_event_id)]
        body = json.dumps({'topics': topics, **self.form(topics), **members}).encode()
        self.open_with(http.request_bytes('POST', '/t', fields, body, port=self.port))
        self.start = self.first.id
        return self


class JsonPeer(websocket.Peer):
    """A WebSocket of envelopes. `start`: the cursor of `open`."""
    form = {'format': 'json'}
    fields = []

    def subscribe(self, topics, **query):
        self.open(target(topics, {**self.form, **query}), self.fields)
        first = envelope.members(self.text(), 'the first message')
        check.equal(list(first), ['open'], 'members of the first message')
        check.equal(list(first['open']), ['cursor'], 'members of open')
        self.start = first['open']['cursor']
        http.cursor(self.start)
        return self

    def next(self):
        text = self.text()
        found = envelope.members(text, 'a message')
        return envelope.gap_of(found['gap']) if list(found) == ['gap'] \
            else envelope.message_of(found)


class ProtocolPeer(JsonPeer):
    """The same, chosen by subprotocol."""
    form = {}
    fields = [('Sec-WebSocket-Protocol', 'uproar.json')]


class RawPeer(websocket.Peer):
    """A WebSocket of bare payloads. `start`: a field of the handshake's answer."""

    def subscribe(self, topics, **query):
        self.open(target(topics, {**raw_form(topics), **query}))
        self.start = self.opened.get('uproar-cursor')
        return self

    def next(self):
        try:
            opcode, data = self.message()
        except websocket.Closed as closed:
            if closed.code != 4410:
                raise
            found = check.matches(GAP_REASON, closed.reason, 'the reason of 4410')
            http.cursor(found[2])
            return envelope.Gap(found[1], found[2], None)
        return envelope.Message(data.decode() if opcode == websocket.TEXT else data)


class Poll(http.Connection):
    """Asks again and again. `start`: the cursor of the first answer, if that has no message."""
    fields = []

    def subscribe(self, topics, **query):
        self.topics = topics
        self.waiting = collections.deque()
        self.position = query.get('after')
        self.poll({'wait': 0, **query})
        self.start = None if self.waiting else self.position
        return self

    def poll(self, query):
        self.opened = self.ask('GET', target(self.topics, query), self.fields)
        check.one_of(self.opened.status, (200, 204, 410), f'status of a poll ({self.opened})')
        self.position = self.opened.get('uproar-cursor')
        http.cursor(self.position)
        check.equal(self.opened.get('etag'), f'"{self.position}"', 'ETag')
        if self.opened.status == 200:
            self.waiting.extend(self.messages())
        elif self.opened.status == 410:
            gap = envelope.gap_of(self.opened.json()['gap'])
            check.equal(self.position, gap.resumed, 'Uproar-Cursor of a gap')
            self.waiting.append(gap)

    def messages(self):
        listed = self.opened.json()
        check.lacks(self.opened.body.rstrip(b'\n'), b'\n', 'an array on one line')
        return [envelope.message_of(found) for found in listed]

    def next(self):
        while not self.waiting:
            self.poll({'after': self.position, 'wait': 5})
        return self.waiting.popleft()


class LinePoll(Poll):
    """The same with an envelope per line."""
    fields = [('Accept', 'application/x-ndjson')]

    def messages(self):
        check.matches(re.compile(r'^application/x-ndjson\b'), self.opened.get('content-type'),
                      'Content-Type')
        *lines, rest = self.opened.body.decode().split('\n')  # not splitlines(): U+2028 is no end
        check.equal(rest, '', 'a line without an end')
        return [envelope.message_from(line) for line in lines]


KINDS = {'sse': Events, 'sse 1.0': PlainEvents, 'sse json': JsonEvents, 'post': PostedEvents,
         'websocket json': JsonPeer, 'websocket protocol': ProtocolPeer, 'websocket raw': RawPeer,
         'poll': Poll, 'ndjson': LinePoll}
RESUMING_BY_HEADER = ('sse', 'sse 1.0', 'sse json', 'post')


def open(case, kind, topics, at=None, **query):
    """A subscriber that is closed behind the test."""
    wire = case.keep(KINDS[kind]((at or case.server).port))
    return wire.subscribe(topics, **query)


def expect(reader, expected, what):
    """Its next messages; a gap is a fault. `expected`: payloads."""
    got = []
    for _ in expected:
        item = reader.next()
        check.true(isinstance(item, envelope.Message), f'{what}: {item} where a message was due')
        got.append(item)
    check.equal([item.data for item in got], list(expected), what)
    return got


def expect_gap(reader, after, resumed, reason, what):
    """The next is that gap. Returns what to read on: a raw WebSocket is closed by it."""
    item = reader.next()
    check.true(isinstance(item, envelope.Gap), f'{what}: a gap was due, not {item}')
    check.equal((item.after, item.resumed), (after, resumed), f'{what}: after, resumed')
    check.one_of(item.reason, (reason, None), f'{what}: reason')
    return item
