"""WebSocket messages and control frames as peers send them (RFC 6455, 5): well-formed ones.
Violations are in test_websocket_faults.py.
"""
import re
import struct
import time

from lib import check, http, websocket
from lib.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame_bytes

SIZES = (0, 1, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537, 300000)


def test_a_text_message_comes_back(case):
    case.peer().echo('hello')


def test_a_message_reaches_every_subscriber_of_the_topic_and_no_other(case):
    peers = [case.peer() for _ in range(6)]
    other = case.peer(f'{case.topic}.other')
    peers[0].send_text('for all')
    check.equal([peer.text() for peer in peers], ['for all'] * 6, 'what the subscribers got')
    other.echo('mine')  # had it got the first message, it would come before its own


def test_text_stays_text_and_binary_stays_binary(case):
    peer = case.peer()
    peer.send_binary(b'\x00\xff\xfe')
    check.equal(peer.message(), (BINARY, b'\x00\xff\xfe'), 'binary message')
    peer.send_binary(b'looks like text')
    check.equal(peer.message(), (BINARY, b'looks like text'), 'binary message')
    peer.send_text('Grüße, 世界 🦁\0\r\n')
    check.equal(peer.message(), (TEXT, 'Grüße, 世界 🦁\0\r\n'.encode()), 'text message')


def test_every_way_to_write_a_length_is_understood(case):
    peer = case.peer()
    for size in SIZES:
        payload = (b'0123456789abcdef' * (size // 16 + 1))[:size]
        peer.send(frame_bytes(BINARY, payload))
        check.true(peer.binary() == payload, f'the message of {size} bytes is another')


def test_a_message_of_exactly_max_message_is_taken(case):
    peer = case.peer(at=case.start('--max-message', 1000))
    peer.echo('x' * 1000)


def test_many_messages_in_one_segment_keep_their_order(case):
    peer = case.peer()
    peer.send(b''.join(frame_bytes(TEXT, b'%d' % index) for index in range(1000)))
    check.equal([int(peer.text()) for _ in range(1000)], list(range(1000)), 'order')


def test_fragments_are_joined(case):
    peer = case.peer()
    peer.send(frame_bytes(TEXT, b'one ', fin=False) + frame_bytes(CONTINUATION, b'', fin=False)
              + frame_bytes(CONTINUATION, b'two ', fin=False) + frame_bytes(CONTINUATION, b'three'))
    check.equal(peer.text(), 'one two three', 'the message')


def test_a_character_may_be_cut_by_fragments(case):
    peer = case.peer()
    for byte in '🦁'.encode()[:-1]:
        opcode = TEXT if byte == 0xf0 else CONTINUATION
        peer.send(frame_bytes(opcode, bytes([byte]), fin=False))
    peer.send(frame_bytes(CONTINUATION, '🦁'.encode()[-1:]))
    check.equal(peer.text(), '🦁', 'the message')


def test_control_frames_may_come_between_fragments(case):
    peer = case.peer()
    peer.send(frame_bytes(TEXT, b'be', fin=False) + frame_bytes(PING, b'now')
              + frame_bytes(PONG, b'unasked') + frame_bytes(CONTINUATION, b'tween'))
    peer.expect_pong(b'now')
    check.equal(peer.text(), 'between', 'the message')


def test_a_long_message_in_many_fragments_is_joined(case):
    peer = case.peer()
    peer.send(frame_bytes(BINARY, b'', fin=False))
    for index in range(256):
        peer.send(frame_bytes(CONTINUATION, bytes([index]) * 1000, fin=index == 255))
    check.true(peer.binary() == b''.join(bytes([index]) * 1000 for index in range(256)),
               'the message is another')


def test_frames_are_the_same_wherever_they_are_cut(case):
    peer = case.peer()
    raw = (frame_bytes(TEXT, 'grü'.encode(), fin=False) + frame_bytes(PING, b'p')
           + frame_bytes(CONTINUATION, 'ß'.encode()) + frame_bytes(BINARY, b'b' * 130))
    for cut in range(1, len(raw)):
        peer.send_pieces([raw[:cut], raw[cut:]])
        got = [peer.frame() for _ in range(3)]
        check.equal([(frame.opcode, frame.payload) for frame in got],
                    [(PONG, b'p'), (TEXT, 'grüß'.encode()), (BINARY, b'b' * 130)], f'cut at {cut}')


def test_frames_may_come_byte_by_byte(case):
    peer = case.peer()
    raw = frame_bytes(TEXT, b'x' * 130) + frame_bytes(TEXT, b'')
    peer.send_pieces([raw[at:at + 1] for at in range(len(raw))])
    check.equal([peer.text(), peer.text()], ['x' * 130, ''], 'messages')


def test_a_ping_is_answered_with_its_payload(case):
    peer = case.peer()
    for payload in (b'', b'hello', bytes(range(125))):
        peer.send(frame_bytes(PING, payload))
        peer.expect_pong(payload)


def test_an_unasked_pong_is_ignored(case):
    peer = case.peer()
    peer.send(frame_bytes(PONG, b'unasked'))
    peer.echo('still here')


def test_a_close_frame_is_answered_with_its_code(case):
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000,
                 3999, 4000, 4999):
        peer = case.peer()
        peer.send(websocket.close_bytes(code, 'bye, 世界'.encode()))
        check.equal(peer.closing()[0], code, 'code of the answer')
        check.equal(peer.take_rest(), b'', 'bytes after the close frame')


def test_an_empty_close_frame_is_answered(case):
    peer = case.peer()
    peer.send(websocket.close_bytes())
    check.one_of(peer.closing()[0], (None, 1000), 'code of the answer')
    check.equal(peer.take_rest(), b'', 'bytes after the close frame')


def test_what_follows_a_close_frame_is_not_published(case):
    watcher, peer = case.peer(), case.peer()
    peer.send(websocket.close_bytes(1000) + frame_bytes(TEXT, b'too late'))
    check.equal(peer.closing()[0], 1000, 'code of the answer')
    watcher.echo('next')  # the late message would have come first


def test_a_message_sent_just_before_the_close_is_published(case):
    watcher, peer = case.peer(), case.peer()
    peer.send(frame_bytes(TEXT, b'last words') + websocket.close_bytes(1000))
    check.equal(watcher.text(), 'last words', 'what the other got')
    peer.expect_close(1000, skip=(TEXT,))


def test_a_peer_that_only_ends_its_output_is_let_go(case):
    peer = case.peer()
    peer.echo('here')
    peer.end_output()
    rest = peer.ends()
    check.true(rest == b'' or rest[0] == 0x80 | CLOSE, f'it said {check.shown(rest)}')


def test_a_peer_that_leaves_is_gone_from_the_gauge(case):
    server = case.start()
    before = server.connection_count()
    peers = [case.peer(at=server) for _ in range(5)]
    server.wait_metric(5, 'uproar_connections', proto='ws')
    for index, peer in enumerate(peers):
        if index % 2:
            peer.leave()
        else:
            peer.reset()
    server.wait_connection_count(before)


def count_pings(peer, answer, count):
    """Reads until `count` pings have come or the stream ends; returns how many it were."""
    for seen in range(count):
        try:
            frame = peer.frame()
        except (http.Ended, ConnectionResetError):
            return seen
        if frame.opcode == CLOSE:
            return seen
        check.equal(frame.opcode, PING, f'a ping was due, not {frame}')
        if answer:
            peer.send(frame_bytes(PONG, frame.payload))
    return count


def test_a_peer_that_answers_pings_stays(case):
    peer = case.peer(at=case.start('--ping', 1))
    check.equal(count_pings(peer, True, 4), 4, 'pings answered')
    peer.echo('alive')


def test_a_peer_that_never_answers_is_dropped_after_two_pings(case):
    server = case.start('--ping', 1)
    before = server.connection_count()
    seen = count_pings(case.peer(at=server), False, 10)
    check.true(2 <= seen <= 3, f'{seen} pings before the peer was given up')
    server.wait_connection_count(before)


def test_data_counts_as_a_sign_of_life(case):
    """Never answers a ping, but says something: for longer than a silent peer is suffered."""
    peer = case.peer(at=case.start('--ping', 2))
    for _ in range(32):
        peer.send(frame_bytes(TEXT, b'life'))
        time.sleep(0.25)
    frames = [peer.frame() for _ in range(32)]
    check.equal({frame.opcode for frame in frames} - {TEXT, PING}, set(), 'other frames')
    peer.send(frame_bytes(PING, b'you?'))
    while (frame := peer.frame()).opcode != PONG:
        check.one_of(frame.opcode, (TEXT, PING), 'opcode')


def test_a_close_reason_of_the_greatest_length_is_fine(case):
    peer = case.peer()
    peer.send(frame_bytes(CLOSE, struct.pack('>H', 1000) + b'r' * 123))
    check.equal(peer.closing()[0], 1000, 'code of the answer')


def test_the_cursor_of_the_start_is_in_the_handshake(case):
    before = http.cursor(http.publish(case.server, case.topic, b'x'))
    told = case.peer().opened.get('uproar-cursor')
    check.matches(re.compile('.'), told, 'Uproar-Cursor of the handshake')
    check.true(http.cursor(told) >= before, f'{told} is before {before}')
