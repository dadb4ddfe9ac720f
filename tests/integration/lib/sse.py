"""An event stream's peer (WHATWG HTML, 9.2) on a raw socket, in both framings.
Keeps comments and raw lines too, because what EventSource ignores is part of the contract here.
"""
import base64
import collections
import re

from lib import check, http



class Event:
    """One block of the stream: what stood between two blank lines."""

    def __init__(self, lines):
        self.lines = lines
        self.id = self.retry = None
        self.name = 'message'
        self.named = False
        data = []
        for line in lines:
            field, _, value = line.partition(':')
            self.add(field, value[1:] if value.startswith(' ') else value, data)
        self.data = '\n'.join(data) if data else None

    def add(self, field, value, data):
        check.one_of(field, ('id', 'event', 'data', 'retry'), 'a field')
        if field == 'data':
            data.append(value)
        elif field == 'id':
            check.true('\0' not in value, 'NUL in an id')
            self.id = value
        elif field == 'event':
            self.name, self.named = value, True
        else:
            check.true(re.fullmatch(r'\d+', value), f'retry: {value}')
            self.retry = int(value)

    @property
    def binary(self):
        return base64.b64decode(self.data, validate=True)

    def __repr__(self):
        return f'event({check.shown(self.lines)})'


class Stream(http.Connection):
    """After open() a stream of events; before that an HTTP connection."""

    def open(self, target, fields=(), method='GET', version='HTTP/1.1'):
        """Asks, judges the head, and reads the first block."""
        fields = [('Accept', 'text/event-stream'), *fields]
        return self.open_with(http.request_bytes(method, target, fields, port=self.port,
                                                 version=version))

    def open_with(self, request):
        """The same with a request of one's own making."""
        self.send(request)
        self.opened = self.head()
        check.equal(self.opened.status, 200, f'status of the stream ({self.opened})')
        self.begin()
        self.first = self.block()
        return self

    def begin(self):
        """What the head says about framing."""
        check.matches(re.compile(r'^text/event-stream(;\s*charset=utf-8)?$', re.I),
                      self.opened.get('content-type'), 'Content-Type')
        check.equal(self.opened.get('content-length'), None, 'Content-Length of a stream')
        self.is_chunked = self.opened.get('transfer-encoding') is not None
        if self.is_chunked:
            check.equal(self.opened.get('transfer-encoding'), 'chunked', 'Transfer-Encoding')
        self.decoded = b''  # without an end of line so far
        self.whole_lines = collections.deque()
        self.comments = []
        self.lines = []
        self.over = False

    def more(self):
        """Decodes further bytes. False: the stream ended, and ended well."""
        if self.over:
            return False
        if self.is_chunked:
            data = self.chunk()
            self.over = not data
        elif not self.buffer and not self.fill():
            data, self.over = b'', True
        else:
            data, self.buffer = self.buffer, b''
        *whole, self.decoded = (self.decoded + data).split(b'\n')
        self.whole_lines.extend(whole)
        return not self.over

    def line(self):
        """The next line, or None at the end of the stream."""
        while not self.whole_lines:
            if not self.more():
                check.equal(self.decoded, b'', 'a line without an end before the end of the stream')
                return None
        raw = self.whole_lines.popleft()
        check.lacks(raw.rstrip(b'\r'), b'\r', 'a line')
        return raw.rstrip(b'\r').decode()

    def step(self):
        """Reads one line: returns a finished block, or None; at the end raises Ended."""
        line = self.line()
        if line is None:
            check.equal(self.lines, [], 'an unfinished block at the end of the stream')
            raise http.Ended('the stream of events ended')
        if line == '':
            lines, self.lines = self.lines, []
            return Event(lines)
        if line.startswith(':'):
            check.equal(self.lines, [], 'a comment in the middle of an event')
            self.comments.append(line)
        else:
            self.lines.append(line)
        return None

    def block(self):
        while True:
            event = self.step()
            if event:
                return event

    def event(self):
        """The next event; blocks that dispatch nothing are a fault here."""
        event = self.block()
        check.true(event.data is not None, f'a block without data: {event}')
        http.cursor(event.id)
        return event

    def comment(self):
        """The next comment; an event before it is a fault."""
        while not self.comments:
            check.equal(self.step(), None, 'a comment was due')
        return self.comments.pop(0)

    def expect_end(self):
        """The stream ends so that EventSource reconnects, and the connection with it."""
        check.equal(self.line(), None, 'the end of the stream was due')
        check.equal(self.ends(), b'', 'bytes after the stream')


def connect(server, topic, fields=(), query='', version='HTTP/1.1', **how):
    """A stream of that topic (which needs no escaping), past its first block."""
    stream = Stream(server.port, **how)
    try:
        return stream.open(f'/t/{topic}{query}', fields, version=version)
    except BaseException:
        stream.close()
        raise
