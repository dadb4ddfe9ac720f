"""A long-poll's peer: one answer at a time, its head judged, arrays and lines read alike.
Goes on from nowhere by itself: what asks again and again is subscriber.Poll, and the tests.
"""
import re

from lib import check, envelope, http, subscriber

NDJSON = 'application/x-ndjson'
JSON_TYPE = re.compile(r'^application/json\b')
LINES_TYPE = re.compile(r'^application/x-ndjson\b')


class Answer:
    """What a poll was given. Without any message `messages` is empty; `gap` comes with 410."""

    def __init__(self, response):
        self.response = response
        self.status = response.status
        check.one_of(self.status, (200, 204, 304, 410), f'status of a poll ({response})')
        check.true(response.has_token('cache-control', 'no-store'), f'no no-store: {response}')
        self.cursor = response.get('uproar-cursor')
        http.cursor(self.cursor)
        check.equal(response.get('etag'), f'"{self.cursor}"', 'ETag')
        self.messages = messages_of(response) if self.status == 200 else []
        self.gap = gap_of(response) if self.status == 410 else None

    @property
    def data(self):
        return [message.data for message in self.messages]

    def __repr__(self):
        return f'answer({self.response})'


def messages_of(response):
    if LINES_TYPE.match(response.get('content-type') or ''):
        check.true(not response.body or response.body.endswith(b'\n'), 'the last line has no end')
        return [envelope.message_from(line) for line in response.body.decode().splitlines()]
    check.matches(JSON_TYPE, response.get('content-type'), 'Content-Type')
    check.lacks(response.body.rstrip(b'\n'), b'\n', 'an array on one line')
    listed = response.json()
    check.true(isinstance(listed, list), f'no array: {response}')
    return [envelope.message_of(found) for found in listed]


def gap_of(response):
    found = response.json()
    check.equal(list(found), ['gap'], 'members of a 410')
    gap = envelope.gap_of(found['gap'])
    check.equal(response.get('uproar-cursor'), gap.resumed, 'Uproar-Cursor of a gap')
    return gap


def request(topics, fields=(), port=0, version='HTTP/1.1', **query):
    """A poll of these topics and patterns, as bytes."""
    target = subscriber.target(list(topics), query)
    return http.request_bytes('GET', target, fields, port=port, version=version)


def tagged(cursor):
    return [('If-None-Match', f'"{cursor}"')]


class Poller(http.Connection):

    def begin(self, *topics, **how):
        """Asks. how: see request()."""
        self.send(request(topics, port=self.port, **how))
        return self

    def finish(self):
        """Reads the answer."""
        return Answer(self.answer())

    def poll(self, *topics, **how):
        return self.begin(*topics, **how).finish()

    def is_waiting(self):
        """No answer so far."""
        return self.is_open() and not self.buffer


def connect(case, at=None, **how):
    """A poller that is closed behind the test."""
    return case.keep(Poller((at or case.server).port, **how))


def wait_waiting(server, count):
    """Returns when so many polls wait."""
    server.wait_metric(count, 'uproar_connections', proto='poll')


def follow(wire, topics, after, total, is_tagged=False, fields=()):
    """Asks on, always from the cursor of the answer, until it has so many messages."""
    got = []
    while len(got) < total:
        place = {} if is_tagged else {'after': after}
        answer = wire.poll(*topics, fields=[*fields, *(tagged(after) if is_tagged else [])],
                           wait=5, **place)
        check.true(answer.gap is None, f'a gap: {answer.gap}')
        check.true(answer.status == 200 or not got or is_later(answer.cursor, got[-1].id),
                   f'it went back behind {got[-1:]}: {answer}')
        got += answer.messages
        after = answer.cursor
    return got


def is_later(cursor, than):
    """Or the same."""
    return http.cursor(cursor) >= http.cursor(than)
