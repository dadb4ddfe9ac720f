"""Conformance, compressed messages that the server sends: windows, contexts, the threshold, and
many messages both ways (RFC 7692, 7.1.1, 7.1.2, 7.2.1). What it takes is in
test_conformance_deflate.py.
"""
import os

from lib import check, conformance, deflating, testing
from lib.deflating import NAME, TARGETS, Echo, Topic, agreed_peer
from lib.websocket import BINARY, TEXT, frame_bytes

FLAGS = conformance.FLAGS
CORPUS = deflating.sample(1 << 18)
REPEATED = deflating.sample(400, 3) * 100  # there is always something to refer back to, 400 away
COUNT = 1000
TERMS = {
    'contexts': NAME,
    'no server context': f'{NAME}; server_no_context_takeover; client_no_context_takeover',
    'a small window': f'{NAME}; server_max_window_bits=9; client_max_window_bits=9',
    'the greatest window': f'{NAME}; server_max_window_bits=15; client_max_window_bits=15',
    'a small window without context': f'{NAME}; server_max_window_bits=9; '
                                      'server_no_context_takeover; client_no_context_takeover',
    'several offers': f'{NAME}; server_no_context_takeover; server_max_window_bits=9, '
                      f'{NAME}; server_no_context_takeover, {NAME}',
}


def echoed(peer, data, opcode=TEXT):
    """Sends it plain, so that only the server's compression is looked at. Returns wire_len."""
    peer.send(frame_bytes(opcode, data))
    check.true(peer.event() == (opcode, data), 'the echo is another')
    return peer.wire_len


def check_judge_sees_far_references():
    """A test of the tests: what was made with a larger window is noticed."""
    raw = deflating.Deflater(bits=15).deflate(REPEATED[:900])
    try:
        deflating.Inflater(bits=8, piece=1).inflate(raw)
    except check.Failed:
        return
    check.fail('references beyond the window are not noticed')


def test_windows_of_all_sizes_are_kept_to(case):
    check_judge_sees_far_references()
    for bits in range(8, 16):
        for context in ('', '; server_no_context_takeover'):
            offer = f'{NAME}; server_max_window_bits={bits}{context}'
            peer = agreed_peer(case, offer, piece=1)
            for size in (300, 1000, 5000, 40000):
                echoed(peer, REPEATED[:size])
                echoed(peer, CORPUS[:size])
            peer.say_goodbye()


def test_a_window_without_context_is_used_up_to_its_size(case):
    """The same text at a distance just within and far beyond the window of 15 bits."""
    part = os.urandom(1500)
    for gap in (0, 10000, 30000, 31200, 40000):
        peer = agreed_peer(case, f'{NAME}; server_max_window_bits=15', piece=1)
        echoed(peer, part + os.urandom(gap) + part, BINARY)


def test_windows_of_all_sizes_of_ours_are_understood(case):
    for bits in range(8, 16):
        peer = agreed_peer(case, f'{NAME}; client_max_window_bits={bits}')
        for size in (0, 1, 300, 5000, 70000):
            peer.exchange(REPEATED[:size])
            peer.exchange(CORPUS[:size], BINARY)


def test_a_context_is_kept_between_messages_on_the_echo(case):
    """What was said before costs next to nothing to say again."""
    peer = agreed_peer(case)
    check.lacks(peer.agreed, 'server_no_context_takeover', 'the answer')
    first = echoed(peer, CORPUS[:2000])
    again = echoed(peer, CORPUS[:2000])
    check.true(again * 10 < first, f'the same message again: {first} bytes, then {again}')


def test_a_context_is_not_kept_where_that_was_agreed(case):
    peers = {'echo': agreed_peer(case, TERMS['no server context']),
             'topic': agreed_peer(case, target=Topic)}
    for what, peer in peers.items():
        check.contains(peer.agreed, 'server_no_context_takeover', 'the answer')
        lengths = [echoed(peer, CORPUS[:2000]) for _ in range(3)]
        check.equal(len(set(lengths)), 1, f'kinds of length of one message ({what}): {lengths}')


def test_compression_is_worth_something(case):
    for target in TARGETS:
        length = echoed(agreed_peer(case, target=target), CORPUS[:20000])
        check.true(length is not None and length < 10000, f'{length} of 20000 ({target.name})')


def test_messages_below_the_threshold_are_not_compressed(case):
    """--deflate-min is 256 unless said otherwise."""
    servers = {256: case.server, 0: case.start(*FLAGS, '--deflate-min', 0),
               1000: case.start(*FLAGS, '--deflate-min', 1000)}
    for least, server in servers.items():
        for target in TARGETS:
            peer = agreed_peer(case, target=target, at=server)
            for size in (1, 100, 255, 256, 257, 999, 1000, 1001):
                is_deflated = echoed(peer, REPEATED[:size]) is not None
                # A longer message that compression would make longer still may go as it is.
                check.true(is_deflated == (size >= least) or size < 100,
                           f'{size} bytes compressed: {is_deflated}, with a least of {least}')


def test_what_does_not_compress_comes_back(case):
    for target in TARGETS:
        peer = agreed_peer(case, target=target)
        for size in (256, 1000, 65536, 300000, *range(16360, 16390)):
            data = os.urandom(size)
            length = echoed(peer, data, BINARY)
            check.true((length or 0) <= size + size // 100 + 64, f'{size} became {length}')


def test_who_reads_slowly_gets_everything(case):
    """More than all buffers hold, so that the server has to stop in the middle of messages."""
    peer = case.keep(deflating.Peer(case.server.port, timeout=conformance.PATIENCE_S,
                                    receive_buffer=4096)).open('/echo', deflating.offered(NAME))
    messages = [os.urandom(20000) + CORPUS[:size] for size in range(0, 60000, 200)]
    raw = b''.join(peer.deflated(BINARY, each) for each in messages)
    sending = testing.Background(peer.send, raw)
    for each in messages:
        check.true(peer.event() == (BINARY, each), f'the message of {len(each)} bytes is another')
    sending.result()
    peer.say_goodbye()


def test_each_of_several_peers_has_a_context_of_its_own(case):
    peers = [agreed_peer(case) for _ in range(20)]
    for turn in range(10):
        for at, peer in enumerate(peers):
            peer.exchange(deflating.sample(700, at) + b'%d' % turn)


def test_peers_of_a_topic_with_and_without_compression_get_the_same(case):
    plain = conformance.connect(case, conformance.Topic)
    others = [agreed_peer(case, offer, Topic) for offer in (NAME, deflating.USUAL)]
    for at in range(100):
        data = CORPUS[at * 100:at * 100 + at * 30]
        plain.send(frame_bytes(TEXT, data))
        for peer in (plain, *others):
            peer.expect_message(TEXT, data)


# --- many ----------------------------------------------------------------------------------------

def part(size, at):
    """A text of that size, another one each time."""
    offset = at * 7919 % (len(CORPUS) - size + 1)
    return CORPUS[offset:offset + size]


def send_many(peer, size, fragment):
    for at in range(COUNT):
        peer.send(peer.deflated((TEXT, BINARY)[at % 2], part(size, at), fragment))


def exchange_many(case, size, offer=NAME, fragment=None):
    """All on their way at once; they come back in order."""
    peer = agreed_peer(case, offer)
    sending = testing.Background(send_many, peer, size, fragment)
    for at in range(COUNT):
        check.true(peer.event() == ((TEXT, BINARY)[at % 2], part(size, at)),
                   f'message {at} of {size} bytes is another')
    sending.result()
    peer.say_goodbye()


def test_a_thousand_messages_of_each_small_size(case):
    for size in (16, 64, 256, 1024, 4096):
        exchange_many(case, size)


@testing.limit(120)
def test_a_thousand_messages_of_8_kib(case):
    exchange_many(case, 8192)


@testing.limit(120)
def test_a_thousand_messages_of_16_kib_in_fragments(case):
    exchange_many(case, 16384, fragment=256)


@testing.limit(180)
def test_a_thousand_messages_of_32_kib(case):
    exchange_many(case, 32768)


@testing.limit(240)
def test_a_thousand_messages_of_64_kib_in_fragments(case):
    exchange_many(case, 65536, fragment=1024)


@testing.limit(300)
def test_a_thousand_messages_of_128_kib(case):
    exchange_many(case, 131072)


@testing.limit(180)
def test_a_thousand_messages_on_all_terms(case):
    for offer in TERMS.values():
        for size, fragment in ((16, None), (1024, 100), (4096, None)):
            exchange_many(case, size, offer, fragment)


@testing.limit(120)
def test_messages_one_after_the_other_on_all_terms(case):
    """Each is sent when the one before came back."""
    for offer in TERMS.values():
        peer = agreed_peer(case, offer, Echo)
        for at in range(200):
            peer.exchange(part(at * 37, at), (TEXT, BINARY)[at % 2])


def test_long_messages_compress_and_come_back(case):
    peer = agreed_peer(case)
    for data in (CORPUS * 4, bytes(4 << 20), os.urandom(1 << 20)):
        peer.exchange(data, BINARY, size=65536)
