"""What a WebSocket peer must not send, and the code each is closed with (RFC 6455, 5, 7.4, 8.1).
Floods are in test_abuse.py.
"""
import struct
import time

from lib import check, testing, websocket
from lib.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_bytes, frame_bytes


def check_closed(case, code, faults, at=None):
    """Each of {what: bytes} is closed with that code, and nothing of it is published."""
    watcher = case.peer(at=at)
    for what, raw in faults.items():
        peer = case.peer(at=at)
        try:
            peer.send(raw)
            peer.expect_close(code)
        except (check.Failed, OSError) as problem:
            check.fail(f'{what}: {problem}')
    watcher.echo('nothing came before this')


def test_a_frame_that_is_not_masked_is_1002(case):
    check_closed(case, 1002, {
        'text': frame_bytes(TEXT, b'hello', masked=False),
        'empty text': frame_bytes(TEXT, b'', masked=False),
        'ping': frame_bytes(PING, b'p', masked=False),
        'close': frame_bytes(CLOSE, b'\x03\xe8', masked=False),
    })


def test_each_reserved_bit_is_1002(case):
    faults = {f'bits {rsv:03b} of opcode {opcode}': frame_bytes(opcode, b'', rsv=rsv)
              for rsv in range(1, 8) for opcode in (TEXT, BINARY, PING, CLOSE)}
    check_closed(case, 1002, faults)


def test_each_reserved_opcode_is_1002(case):
    check_closed(case, 1002, {f'opcode {opcode}': frame_bytes(opcode, b'x')
                              for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)})


def test_cut_control_frames_are_1002(case):
    check_closed(case, 1002, {f'opcode {opcode}': frame_bytes(opcode, b'', fin=False)
                              for opcode in (PING, PONG, CLOSE)})


def test_long_control_frames_are_1002(case):
    check_closed(case, 1002, {f'opcode {opcode}': frame_bytes(opcode, b'x' * 126)
                              for opcode in (PING, PONG, CLOSE)})


def test_fragments_out_of_place_are_1002(case):
    check_closed(case, 1002, {
        'a continuation of nothing': frame_bytes(CONTINUATION, b'x'),
        'an unfinished continuation of nothing': frame_bytes(CONTINUATION, b'x', fin=False),
        'text inside text': frame_bytes(TEXT, b'x', fin=False) + frame_bytes(TEXT, b'y'),
        'binary inside text': frame_bytes(TEXT, b'x', fin=False)
                              + frame_bytes(BINARY, b'y', fin=False),
    })
    peer = case.peer()
    peer.echo('whole')
    peer.send(frame_bytes(CONTINUATION, b'of a finished message'))
    peer.expect_close(1002)


def test_lengths_that_are_not_minimal_are_1002(case):
    check_closed(case, 1002, {
        '125 in 16 bits': frame_bytes(BINARY, b'x' * 125, size=16),
        '0 in 16 bits': frame_bytes(BINARY, b'', size=16),
        '125 in 64 bits': frame_bytes(BINARY, b'x' * 125, size=64),
        '65535 in 64 bits': frame_bytes(BINARY, b'x' * 65535, size=64),
        'a ping in 16 bits': frame_bytes(PING, b'p', size=16),
    })


def test_a_length_with_its_highest_bit_set_is_1002(case):
    check_closed(case, 1002, {'2 to the 63': frame_bytes(BINARY, b'', size=64, declared=1 << 63)})


def test_close_frames_that_say_nothing_valid_are_1002(case):
    codes = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    faults = {f'code {code}': close_bytes(code) for code in codes}
    faults['half a code'] = frame_bytes(CLOSE, b'\x03')
    check_closed(case, 1002, faults)


def test_a_close_reason_that_is_not_utf8_is_1007(case):
    check_closed(case, 1007, {
        'a lone byte': close_bytes(1000, b'\xff'),
        'a cut character': close_bytes(1000, '世'.encode()[:2]),
    })


NOT_UTF8 = {
    'a lone continuation byte': b'\x80',
    'a byte that is never there': b'\xff',
    'an overlong slash': b'\xc0\xaf',
    'an overlong NUL in three bytes': b'\xe0\x80\x80',
    'an overlong character in four bytes': b'\xf0\x82\x82\xac',
    'a surrogate': b'\xed\xa0\x80',
    'beyond U+10FFFF': b'\xf4\x90\x80\x80',
    'five bytes': b'\xf8\x88\x80\x80\x80',
    'a cut character at the end': b'abc\xe4\xb8',
    'good, then bad': 'Grüße'.encode() + b'\xe4x',
}


def test_text_that_is_not_utf8_is_1007(case):
    check_closed(case, 1007, {what: frame_bytes(TEXT, text) for what, text in NOT_UTF8.items()})


def test_text_that_is_not_utf8_is_1007_also_in_fragments(case):
    faults = {}
    for what, text in NOT_UTF8.items():
        first, rest = text[:1], text[1:]
        faults[what] = frame_bytes(TEXT, first, fin=False) + frame_bytes(CONTINUATION, rest)
    check_closed(case, 1007, faults)


def test_bad_text_is_noticed_before_the_message_ends(case):
    check_closed(case, 1007, {
        'unfinished message': frame_bytes(TEXT, b'abc\xff', fin=False),
        'unfinished frame': frame_bytes(TEXT, b'abc\xff', declared=1000),
    })


def test_binary_messages_may_hold_anything(case):
    peer = case.peer()
    for raw in NOT_UTF8.values():
        peer.send(frame_bytes(BINARY, raw))
        check.equal(peer.binary(), raw, 'the message')


def test_a_message_over_max_message_is_1009(case):
    server = case.start('--max-message', 1000)
    check_closed(case, 1009, {
        'one byte too many': frame_bytes(BINARY, b'x' * 1001),
        'in fragments': frame_bytes(BINARY, b'x' * 600, fin=False)
                        + frame_bytes(CONTINUATION, b'x' * 401),
        'in unfinished fragments': frame_bytes(BINARY, b'x' * 600, fin=False)
                                   + frame_bytes(CONTINUATION, b'x' * 401, fin=False),
    }, at=server)


def test_an_announced_length_beyond_all_bounds_is_1009_at_once(case):
    check_closed(case, 1009, {
        '2 MiB': frame_bytes(BINARY, b'', size=64, declared=2 << 20),
        'an exabyte': frame_bytes(BINARY, b'', size=64, declared=1 << 60),
        'all but the highest bit': frame_bytes(TEXT, b'', size=64, declared=(1 << 63) - 1),
    })


def test_a_violation_is_found_wherever_the_bytes_are_cut(case):
    raw = frame_bytes(TEXT, b'good') + frame_bytes(TEXT, b'bad\xff')
    for cut in range(1, len(raw)):
        peer = case.peer()
        peer.send_pieces([raw[:cut], raw[cut:]])
        peer.expect_close(1007, skip=(TEXT,))


def test_what_was_sent_before_a_violation_is_published(case):
    watcher, peer = case.peer(), case.peer()
    peer.send(frame_bytes(TEXT, b'good') + frame_bytes(TEXT, b'bad', masked=False))
    check.equal(watcher.text(), 'good', 'what the watcher got')
    peer.expect_close(1002, skip=(TEXT,))
    watcher.echo('nothing else')


def test_a_peer_that_ignores_the_close_is_let_go(case):
    """It neither answers nor reads on; the connection has to end all the same."""
    server = case.start()
    before = server.connection_count()
    peer = case.peer(at=server)
    peer.send(frame_bytes(TEXT, b'', rsv=1))
    check.equal(peer.closing()[0], 1002, 'close code')
    peer.send(frame_bytes(TEXT, b'as if nothing had happened'))
    server.wait_connection_count(before, patience_s=15)


def test_half_a_frame_and_then_the_end_is_nothing(case):
    watcher = case.peer()
    for raw in (b'\x81', b'\x81\xfe\x00', frame_bytes(TEXT, b'cut', declared=10),
                struct.pack('>B', 0x81) + b'\x85\x00\x00'):
        peer = case.peer()
        peer.send(raw)
        peer.end_output()
        peer.ends()
    watcher.echo('nothing came before this')


@testing.limit(60)
def test_who_goes_on_sending_behind_its_fault_still_finds_the_reason(case):
    """It looks for it only when all is sent, seconds later: no reset has taken it away."""
    peer = case.peer()
    peer.send(frame_bytes(TEXT, b'', declared=1 << 40))
    for _ in range(45):
        peer.send(bytes(1000))
        time.sleep(0.1)
    peer.expect_close(1009)
