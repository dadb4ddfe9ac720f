"""An HTTP/1.1 peer on a raw socket: any bytes out, cut anywhere; answers read strictly.
Never retries, follows or repairs anything: what a lenient client would hide is what is tested.
"""
import json
import re
import socket
import struct
import time

from lib import check

STATUS_LINE = re.compile(rb'^HTTP/1\.([01]) ([1-5]\d\d) ([\x20-\x7e]*)$')
FIELD = re.compile(rb"^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$")
WITHOUT_BODY = (204, 304)


class Ended(Exception):
    """The peer closed where more bytes were due."""


class Cut(Exception):
    """So many bytes were to be read, and they have been."""


class Response:
    def __init__(self, minor, status, reason, fields):
        self.minor = minor
        self.status = status
        self.reason = reason
        self.fields = fields  # [(lower-case name, value)], in order
        self.body = b''

    def all(self, name):
        return [value for key, value in self.fields if key == name]

    def get(self, name):
        """The field's value, or None. Two of one name where one is due is a fault."""
        values = self.all(name)
        check.true(len(values) <= 1, f'{len(values)} fields named {name}: {values}')
        return values[0] if values else None

    def has_token(self, name, token):
        listed = ','.join(self.all(name)).lower().split(',')
        return token.lower() in [item.strip() for item in listed]

    def json(self):
        check.matches(re.compile(r'^application/json\b'), self.get('content-type'), 'Content-Type')
        try:
            return json.loads(self.body)
        except ValueError as problem:
            raise check.Failed(f'not JSON ({problem}): {check.shown(self.body)}') from problem

    def __repr__(self):
        return f'{self.status} {self.fields} {check.shown(self.body)}'


class Wire:
    """A TCP connection with a read buffer. Every wait is bounded."""

    def __init__(self, port, host='127.0.0.1', timeout=check.PATIENCE_S, receive_buffer=None):
        self.port = port
        self.buffer = b''
        self.budget = None  # how many bytes are still to be read before it is cut; None: all
        family = socket.AF_INET6 if ':' in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:  # only before connect() does it bound the advertised window
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect((host, port))
            # Without this the kernel joins the pieces that a test has cut on purpose.
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_pieces(self, pieces, pause_s=0.001):
        """The pause makes it likely that the server receives them apart; nothing depends on it."""
        for piece in pieces:
            if piece:
                self.send(piece)
                time.sleep(pause_s)

    def fill(self):
        """Adds what has arrived to the buffer. False at the end of the stream."""
        if self.budget == 0:
            raise Cut
        try:
            data = self.socket.recv(65536 if self.budget is None else min(65536, self.budget))
        except socket.timeout as slow:
            raise check.Failed(f'nothing came for {self.socket.gettimeout()} s; '
                               f'so far: {check.shown(self.buffer)}') from slow
        self.buffer += data
        if self.budget is not None:
            self.budget -= len(data)
        return bool(data)

    def take(self, count):
        while len(self.buffer) < count:
            if not self.fill():
                raise Ended(f'the stream ended {count - len(self.buffer)} bytes early')
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def take_until(self, mark):
        """Up to and including the mark."""
        at = 0
        while True:
            found = self.buffer.find(mark, at)
            if found >= 0:
                return self.take(found + len(mark))
            at = max(0, len(self.buffer) - len(mark) + 1)
            if not self.fill():
                raise Ended(f'the stream ended before {mark!r}: {check.shown(self.buffer)}')

    def take_rest(self):
        """All there is up to the end of the stream, which has to come."""
        while self.fill():
            pass
        data, self.buffer = self.buffer, b''
        return data

    def ends(self):
        """Reads up to the end and returns what came; a reset counts as an end."""
        try:
            return self.take_rest()
        except ConnectionResetError:
            data, self.buffer = self.buffer, b''
            return data

    def is_open(self):
        """Neither an end nor a reset so far. Does not wait, so it proves nothing about later."""
        self.socket.setblocking(False)
        try:
            data = self.socket.recv(65536)
            self.buffer += data
            return bool(data)
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            self.socket.settimeout(check.PATIENCE_S)

    def end_output(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()


class Connection(Wire):
    """A connection that asks and reads answers."""

    def ask(self, method, target, fields=(), body=None, **how):
        """Sends a request and reads its answer."""
        self.send(request_bytes(method, target, fields, body, port=self.port, **how))
        return self.answer(method)

    def head(self):
        raw = self.take_until(b'\r\n\r\n')
        status_line, *lines = raw[:-4].split(b'\r\n')
        status = STATUS_LINE.match(status_line)
        check.true(status, f'not a status line: {check.shown(status_line)}')
        return Response(int(status[1]), int(status[2]), status[3].decode(),
                        [field_from(line) for line in lines])

    def answer(self, method='GET'):
        """Reads one answer, an interim one (1xx) included."""
        response = self.head()
        length, coding = response.get('content-length'), response.get('transfer-encoding')
        check.true(length is None or coding is None,
                   f'Content-Length and Transfer-Encoding together: {response}')
        if response.status < 200 or response.status in WITHOUT_BODY:
            check.true(length is None and coding is None, f'a length without a body: {response}')
        elif method != 'HEAD':
            response.body = self.body(length, coding)
        return response

    def body(self, length, coding):
        if coding is not None:
            check.equal(coding, 'chunked', 'Transfer-Encoding')
            return b''.join(self.chunks())
        if length is not None:
            check.true(re.fullmatch(r'\d+', length), f'Content-Length: {length}')
            return self.take(int(length))
        return self.take_rest()

    def chunk(self):
        """The next chunk's bytes; empty: the last one, with the end of the body."""
        size = self.take_until(b'\r\n')[:-2]
        check.true(re.fullmatch(rb'[0-9A-Fa-f]+', size), f'not a chunk size: {check.shown(size)}')
        data = self.take(int(size, 16))
        check.equal(self.take(2), b'\r\n', 'the end of a chunk')
        return data

    def chunks(self):
        while data := self.chunk():
            yield data


def field_from(line):
    match = FIELD.match(line)
    check.true(match, f'not a header line: {check.shown(line)}')
    return match[1].decode().lower(), match[2].decode()


def chunked(body, sizes=()):
    """The body in chunked framing; sizes: of the first chunks, the rest is one."""
    out, at = b'', 0
    for size in [*sizes, len(body)]:
        piece = body[at:at + size]
        at += size
        if piece:
            out += b'%x\r\n%b\r\n' % (len(piece), piece)
    return out + b'0\r\n\r\n'


def request_bytes(method, target, fields=(), body=None, port=0, version='HTTP/1.1', host=None):
    """A request as bytes. Host and Content-Length are added unless `fields` has them."""
    named = {name.lower() for name, _ in fields}
    lines = [f'{method} {target} {version}']
    if 'host' not in named:
        lines.append(f'Host: {host or f"127.0.0.1:{port}"}')
    lines += [f'{name}: {value}' for name, value in fields]
    if body is not None and not named & {'content-length', 'transfer-encoding'}:
        lines.append(f'Content-Length: {len(body)}')
    return '\r\n'.join([*lines, '', '']).encode('latin-1') + (body or b'')


def ask(server, method, target, fields=(), body=None, **how):
    """One request on a connection of its own."""
    with Connection(server.port) as connection:
        return connection.ask(method, target, fields, body, **how)


CURSOR = re.compile(r'^([0-9a-f]{16})-(0|[1-9]\d*)$')


def cursor(text):
    """(epoch, sequence) of a cursor, which has to look like one."""
    found = check.matches(CURSOR, text, 'a cursor')
    return found[1], int(found[2])


def published(response, topic=None):
    """The id that a 201 names."""
    check.equal(response.status, 201, f'status of a publish ({response})')
    answer = response.json()
    check.equal(list(answer), ['id', 'topic'], 'members of the 201 body')
    cursor(answer['id'])
    if topic is not None:
        check.equal(answer['topic'], topic, 'topic in the 201 body')
    return answer['id']


def publish(server, topic, body, fields=(), query=''):
    """Publishes over a connection of its own and returns the id. The topic needs no escaping."""
    return published(ask(server, 'POST', f'/t/{topic}{query}', fields, body), topic)


def publish_all(server, messages, pipeline=50, is_escaped=False):
    """Publishes (topic, body) after (topic, body) on one connection, so that their order is fixed;
    returns their ids. The topics need no escaping, or are escaped."""
    ids = []
    with Connection(server.port) as connection:
        for first in range(0, len(messages), pipeline):
            some = messages[first:first + pipeline]
            connection.send(b''.join(request_bytes('POST', f'/t/{topic}', [], body,
                                                   port=server.port) for topic, body in some))
            ids += [published(connection.answer('POST'), None if is_escaped else topic)
                    for topic, _ in some]
    return ids


def error(response, status, name=None):
    """The message of an error answer, which has to be JSON of the agreed shape."""
    check.equal(response.status, status, f'status ({response})')
    answer = response.json()
    check.true({'error', 'message'} <= set(answer), f'members of an error: {answer}')
    check.true(re.fullmatch(r'[a-z][a-z0-9_]*', answer['error']), f'error: {answer["error"]!r}')
    check.true(len(answer['message']) > 0, 'an empty message')
    if name is not None:
        check.equal(answer['error'], name, 'error')
    return answer['message']
