"""Conformance, everything together: random messages, fragments and control frames in random pieces,
plain and compressed, to a random end; each run replays by its seed (RFC 6455, 5; RFC 7692, 6).
The single rules are in the other test_conformance_*.py.
"""
import random

from lib import check, conformance, deflating, testing
from lib.conformance import chopped, message_frames
from lib.websocket import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_bytes,
                           frame_bytes)

FLAGS = conformance.FLAGS
LENGTHS = (0, 1, 2, 7, 100, 125, 126, 127, 255, 256, 1000, 2047, 2048, 2049, 4096, 16384, 65535,
           65536, 70000)
TEXTS = 'plain ASCII, ', 'größer, ', '世界, ', '🦁 ', '\0'
SEEDS = 60


class Script:
    """What a peer says, and what it has to hear. `deflated`: its peer, when it may compress."""

    def __init__(self, seed, deflated=None):
        self.random = random.Random(seed)
        self.deflated = deflated
        self.sent = []
        self.frames = []

    def payload(self, opcode):
        length = self.random.choice(LENGTHS)
        if opcode == BINARY:
            return self.random.randbytes(length)
        text = ''.join(self.random.choices(TEXTS, k=length // 8 + 1)).encode()
        return text[:length].decode(errors='ignore').encode()

    def pieces(self, raw):
        """In up to six, some of them empty, cut anywhere."""
        cuts = sorted(self.random.randint(0, len(raw)) for _ in range(self.random.choice(
            (0, 0, 0, 1, 2, 5))))
        return [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)])]

    def say_ping(self):
        payload = self.random.randbytes(self.random.choice((0, 1, 20, 125)))
        self.sent.append(frame_bytes(PING, payload))
        self.frames.append((PONG, payload))

    def say_pong(self):
        self.sent.append(frame_bytes(PONG, b'unasked'))

    def say_message(self):
        opcode = self.random.choice((TEXT, BINARY))
        payload = self.payload(opcode)
        is_deflated = self.deflated and self.random.random() < 0.7
        raw = self.deflated.deflater.deflate(payload) if is_deflated else payload
        rsv = deflating.RSV1 if is_deflated else 0
        for frame in message_frames(opcode, self.pieces(raw), rsv):
            if self.random.random() < 0.2:
                self.random.choice((self.say_ping, self.say_pong))()
            self.sent.append(frame)
        self.frames.append((opcode, payload))

    def say_end(self):
        """A goodbye or a violation, in the middle of a message or not, with more behind it."""
        if self.random.random() < 0.3:
            self.sent.append(frame_bytes(TEXT, b'never whole', fin=False))
            faults = [(1002, frame_bytes(BINARY, b'')), (1007, frame_bytes(CONTINUATION, b'\xff'))]
        else:
            faults = [(1002, frame_bytes(CONTINUATION, b'')), (1007, frame_bytes(TEXT, b'\xff'))]
        code, raw = self.random.choice([*faults, (1002, frame_bytes(11, b'')),
                                        (1000, close_bytes(1000)), (4242, close_bytes(4242))])
        self.sent += [raw, frame_bytes(TEXT, b'behind'), frame_bytes(PING, b'behind')]
        return code

    def play(self):
        """The pieces to send, the frames that are due, and the close code."""
        for _ in range(self.random.randint(1, 30)):
            self.random.choices((self.say_message, self.say_ping, self.say_pong), (8, 2, 1))[0]()
        code = self.say_end()
        return self.cut(b''.join(self.sent)), self.frames, code

    def cut(self, raw):
        size = self.random.choice((len(raw), 65536, 4096, 2048, 1460, 1021, 100))
        return chopped(raw, max(size, len(raw) // 2000 + 1))


def play(peer, script):
    pieces, frames, code = script.play()
    sending = testing.Background(peer.send_pieces, pieces, 0)
    for at, frame in enumerate(frames):
        got = peer.event()
        check.true(got == frame, f'frame {at} of {len(frames)}: expected {frame[0]} of '
                                 f'{len(frame[1])} bytes, got {got[0]} of {len(got[1])}')
    opcode, payload = peer.event()
    check.equal((opcode, payload[:2]), (CLOSE, code.to_bytes(2, 'big')), 'the close frame')
    sending.result()
    peer.expect_fin()


def play_all(make):
    """make: a seed -> (peer, script)."""
    for seed in range(SEEDS):
        try:
            peer, script = make(seed)
            play(peer, script)
        except (check.Failed, conformance.http.Ended, OSError) as problem:
            check.fail(f'seed {seed}: {problem!r}')
        peer.close()


@testing.limit(120)
def test_anything_in_any_pieces(case):
    play_all(lambda seed: (conformance.connect(case), Script(seed)))


def deflated(case, offer, seed):
    peer = deflating.agreed_peer(case, offer)
    return peer, Script(seed, peer)


@testing.limit(120)
def test_anything_in_any_pieces_compressed(case):
    play_all(lambda seed: deflated(case, deflating.USUAL, seed))


@testing.limit(120)
def test_anything_in_any_pieces_compressed_without_contexts(case):
    offer = f'{deflating.NAME}; server_no_context_takeover; client_no_context_takeover; ' \
            'server_max_window_bits=10; client_max_window_bits=10'
    play_all(lambda seed: deflated(case, offer, seed))


@testing.limit(120)
def test_many_peers_at_once(case):
    """What one peer left unfinished is no other one's."""
    server = case.server

    def play_own(first):
        for seed in range(first, first + 10):
            peer = conformance.connect(case, at=server)
            play(peer, Script(1000 + seed))
            peer.close()
    for working in [testing.Background(play_own, 100 * at) for at in range(8)]:
        working.result()
