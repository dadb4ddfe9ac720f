"""A WebSocket peer (RFC 6455) with control over every bit it sends; what it receives is judged.
Replies to nothing by itself: a test that wants a pong or a close sent, sends it.
"""
import base64
import hashlib
import os
import struct

from lib import check, http

GUID = b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Closed(check.Failed):
    """The server closed, in words, where a message was due."""

    def __init__(self, payload):
        self.code, self.reason = close_from(payload)
        super().__init__(f'a message was due, but the server closed: {self.code} {self.reason!r}')


class Frame:
    def __init__(self, fin, opcode, payload, rsv=0):
        self.fin = fin
        self.opcode = opcode
        self.payload = payload
        self.rsv = rsv

    def __repr__(self):
        return f'frame(fin={self.fin}, opcode={self.opcode}, {check.shown(self.payload, 80)})'


def mask_bytes(payload, key):
    if not payload:
        return b''
    repeated = (key * (len(payload) // 4 + 1))[:len(payload)]
    mixed = int.from_bytes(payload, 'big') ^ int.from_bytes(repeated, 'big')
    return mixed.to_bytes(len(payload), 'big')


def length_bytes(length, masked, size=None):
    """size: 7, 16 or 64 bits instead of the shortest that fits."""
    size = size or (7 if length < 126 else 16 if length < 65536 else 64)
    flag = 0x80 if masked else 0
    if size == 7:
        return struct.pack('>B', flag | length)
    if size == 16:
        return struct.pack('>BH', flag | 126, length)
    return struct.pack('>BQ', flag | 127, length)


def frame_bytes(opcode, payload=b'', fin=True, rsv=0, masked=True, size=None, declared=None):
    """One frame. declared: a length other than the payload's; size: see length_bytes()."""
    length = len(payload) if declared is None else declared
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode]) + length_bytes(length, masked, size)
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + mask_bytes(payload, key)


def close_bytes(code=None, reason=b''):
    return frame_bytes(CLOSE, b'' if code is None else struct.pack('>H', code) + reason)


def accept_for(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def handshake_fields(key, extra=(), without=()):
    """The opening handshake's fields; `without` names those to leave out."""
    fields = [('Upgrade', 'websocket'), ('Connection', 'Upgrade'), ('Sec-WebSocket-Key', key),
              ('Sec-WebSocket-Version', '13')]
    return [field for field in fields if field[0] not in without] + list(extra)


def new_key():
    return base64.b64encode(os.urandom(16)).decode()


class Peer(http.Connection):
    """After open() a WebSocket; before that an HTTP connection."""
    allowed_rsv = 0  # reserved bits that were agreed on

    def open(self, target, fields=(), extra_bytes=b''):
        """Upgrades. extra_bytes leave in the same segment as the handshake."""
        key = new_key()
        request = http.request_bytes('GET', target, handshake_fields(key, fields), port=self.port)
        self.send(request + extra_bytes)
        response = self.head()
        check.equal(response.status, 101, f'status of the handshake ({response})')
        check.equal(response.get('upgrade').lower(), 'websocket', 'Upgrade')
        check.true(response.has_token('connection', 'upgrade'), f'Connection: {response}')
        check.equal(response.get('sec-websocket-accept'), accept_for(key), 'Sec-WebSocket-Accept')
        self.agree(response.get('sec-websocket-extensions'))
        self.opened = response
        return self

    def agree(self, extensions):
        """Looks at the extensions that the server agreed to: this peer offers none."""
        check.equal(extensions, None, 'Sec-WebSocket-Extensions')

    def frame(self):
        """The next frame. A server's frames are unmasked, without reserved bits, and minimal."""
        first, second = self.take(2)
        rsv = first >> 4 & 7
        check.true(rsv & ~self.allowed_rsv == 0, f'reserved bits are set: {first:#x}')
        check.true(second & 0x80 == 0, 'the server masked a frame (RFC 6455, 5.1)')
        payload = self.take(self.frame_length(second & 0x7f))
        opcode, fin = first & 0x0f, bool(first & 0x80)
        check.one_of(opcode, (0, 1, 2, 8, 9, 10), 'opcode')
        check.true(opcode < 8 or (fin and len(payload) <= 125), 'a long or cut control frame')
        return Frame(fin, opcode, payload, rsv)

    def frame_length(self, short):
        if short < 126:
            return short
        length = int.from_bytes(self.take(2 if short == 126 else 8), 'big')
        check.true(length >= (126 if short == 126 else 65536), f'{length} is not minimal')
        return length

    def message(self):
        """(opcode, payload) of the next message; any control frame is a fault."""
        first = self.frame()
        if first.opcode == CLOSE:
            raise Closed(first.payload)
        check.one_of(first.opcode, (TEXT, BINARY), f'a message was due, not {first}')
        payload, fin = [first.payload], first.fin
        while not fin:
            more = self.frame()
            check.equal(more.opcode, CONTINUATION, 'opcode inside a message')
            payload.append(more.payload)
            fin = more.fin
        data = b''.join(payload)
        if first.opcode == TEXT:
            data.decode()  # a text message that is not UTF-8 makes browsers fail the connection
        return first.opcode, data

    def text(self):
        opcode, data = self.message()
        check.equal(opcode, TEXT, 'a text message was due')
        return data.decode()

    def binary(self):
        opcode, data = self.message()
        check.equal(opcode, BINARY, 'a binary message was due')
        return data

    def send_text(self, text):
        self.send(frame_bytes(TEXT, text.encode()))

    def send_binary(self, data):
        self.send(frame_bytes(BINARY, data))

    def echo(self, text):
        """Publishes and waits for its own message: all that was sent before it was processed."""
        self.send_text(text)
        check.equal(self.text(), text, 'own message')

    def expect_pong(self, payload):
        frame = self.frame()
        check.equal((frame.opcode, frame.payload), (PONG, payload), 'a pong was due')

    def closing(self, skip=()):
        """(code, reason) of the server's close frame; frames of the opcodes in skip may precede."""
        frame = self.frame()
        while frame.opcode in skip:
            frame = self.frame()
        check.equal(frame.opcode, CLOSE, f'a close frame was due, not {frame}')
        return close_from(frame.payload)

    def expect_close(self, code, skip=()):
        """The close frame with that code, our answer to it, and the end of the stream."""
        got, reason = self.closing(skip)
        check.equal(got, code, f'close code (reason {reason!r})')
        try:
            self.send(close_bytes(code))
        except OSError:
            pass  # after a violation the server need not wait for our answer
        check.equal(self.ends(), b'', 'bytes after the close frame')

    def leave(self):
        """A clean goodbye: close frames both ways, then the server's end of the stream."""
        self.send(close_bytes(1000))
        self.expect_close(1000, skip=(TEXT, BINARY, CONTINUATION, PING, PONG))
        self.close()


def close_from(payload):
    if not payload:
        return None, ''
    check.true(len(payload) >= 2, f'a close frame with one byte: {payload!r}')
    return struct.unpack('>H', payload[:2])[0], payload[2:].decode()


def connect(server, topic, fields=(), query='', **how):
    """A peer of that topic (which needs no escaping), upgraded and subscribed."""
    peer = Peer(server.port, **how)
    try:
        return peer.open(f'/t/{topic}{query}', fields)
    except BaseException:
        peer.close()
        raise


def try_to_enter(port):
    """An open peer, or None when it is not let in: full servers refuse in several ways."""
    peer = Peer(port)
    try:
        return peer.open('/t/x')
    except (check.Failed, http.Ended, OSError):
        peer.close()
        return None


def enter_soon(port):
    """An open peer, once there is room for it."""
    return check.eventually(lambda: try_to_enter(port), 'a newcomer is let in')
