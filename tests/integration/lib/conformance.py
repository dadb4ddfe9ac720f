"""Rows of conformance tests: what is sent, what has to come back exactly, how the connection ends.
Runs them against the echo and a topic; which rows there are is the tests' business.
"""
import dataclasses
import socket
import struct

from lib import check, http, websocket
from lib.websocket import CLOSE, CONTINUATION, close_bytes, frame_bytes

FLAGS = ['--target']  # of the server whose echo is tested
PATIENCE_S = 60       # on a slow machine; nothing is measured with it
ROW_PATIENCE_S = 15   # less than a test's limit, so that it is told which row it was
STRAIGHT = 1 << 16    # what is longer is read in place
TCP_CLOSED = 7        # linux/tcp_states.h


@dataclasses.dataclass
class Row:
    name: str
    sent: list      # pieces of bytes, each sent by itself
    frames: list    # [(opcode, payload)] that have to come back, in that order
    close: int = None   # None: nothing is wrong, and the peer says goodbye
    late: bytes = b''   # sent when the server's close frame has come


def row(name, sent, *frames, close=None, late=b''):
    pieces = [sent] if isinstance(sent, bytes) else list(sent)
    return Row(name, pieces, list(frames), close, late)


def chopped(data, size=1):
    return [data[at:at + size] for at in range(0, len(data), size)]


def message_frames(opcode, pieces, rsv=0):
    """The frames of a message in these fragments, one by one. rsv: the first one's bits."""
    last = len(pieces) - 1
    return [frame_bytes(CONTINUATION if at else opcode, piece, fin=at == last,
                        rsv=0 if at else rsv) for at, piece in enumerate(pieces)]


def keyed_frame(opcode, payload, key, fin=True):
    """A frame with that masking key."""
    head = bytes([(0x80 if fin else 0) | opcode])
    length = websocket.length_bytes(len(payload), masked=True)
    return head + length + key + websocket.mask_bytes(payload, key)


class Peer(websocket.Peer):
    """Reads whole messages and control frames as they come, and looks at how TCP ends."""

    def take(self, count):
        return super().take(count) if count < STRAIGHT else self.take_straight(count)

    def take_straight(self, count):
        """Without going through the buffer, whose growth costs more the longer it is."""
        data = bytearray(count)
        have = min(count, len(self.buffer))
        data[:have], self.buffer = self.buffer[:have], self.buffer[have:]
        with memoryview(data) as view:
            while have < count:
                got = self.socket.recv_into(view[have:])
                if got == 0:
                    raise http.Ended(f'the stream ended {count - have} bytes early')
                have += got
        return bytes(data)

    def event(self):
        """(opcode, payload) of the next control frame or whole message."""
        first = self.frame()
        payload, fin = [first.payload], first.fin
        while not fin:
            more = self.frame()
            check.equal((more.opcode, more.rsv), (CONTINUATION, 0), 'a frame inside a message')
            payload.append(more.payload)
            fin = more.fin
        return first.opcode, self.decoded(first, b''.join(payload))

    def decoded(self, first, payload):
        """What extensions make of a payload, by its first frame."""
        return payload

    def expect_message(self, opcode, payload):
        check.equal(self.event(), (opcode, payload), 'the next frame')

    def expect_fin(self):
        """The stream ends by a FIN, with nothing before it, and no RST comes behind it either."""
        check.equal(self.take_rest(), b'', 'bytes behind the close frame')
        if self.tcp_state() != TCP_CLOSED:  # it is when our FIN went first
            self.end_output()
        check.eventually(lambda: self.tcp_state() == TCP_CLOSED, 'TCP is closed')
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        check.equal(error, 0, 'error of the socket behind its end (a reset)')

    def tcp_state(self):
        return self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]

    def expect_goodbye(self, code, late=b''):
        """The server's close frame, our answer to it, and the end."""
        opcode, payload = self.event()
        check.equal(opcode, CLOSE, f'a close frame was due, not {check.shown(payload)}; opcode')
        check.equal(websocket.close_from(payload)[0], code, f'close code ({payload!r})')
        self.send(late + close_bytes(code))
        self.expect_fin()

    def say_goodbye(self, code=1000):
        """Our close frame, the same code back, and the end."""
        self.send(close_bytes(code))
        check.equal(self.event(), (CLOSE, struct.pack('>H', code)), 'the answer to a close frame')
        self.expect_fin()


class Echo:
    """The endpoint that sends messages back: everything in the order in which it was caused."""
    name = 'echo'
    peer = Peer
    fields = ()

    @staticmethod
    def path(case):
        return '/echo'

    @staticmethod
    def judge(peer, row):
        got = [peer.event() for _ in row.frames]
        check.equal(got, row.frames, 'frames')


class Topic:
    """Messages go through the log, control frames do not: each of the two in its own order. What
    was published before a violation need not come back to the violator."""
    name = 'topic'
    peer = Peer
    fields = ()

    @staticmethod
    def path(case):
        return f'/t/{case.topic}'

    @staticmethod
    def judge(peer, row):
        got = []
        while len(got) < len(row.frames) and not Topic.is_closed(peer, row):
            got.append(peer.event())
        for is_control in (True, False):
            due = [frame for frame in row.frames if (frame[0] >= CLOSE) == is_control]
            came = [frame for frame in got if (frame[0] >= CLOSE) == is_control]
            may_lack = row.close is not None and not is_control
            check.equal(came, due[:len(came)] if may_lack else due, 'frames')

    @staticmethod
    def is_closed(peer, row):
        """A violation's close frame is next."""
        if row.close is None:
            return False
        while not peer.buffer and peer.fill():
            pass
        return peer.buffer[:1] == bytes([0x80 | CLOSE])


TARGETS = (Echo, Topic)


def connect(case, target=Echo, at=None):
    """An open peer of that target, with the patience of these tests."""
    peer = target.peer((at or case.server).port, timeout=PATIENCE_S)
    return case.keep(peer).open(target.path(case), target.fields)


def run_row(case, target, each):
    peer = connect(case, target)
    peer.socket.settimeout(ROW_PATIENCE_S)
    try:
        peer.send_pieces(each.sent, pause_s=0.0002)
        target.judge(peer, each)
        if each.close is None:
            peer.say_goodbye()
        else:
            peer.expect_goodbye(each.close, each.late)
    finally:
        peer.close()


def run(case, rows, targets=TARGETS):
    """Each row on a connection of its own. The topic of a test is listened to by it alone."""
    for target in targets:
        for each in rows:
            try:
                run_row(case, target, each)
            except (check.Failed, http.Ended, OSError, UnicodeDecodeError) as problem:
                raise check.Failed(f'{each.name} ({target.name}): {problem}') from problem


def by_bytes(rows):
    """The same rows, sent byte by byte."""
    return [dataclasses.replace(each, name=f'{each.name}, by bytes',
                                sent=chopped(b''.join(each.sent))) for each in rows]
