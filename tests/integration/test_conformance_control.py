"""Conformance, control frames: pings, pongs, and what they must not be (RFC 6455, 5.5, 5.5.2,
5.5.3). Close frames are in test_conformance_close.py.
"""
from lib import conformance
from lib.conformance import Topic, by_bytes, chopped, message_frames, row
from lib.websocket import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_bytes,
                           frame_bytes)

FLAGS = conformance.FLAGS
NAMES = {'close': CLOSE, 'ping': PING, 'pong': PONG}
PIECES = [b'frag', b'', b'men', b'ted']
WHOLE = b''.join(PIECES)


def payload_of(length):
    """Not UTF-8: the payload of a ping is bytes."""
    return bytes(255 - at for at in range(length))


def test_pings_of_all_lengths_are_answered(case):
    rows = [row(f'{length} bytes', frame_bytes(PING, payload_of(length)),
                (PONG, payload_of(length))) for length in range(126)]
    conformance.run(case, rows)


def test_pings_by_bytes_are_answered(case):
    rows = [row(f'{length} bytes', frame_bytes(PING, payload_of(length)),
                (PONG, payload_of(length))) for length in (0, 1, 2, 124, 125)]
    conformance.run(case, by_bytes(rows))


def test_long_control_frames_are_1002_in_every_form(case):
    rows = [row(f'{name} of {length}', frame_bytes(opcode, b'x' * length), close=1002)
            for name, opcode in NAMES.items() for length in (126, 127, 65535, 65536)]
    conformance.run(case, rows)
    conformance.run(case, by_bytes([row(f'{name} of 126', frame_bytes(opcode, b'x' * 126),
                                        close=1002) for name, opcode in NAMES.items()]))


def test_what_stands_behind_a_long_control_frame_is_ignored(case):
    behind = frame_bytes(PING, b'ignored') + frame_bytes(TEXT, b'ignored')
    rows = [row(f'{name}', frame_bytes(PING, b'before') + frame_bytes(opcode, b'x' * 126) + behind,
                (PONG, b'before'), close=1002, late=behind) for name, opcode in NAMES.items()]
    conformance.run(case, rows)


def test_cut_control_frames_are_1002_whatever_follows(case):
    rows = []
    for name, opcode in NAMES.items():
        raw = frame_bytes(opcode, b'', fin=False)
        rows += [row(f'{name}, alone', raw, close=1002),
                 row(f'{name}, continued', raw + frame_bytes(CONTINUATION, b'x'), close=1002),
                 row(f'{name}, inside a message', frame_bytes(TEXT, b'a', fin=False) + raw
                     + frame_bytes(CONTINUATION, b'b'), close=1002),
                 row(f'{name}, behind a message', [frame_bytes(TEXT, b'a'), raw],
                     (TEXT, b'a'), close=1002)]
    conformance.run(case, rows + by_bytes(rows))


def test_pings_in_a_row_are_answered_in_order(case):
    for count in (2, 10, 1000):
        payloads = [b'ping %d' % at for at in range(count)]
        raw = b''.join(frame_bytes(PING, each) for each in payloads)
        pongs = [(PONG, each) for each in payloads]
        conformance.run(case, [row(f'{count} at once', raw, *pongs),
                               row(f'{count} cut at 13', chopped(raw, 13), *pongs)])


def test_unasked_pongs_are_ignored(case):
    rows = [row(f'{length} bytes', frame_bytes(PONG, payload_of(length)))
            for length in (0, 1, 124, 125)]
    rows += [row('two and a ping', frame_bytes(PONG, b'a') + frame_bytes(PONG, b'b')
                 + frame_bytes(PING, b'ping'), (PONG, b'ping')),
             row('between two pings', frame_bytes(PING, b'1') + frame_bytes(PONG, b'2')
                 + frame_bytes(PING, b'3'), (PONG, b'1'), (PONG, b'3')),
             row('a thousand', b''.join(frame_bytes(PONG, b'%d' % at) for at in range(1000))
                 + frame_bytes(PING, b'last'), (PONG, b'last')),
             row('inside a message', frame_bytes(TEXT, b'a', fin=False) + frame_bytes(PONG, b'x')
                 + frame_bytes(CONTINUATION, b'b'), (TEXT, b'ab'))]
    conformance.run(case, rows + by_bytes(rows[:4] + rows[5:6]))


def test_pings_between_messages_are_answered_in_their_place(case):
    sent, frames = [], []
    for at in range(50):
        opcode = (TEXT, BINARY, PING)[at % 3]
        sent.append(frame_bytes(opcode, b'%d' % at))
        frames.append((PONG if opcode == PING else opcode, b'%d' % at))
    conformance.run(case, [row('at once', b''.join(sent), *frames),
                           row('one by one', sent, *frames)])


def test_a_ping_at_each_place_of_a_fragmented_message_is_answered_before_it(case):
    rows = []
    for opcode in (TEXT, BINARY):
        for at in range(len(PIECES)):
            frames = message_frames(opcode, PIECES)
            frames.insert(at, frame_bytes(PING, b'at %d' % at))
            rows.append(row(f'opcode {opcode}, ping at {at}', b''.join(frames),
                            (PONG, b'at %d' % at), (opcode, WHOLE)))
    cut = [row(f'{each.name}, cut at 3', chopped(each.sent[0], 3), *each.frames) for each in rows]
    conformance.run(case, rows + cut)
    conformance.run(case, by_bytes(rows))


def test_a_ping_between_fragments_does_not_wait_for_the_message(case):
    """It is answered although the rest of the message does not come (5.5.2)."""
    for target in conformance.TARGETS:
        peer = conformance.connect(case, target)
        for at, raw in enumerate(message_frames(TEXT, PIECES)):
            peer.send(frame_bytes(PING, b'%d' % at))
            peer.expect_pong(b'%d' % at)
            peer.send(raw)
        peer.expect_message(TEXT, WHOLE)
        peer.say_goodbye()


def test_several_pings_between_all_fragments_are_answered_in_order(case):
    sent, pongs = [], []
    for at, raw in enumerate(message_frames(BINARY, [b'x' * 1000] * 20)):
        pings = [b'%d of %d' % (each, at) for each in range(at % 4)]
        sent += [frame_bytes(PING, each) for each in pings] + [raw]
        pongs += [(PONG, each) for each in pings]
    frames = [*pongs, (BINARY, b'x' * 20000)]
    conformance.run(case, [row('at once', b''.join(sent), *frames),
                           row('one by one', sent, *frames),
                           row('cut at 101', chopped(b''.join(sent), 101), *frames)])


def test_a_ping_is_not_answered_inside_a_frame(case):
    """What looks like a ping in a payload is payload."""
    payload = frame_bytes(PING, b'not one') + close_bytes(1000)
    rows = [row('in one frame', frame_bytes(BINARY, payload), (BINARY, payload)),
            row('unmasked it is one', conformance.keyed_frame(BINARY, b'\x89\x80key!', b'\0' * 4),
                (BINARY, b'\x89\x80key!'))]
    conformance.run(case, rows + by_bytes(rows))


def test_pongs_of_a_topic_do_not_lose_messages_of_others(case):
    """Pings while somebody else publishes: all of both, each in its own order."""
    peer = conformance.connect(case, Topic)
    other = case.peer()
    for at in range(200):
        other.send_text(f'{at}')
        peer.send(frame_bytes(PING, b'%d' % at))
    got = [peer.event() for _ in range(400)]
    for opcode in (TEXT, PONG):
        conformance.check.equal([int(text) for kind, text in got if kind == opcode],
                                list(range(200)), f'opcode {opcode}')
