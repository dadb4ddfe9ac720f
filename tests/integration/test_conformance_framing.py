"""Conformance, frames: every form of length, masking, reserved bits, opcodes (RFC 6455, 5.2, 5.3).
Fragments and control frames are in files of their own; single faults in test_websocket_faults.py.
"""
from lib import conformance
from lib.conformance import by_bytes, chopped, keyed_frame, row
from lib.websocket import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_bytes,
                           frame_bytes)

FLAGS = conformance.FLAGS
LENGTHS = (0, 1, 125, 126, 127, 128, 65535, 65536)
DATA = {'text': TEXT, 'binary': BINARY}
CONTROL = {'close': CLOSE, 'ping': PING, 'pong': PONG}
RESERVED_OPCODES = (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
HELLO = frame_bytes(TEXT, b'hello')
BEHIND = frame_bytes(TEXT, b'behind it') + frame_bytes(PING, b'behind it')


def payload_of(opcode, length):
    pattern = 'täxt-of-17-bytes '.encode() if opcode == TEXT else bytes(range(239, 256)) + b'\0'
    whole = pattern * (length // len(pattern))
    return whole + b'x' * (length - len(whole))


def length_rows(cut):
    """cut: a frame's bytes and its payload's length -> pieces."""
    return [row(f'{kind} of {length}', cut(frame_bytes(opcode, payload), length),
                (opcode, payload))
            for kind, opcode in DATA.items() for length in LENGTHS
            for payload in [payload_of(opcode, length)]]


def test_each_length_comes_back(case):
    conformance.run(case, length_rows(lambda raw, length: [raw]))


def test_each_length_comes_back_with_its_header_apart(case):
    def cut(raw, length):
        head = len(raw) - length
        return [raw[:head], raw[head:]]
    conformance.run(case, length_rows(cut))


def test_each_length_comes_back_with_its_header_by_bytes(case):
    def cut(raw, length):
        head = len(raw) - length
        return chopped(raw[:head]) + [raw[head:]]
    conformance.run(case, length_rows(cut))


def test_each_length_comes_back_in_pieces_of_997(case):
    """A prime, so that the masking key is entered at each of its bytes."""
    conformance.run(case, length_rows(lambda raw, length: chopped(raw, 997)))


def test_short_lengths_come_back_by_bytes(case):
    rows = by_bytes([row(f'{kind} of {length}', frame_bytes(opcode, b'y' * length),
                         (opcode, b'y' * length))
                     for kind, opcode in DATA.items() for length in range(0, 140, 23)])
    conformance.run(case, rows)


def test_many_frames_in_one_segment_come_back_in_order(case):
    frames = [(opcode, payload_of(opcode, length)) for length in LENGTHS
              for opcode in DATA.values()]
    sent = b''.join(frame_bytes(*each) for each in frames)
    conformance.run(case, [row('all at once', sent, *frames),
                           row('cut at 1021', chopped(sent, 1021), *frames)])


def test_each_masking_key_is_applied(case):
    """Also those that leave bytes as they are, and payloads that look like frames when masked."""
    keys = (b'\0\0\0\0', b'\xff\xff\xff\xff', b'\x01\0\0\0', b'\0\0\0\x80', b'\x81\x05\x88\0')
    rows = [row(f'key {key.hex()}, {length} bytes', keyed_frame(BINARY, bytes(range(length)), key),
                (BINARY, bytes(range(length))))
            for key in keys for length in (1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 125)]
    conformance.run(case, rows)


def test_lengths_in_too_long_a_form_are_1002(case):
    """RFC 6455, 5.2: the minimal number of bytes MUST be used."""
    forms = [(16, length) for length in (0, 1, 125)] + \
            [(64, length) for length in (0, 1, 125, 126, 127, 65535)]
    rows = [row(f'opcode {opcode}, {length} in {bits} bits',
                frame_bytes(opcode, b'x' * length, size=bits), close=1002)
            for opcode in (*DATA.values(), *CONTROL.values()) for bits, length in forms]
    conformance.run(case, rows)


def test_lengths_of_64_bits_with_the_top_bit_are_1002(case):
    rows = [row(f'opcode {opcode}, {length:#x}',
                frame_bytes(opcode, b'', size=64, declared=length), close=1002)
            for opcode in (*DATA.values(), *CONTROL.values())
            for length in (1 << 63, (1 << 63) + 5, (1 << 64) - 1)]
    conformance.run(case, rows)


def fault_rows(faults):
    """Each of {what: frame} alone, behind a message, behind a ping, in the middle of a message and
    with more behind it."""
    begun = frame_bytes(TEXT, b'begun', fin=False)
    rows = []
    for what, raw in faults.items():
        rows += [
            row(f'{what}, alone', raw, close=1002),
            row(f'{what}, behind a message', HELLO + raw, (TEXT, b'hello'), close=1002),
            row(f'{what}, behind a ping', frame_bytes(PING, b'p') + raw, (PONG, b'p'), close=1002),
            row(f'{what}, inside a message', begun + raw, close=1002),
            row(f'{what}, with more behind it', raw + BEHIND, close=1002, late=BEHIND),
            row(f'{what}, cut from what surrounds it', [HELLO, raw, BEHIND], (TEXT, b'hello'),
                close=1002),
        ]
    return rows


def reserved_bits(opcodes):
    return {f'bits {rsv:03b} of {what}': frame_bytes(opcode, b'xy', rsv=rsv)
            for rsv in range(1, 8) for what, opcode in opcodes.items()}


def test_reserved_bits_of_messages_are_1002(case):
    conformance.run(case, fault_rows(reserved_bits(DATA)))


def test_reserved_bits_of_control_frames_are_1002(case):
    conformance.run(case, fault_rows(reserved_bits(CONTROL)))


def test_reserved_bits_of_continuations_are_1002(case):
    begun = frame_bytes(TEXT, b'begun', fin=False)
    rows = [row(f'bits {rsv:03b}, fin {fin}',
                begun + frame_bytes(CONTINUATION, b'x', fin=fin, rsv=rsv) + BEHIND, close=1002)
            for rsv in range(1, 8) for fin in (False, True)]
    conformance.run(case, rows + by_bytes(rows))


def test_reserved_bits_by_bytes_are_1002(case):
    rows = [row(f'bits {rsv:03b}', HELLO + frame_bytes(TEXT, b'xy', rsv=rsv) + BEHIND,
                (TEXT, b'hello'), close=1002) for rsv in range(1, 8)]
    conformance.run(case, by_bytes(rows))


def reserved_opcodes(payload, fin=True):
    return {f'opcode {opcode}, {len(payload)} bytes, fin {fin}':
            frame_bytes(opcode, payload, fin=fin) for opcode in RESERVED_OPCODES}


def test_reserved_opcodes_are_1002(case):
    conformance.run(case, fault_rows(reserved_opcodes(b'')))


def test_reserved_opcodes_with_a_payload_are_1002(case):
    conformance.run(case, fault_rows(reserved_opcodes(b'reserved')))


def test_reserved_opcodes_without_fin_are_1002(case):
    conformance.run(case, fault_rows(reserved_opcodes(b'', fin=False)))


def test_reserved_opcodes_by_bytes_are_1002(case):
    rows = [row(what, HELLO + raw + BEHIND, (TEXT, b'hello'), close=1002)
            for what, raw in reserved_opcodes(b'reserved').items()]
    conformance.run(case, by_bytes(rows))


def test_unmasked_frames_are_1002_wherever_they_stand(case):
    faults = {what: frame_bytes(opcode, b'', masked=False)
              for what, opcode in {**DATA, **CONTROL}.items()}
    conformance.run(case, fault_rows(faults))


def test_a_fault_is_told_from_the_header_alone(case):
    """Nothing of the payload that it announces is waited for."""
    headers = {
        'a reserved bit': frame_bytes(TEXT, b'', rsv=1, declared=100),
        'a reserved opcode': frame_bytes(3, b'', declared=100),
        'no mask': frame_bytes(TEXT, b'', masked=False, declared=100),
        'a long ping': frame_bytes(PING, b'', declared=126),
        'a cut close': frame_bytes(CLOSE, b'', fin=False, declared=10),
        'a continuation of nothing': frame_bytes(CONTINUATION, b'', declared=100),
        'a message inside a message': frame_bytes(TEXT, b'', fin=False)
                                      + frame_bytes(TEXT, b'', declared=100),
    }
    conformance.run(case, [row(what, raw, close=1002, late=b'x' * 100 + close_bytes(1000))
                           for what, raw in headers.items()])
