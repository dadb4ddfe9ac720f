"""A WebSocket peer with permessage-deflate (RFC 7692): offers, keeps to what was agreed, and judges
that the server does. Compression itself is zlib's.
"""
import re
import zlib

from lib import check, conformance
from lib.websocket import CLOSE, TEXT

TAIL = b'\x00\x00\xff\xff'  # of a sync flush, taken off and put back (RFC 7692, 7.2.1, 7.2.2)
RSV1 = 4
NAME = 'permessage-deflate'
FLAGS = ('server_no_context_takeover', 'client_no_context_takeover')
WINDOWS = ('server_max_window_bits', 'client_max_window_bits')
PARAMETER = re.compile(r'^([a-z_]+)(?:=([0-9]+))?$')
BITS = re.compile(r'^([89]|1[0-5])$')
FIELD = 'Sec-WebSocket-Extensions'
USUAL = 'permessage-deflate; client_max_window_bits'
INFLATED_MAX = 64 << 20


def offered(value):
    return [(FIELD, value)]


def agreement(value):
    """The parameters of an answer, which has to be well-formed: {name: bits, or None for flags}."""
    name, *parameters = [part.strip() for part in value.split(';')]
    check.equal(name, NAME, 'the extension agreed to')
    agreed = {}
    for parameter in parameters:
        found = check.matches(PARAMETER, parameter, 'a parameter of the answer')
        check.lacks(agreed, found[1], 'parameters that the answer repeats')
        check.one_of(found[1], FLAGS + WINDOWS, 'a parameter of the answer')
        if found[1] in WINDOWS:
            check.matches(BITS, found[2], f'{found[1]} of the answer')
        else:
            check.equal(found[2], None, f'the value of {found[1]}')
        agreed[found[1]] = int(found[2]) if found[2] else None
    return agreed


class Deflater:
    """Our side: messages into what goes on the wire."""

    def __init__(self, bits=15, takeover=True, level=6, strategy=zlib.Z_DEFAULT_STRATEGY):
        # zlib has no raw window of 8 bits; with 9 it refers back 250 bytes at most.
        self.settings = (level, zlib.DEFLATED, -max(bits, 9), 9, strategy)
        self.takeover = takeover
        self.stream = zlib.compressobj(*self.settings)

    def deflate(self, data, flush=zlib.Z_SYNC_FLUSH):
        if not self.takeover:
            self.stream = zlib.compressobj(*self.settings)
        raw = self.stream.compress(data) + self.stream.flush(flush)
        return raw[:-len(TAIL)] if raw.endswith(TAIL) else raw or b'\0'


class Inflater:
    """The server's side, taken in pieces: with pieces of one byte zlib keeps nothing but the
    window, so that it finds every reference to what lies beyond."""

    def __init__(self, bits=15, takeover=True, piece=None):
        self.bits = bits
        self.takeover = takeover
        self.piece = piece or INFLATED_MAX
        self.stream = zlib.decompressobj(-bits)

    def inflate(self, data):
        if not self.takeover:
            self.stream = zlib.decompressobj(-self.bits)
        try:
            return self.all_of(data + TAIL)
        except zlib.error as problem:
            raise check.Failed(f'what the server deflated does not inflate with {self.bits} '
                               f'bits: {problem}') from problem

    def all_of(self, data):
        out = []
        while piece := self.stream.decompress(data, self.piece):
            out.append(piece)
            data = self.stream.unconsumed_tail
        check.true(not self.stream.eof and not self.stream.unconsumed_tail,
                   'the server ended its stream of blocks')
        return b''.join(out)


class Peer(conformance.Peer):
    """What it offers is in the fields that it opens with; what was agreed in `agreed`, None: no
    compression. `wire_len`: payload of the last message as it came; None: not compressed."""
    piece = None  # see Inflater
    agreed = None
    wire_len = None

    def agree(self, extensions):
        if extensions is None:
            return
        self.agreed = agreement(extensions)
        self.allowed_rsv = RSV1
        agreed = self.agreed
        self.inflater = Inflater(agreed.get('server_max_window_bits', 15),
                                 'server_no_context_takeover' not in agreed, self.piece)
        self.deflater = Deflater(agreed.get('client_max_window_bits', 15),
                                 'client_no_context_takeover' not in agreed)

    def decoded(self, first, payload):
        if first.opcode < CLOSE:
            self.wire_len = len(payload) if first.rsv else None
        elif first.rsv:
            check.fail('a compressed control frame (RFC 7692, 6)')
        return self.inflater.inflate(payload) if first.rsv else payload

    def deflated(self, opcode, data, size=None):
        """A compressed message as bytes, in fragments of at most that size."""
        raw = self.deflater.deflate(data)
        return b''.join(deflated_frames(opcode, conformance.chopped(raw, size or len(raw))))

    def exchange(self, data, opcode=TEXT, size=None):
        """Sends it compressed and waits for it to come back."""
        self.send(self.deflated(opcode, data, size))
        got = self.event()
        check.true(got == (opcode, data), f'the echo of {len(data)} bytes is another: '
                                          f'{check.shown(got[1], 60)}')


def deflated_frames(opcode, pieces):
    return conformance.message_frames(opcode, pieces, rsv=RSV1)


def deflated_message(opcode, raw):
    """One that has been compressed already, in one frame."""
    return deflated_frames(opcode, [raw])[0]


class Echo(conformance.Echo):
    name = 'deflated echo'
    peer = Peer
    fields = offered(USUAL)


class Topic(conformance.Topic):
    name = 'deflated topic'
    peer = Peer
    fields = offered(USUAL)


TARGETS = (Echo, Topic)


def connect(case, offer=USUAL, target=Echo, at=None, piece=None):
    """An open peer that offered this; compression may have been declined."""
    peer = case.keep(Peer((at or case.server).port, timeout=conformance.PATIENCE_S))
    peer.piece = piece
    return peer.open(target.path(case), offered(offer) if isinstance(offer, str) else offer)


def agreed_peer(case, offer=USUAL, target=Echo, **how):
    peer = connect(case, offer, target, **how)
    check.true(peer.agreed is not None, f'{offer} was declined')
    return peer


def sample(length, seed=0):
    """Text that compresses like text: words, numbers, and some repetition at every distance."""
    state, parts, have = seed * 7919 + 1, [], 0
    while have < length:
        state = (state * 1103515245 + 12345) & 0x7fffffff
        part = f'{WORDS[state >> 16 & 15]} {state % 9973} '.encode()
        parts.append(part)
        have += len(part)
    return b''.join(parts)[:length]


WORDS = ('topic', 'cursor', 'message', 'every', 'subscriber', 'in', 'order', 'at', 'once', 'log',
         'reactor', 'frame', 'window', 'bits', 'and', 'a')
