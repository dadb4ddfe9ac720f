"""Conformance, the closing handshake: codes, reasons, what stands behind a close frame, and the end
of the TCP connection (RFC 6455, 5.5.1, 7.1, 7.4).
"""
import struct

from lib import check, conformance, testing
from lib.conformance import Echo, by_bytes, message_frames, row
from lib.websocket import BINARY, CLOSE, PING, PONG, TEXT, close_bytes, frame_bytes

FLAGS = conformance.FLAGS
HELLO = frame_bytes(TEXT, b'hello')
# RFC 6455, 7.4.1 and 7.4.2; 1012-1014 are IANA's.
VALID = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}
# All that have a meaning of their own, and every class around its boundaries and in between.
CODES = sorted({*range(0, 20), *range(0, 1000, 83), *range(990, 1040), *range(1040, 5000, 61),
                *range(1990, 2010), *range(2990, 3010), *range(3990, 4010), *range(4990, 5000)})
NEVER = (5000, 5001, 9999, 10000, 32767, 32768, 49152, 59395, 65534, 65535)
NOT_UTF8 = (b'\x80', b'\xff', b'\xc0\xaf', b'\xed\xa0\x80', b'\xf4\x90\x80\x80', b'\xe4\xb8',
            b'\xf0\x9f\xa6', b'good \xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80 bad')
BEHIND = {
    'another close': close_bytes(1000),
    'another code': close_bytes(3001, b'second thoughts'),
    'a faulty close': frame_bytes(CLOSE, b'\x03'),
    'a ping': frame_bytes(PING, b'behind it'),
    'a text': frame_bytes(TEXT, b'behind it'),
    'a long binary': frame_bytes(BINARY, b'x' * 200000),
    'a text that is not one': frame_bytes(TEXT, b'\xff'),
    'a reserved opcode': frame_bytes(5, b'behind it'),
    'an unmasked frame': frame_bytes(TEXT, b'behind it', masked=False),
    'half a frame': frame_bytes(TEXT, b'behind it')[:4],
    'no frame at all': b'GET / HTTP/1.1\r\n\r\n',
}


def check_ended(case, sent, code, target=Echo, before=()):
    """All of it is sent; the close frame has that code (None: none), and that is the end of it."""
    peer = conformance.connect(case, target)
    peer.send_pieces([sent] if isinstance(sent, bytes) else sent)
    for frame in before:
        check.equal(peer.event(), frame, 'what is due before the close frame')
    payload = b'' if code is None else struct.pack('>H', code)
    check.equal(peer.event(), (CLOSE, payload), 'the answer to the close frame')
    peer.expect_fin()
    peer.close()


def check_each(case, closes, before=()):
    """closes: {what: (bytes, code that comes back)}"""
    for target in conformance.TARGETS:
        for what, (sent, code) in closes.items():
            try:
                check_ended(case, sent, code, target, before)
            except (check.Failed, OSError) as problem:
                check.fail(f'{what} ({target.name}): {problem}')


def test_each_valid_code_comes_back(case):
    check_each(case, {f'code {code}': (close_bytes(code), code)
                      for code in CODES if code in VALID})


def test_each_other_code_is_1002(case):
    conformance.run(case, [row(f'code {code}', close_bytes(code), close=1002)
                           for code in (*CODES, *NEVER) if code not in VALID])


def test_each_other_code_is_1002_with_a_reason_too(case):
    rows = [row(f'code {code}', close_bytes(code, b'why'), close=1002)
            for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)]
    conformance.run(case, rows + by_bytes(rows))


def test_an_empty_close_frame_is_answered_by_an_empty_one(case):
    check_each(case, {'empty': (close_bytes(), None),
                      'by bytes': ([b'\x88', b'\x80', b'keys'], None)})


def test_half_a_code_is_1002(case):
    rows = [row(f'byte {byte:#x}', frame_bytes(CLOSE, bytes([byte])), close=1002)
            for byte in (0, 3, 0x0b, 0x0c, 0x10, 0x7f, 0xff)]
    conformance.run(case, rows + by_bytes(rows))


def test_reasons_of_every_length_are_fine(case):
    check_each(case, {f'{length} bytes': (close_bytes(1000, b'r' * length), 1000)
                      for length in range(124)})


def test_reasons_in_all_kinds_of_characters_are_fine(case):
    reasons = ('é', '世界', '🦁', '\0', '\ud7ff\ue000\uffff\U0010ffff', '世' * 41)
    check_each(case, {f'reason {reason!a}': (close_bytes(4999, reason.encode()), 4999)
                      for reason in reasons})


def test_close_frames_of_more_than_125_bytes_are_1002(case):
    conformance.run(case, [row(f'{length} bytes', close_bytes(1000, b'r' * (length - 2)),
                               close=1002) for length in (126, 127, 65535, 65536)])


def test_reasons_that_are_not_utf8_are_1007(case):
    rows = [row(raw.hex(), close_bytes(1000, raw), close=1007) for raw in NOT_UTF8]
    conformance.run(case, rows + by_bytes(rows))


def test_what_stands_behind_a_close_frame_is_ignored(case):
    check_each(case, {what: (close_bytes(1000) + raw, 1000) for what, raw in BEHIND.items()})


def test_what_comes_behind_a_close_frame_is_ignored(case):
    """In segments of its own: the server may have answered by then."""
    check_each(case, {what: ([close_bytes(1001), *[raw] * 3], 1001)
                      for what, raw in BEHIND.items()})


def test_what_stands_behind_a_violation_is_ignored(case):
    conformance.run(case, [row(what, [frame_bytes(3, b'') + raw, raw], close=1002, late=raw)
                           for what, raw in BEHIND.items()])


def test_much_behind_a_close_frame_is_ignored(case):
    """More than the kernel's buffers hold: the server has to read it, or its FIN becomes a RST."""
    flood = frame_bytes(BINARY, b'x' * 65536) * 64
    for target in conformance.TARGETS:
        peer = conformance.connect(case, target)
        peer.send(close_bytes(1000))
        sending = testing.Background(peer.send, flood)
        check.equal(peer.event(), (CLOSE, b'\x03\xe8'), 'the answer to the close frame')
        sending.result()
        peer.expect_fin()


def test_a_close_frame_in_the_middle_of_a_message_is_answered(case):
    """The message is given up, also when its rest comes."""
    first, rest = message_frames(TEXT, [b'begun', b'done'])
    check_each(case, {
        'unfinished': (first + close_bytes(1000), 1000),
        'finished behind it': (first + close_bytes(1000) + rest, 1000),
        'finished behind it, in segments': ([first, close_bytes(1000), rest], 1000),
        'inside a character': (frame_bytes(TEXT, b'\xe4\xb8', fin=False) + close_bytes(1000),
                               1000),
    })


def test_a_close_frame_by_bytes_is_answered(case):
    for target in conformance.TARGETS:
        check_ended(case, conformance.chopped(close_bytes(3999, b'by bytes')), 3999, target)


def test_echoes_under_way_come_before_the_close_frame(case):
    for count, size in ((1, 5), (100, 10), (20, 5000), (8, 300000), (1, 4 << 20)):
        payload = b'e' * size
        raw = frame_bytes(BINARY, payload) * count + close_bytes(1000)
        peer = conformance.connect(case)
        sending = testing.Background(peer.send, raw)
        for _ in range(count):
            check.true(peer.event() == (BINARY, payload), f'echo of {size} bytes')
        check.equal(peer.event(), (CLOSE, b'\x03\xe8'), 'the answer to the close frame')
        sending.result()
        peer.expect_fin()


def test_echoes_and_pongs_under_way_come_before_a_violations_close_frame(case):
    rows = []
    for count in (1, 10, 200):
        raw = (HELLO + frame_bytes(PING, b'p')) * count + frame_bytes(TEXT, b'bad', rsv=4)
        rows.append(row(f'{count} of each', raw, *[(TEXT, b'hello'), (PONG, b'p')] * count,
                        close=1002))
    conformance.run(case, rows)


def test_a_peer_that_says_goodbye_and_ends_its_output_at_once(case):
    """Its FIN is there with its close frame: it still reads, and is answered."""
    for target in conformance.TARGETS:
        peer = conformance.connect(case, target)
        peer.send(frame_bytes(PING, b'last') + close_bytes(1000))
        peer.end_output()
        check.equal(peer.event(), (PONG, b'last'), 'the last pong')
        check.equal(peer.event(), (CLOSE, b'\x03\xe8'), 'the answer to the close frame')
        peer.expect_fin()


def test_the_server_ends_the_connection_first(case):
    """RFC 6455, 7.1.1: the peer that said goodbye waits for the server's FIN, and gets it."""
    for target in conformance.TARGETS:
        peer = conformance.connect(case, target)
        peer.send(close_bytes(1000))
        check.equal(peer.event(), (CLOSE, b'\x03\xe8'), 'the answer to the close frame')
        check.equal(peer.take_rest(), b'', 'bytes behind the close frame')


def test_a_close_frame_right_behind_the_handshake_is_answered(case):
    for target in conformance.TARGETS:
        peer = case.keep(conformance.Peer(case.server.port, timeout=conformance.PATIENCE_S))
        peer.open(target.path(case), extra_bytes=close_bytes(1000))
        check.equal(peer.event(), (CLOSE, b'\x03\xe8'), 'the answer to the close frame')
        peer.expect_fin()
