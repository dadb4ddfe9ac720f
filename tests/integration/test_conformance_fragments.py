"""Conformance, fragmentation: which frames make messages, and every order of frames that must not
be (RFC 6455, 5.4). Cuts inside characters are in test_conformance_utf8.py.
"""
import itertools

from lib import conformance
from lib.conformance import by_bytes, chopped, message_frames, row
from lib.websocket import BINARY, CONTINUATION, PING, PONG, TEXT, frame_bytes

FLAGS = conformance.FLAGS
DATA = {'text': TEXT, 'binary': BINARY}
BEHIND = frame_bytes(TEXT, b'behind it') + frame_bytes(PING, b'behind it')
# The alphabet of orders: (opcode, fin). Capitals end a message.
LETTERS = {'t': (TEXT, False), 'T': (TEXT, True), 'b': (BINARY, False), 'B': (BINARY, True),
           'c': (CONTINUATION, False), 'C': (CONTINUATION, True), 'P': (PING, True)}


class Model:
    """What RFC 6455, 5.4 says of a sequence of frames, each with its own number as payload."""

    def __init__(self):
        self.opcode = None  # of the message that is not yet whole
        self.payload = b''
        self.frames = []    # that come back
        self.close = None

    def take(self, opcode, fin, payload):
        if opcode == PING:
            self.frames.append((PONG, payload))
        elif (opcode == CONTINUATION) == (self.opcode is None):
            self.close = 1002
        else:
            self.add(opcode, fin, payload)

    def add(self, opcode, fin, payload):
        self.opcode = self.opcode or opcode
        self.payload += payload
        if fin:
            self.frames.append((self.opcode, self.payload))
            self.opcode, self.payload = None, b''


def order_row(word):
    """Up to the first fault the model decides; what stands behind it has to be ignored."""
    model, sent = Model(), []
    for at, letter in enumerate(word):
        opcode, fin = LETTERS[letter]
        sent.append(frame_bytes(opcode, b'%d' % at, fin=fin))
        if model.close is None:
            model.take(opcode, fin, b'%d' % at)
    return row(f'order {"".join(word)}', b''.join(sent), *model.frames, close=model.close)


def orders(length):
    return [order_row(word) for word in itertools.product(LETTERS, repeat=length)]


def test_every_order_of_up_to_three_frames(case):
    conformance.run(case, orders(1) + orders(2) + orders(3))


def test_every_order_of_four_frames(case):
    """Every second of 2401: the alphabet is odd, so each beginning and each end is there."""
    conformance.run(case, orders(4)[::2])


def test_every_order_of_two_frames_by_bytes(case):
    conformance.run(case, by_bytes(orders(2)))


def test_a_violation_after_a_finished_message_does_not_take_its_echo(case):
    done = message_frames(TEXT, [b'fragment 1', b'fragment 2'])
    faults = {
        'a continuation': frame_bytes(CONTINUATION, b'fragment 3'),
        'an unfinished continuation': frame_bytes(CONTINUATION, b'fragment 3', fin=False),
        'an unfinished continuation and a whole text':
            frame_bytes(CONTINUATION, b'fragment 3', fin=False) + frame_bytes(TEXT, b'fragment 4'),
    }
    rows = [row(what, b''.join(done) + raw + BEHIND, (TEXT, b'fragment 1fragment 2'), close=1002,
                late=BEHIND) for what, raw in faults.items()]
    rows += [row(f'{each.name}, frame by frame', [*done, raw], *each.frames, close=1002)
             for each, raw in zip(rows, faults.values())]
    conformance.run(case, rows + by_bytes(rows[:3]))


def test_empty_fragments_may_stand_anywhere(case):
    rows = []
    for kind, opcode in DATA.items():
        for pieces in itertools.product((b'', b'x'), repeat=4):
            rows.append(row(f'{kind} of {pieces}', b''.join(message_frames(opcode, pieces)),
                            (opcode, b''.join(pieces))))
    conformance.run(case, rows + by_bytes(rows))


def test_fragments_of_every_form_of_length_are_joined(case):
    lengths = (0, 1, 125, 126, 127, 65535, 65536, 2)
    pieces = [bytes([at]) * length for at, length in enumerate(lengths)]
    raw = b''.join(message_frames(BINARY, pieces))
    whole = (BINARY, b''.join(pieces))
    conformance.run(case, [row('at once', raw, whole),
                           row('cut at 1009', chopped(raw, 1009), whole),
                           row('frame by frame', message_frames(BINARY, pieces), whole)])


def test_a_message_in_fragments_of_one_byte_is_joined(case):
    payload = bytes(range(256)) * 8
    raw = b''.join(message_frames(BINARY, chopped(payload)))
    conformance.run(case, [row('at once', raw, (BINARY, payload)),
                           row('cut at 509', chopped(raw, 509), (BINARY, payload))])


def test_fragmented_messages_follow_each_other(case):
    """Nothing of one is left for the next: neither bytes nor the kind."""
    sent, frames = b'', []
    for at in range(100):
        opcode = (TEXT, BINARY)[at // 2 % 2]
        pieces = [b'%d.' % at] * (1 + at % 5)
        sent += b''.join(message_frames(opcode, pieces))
        frames.append((opcode, b''.join(pieces)))
    conformance.run(case, [row('at once', sent, *frames),
                           row('cut at 11', chopped(sent, 11), *frames)])


def test_a_fragment_is_not_echoed_before_the_message_is_whole(case):
    """RFC 6455, 5.4: one message; a pong comes in between, and no part of the message."""
    for target in conformance.TARGETS:
        peer = conformance.connect(case, target)
        for opcode, payload in ((TEXT, b'first '), (CONTINUATION, b'second ')):
            peer.send(frame_bytes(opcode, payload, fin=False) + frame_bytes(PING, payload))
            peer.expect_pong(payload)
        peer.send(frame_bytes(CONTINUATION, b'third'))
        peer.expect_message(TEXT, b'first second third')
        peer.say_goodbye()
