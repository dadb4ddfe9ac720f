"""Conformance, sizes: messages up to the limit in one frame, in few and in very many fragments and
in chopped writes, one byte more, and many messages in a row (RFC 6455, 5.2, 5.4, 7.4.1, 10.4).
Compressed ones are in test_conformance_deflate*.py.
"""
from lib import check, conformance, testing
from lib.conformance import chopped, message_frames, row
from lib.websocket import BINARY, CONTINUATION, TEXT, frame_bytes

FLAGS = conformance.FLAGS
MAX = 16 << 20  # --max-message with --target
KIB = 1 << 10
TEXT_16M = 'líne of 16 byt\n'.encode() * (MAX // 16)
BINARY_16M = bytes(range(256)) * (MAX // 256)
SAMPLES = {TEXT: TEXT_16M, BINARY: BINARY_16M}
COUNT = 1000


def exchange(case, opcode, payload, pieces):
    """pieces: an iterable of bytes, sent while the answer is waited for."""
    peer = conformance.connect(case)
    sending = testing.Background(send_all, peer, pieces)
    got = peer.event()
    sending.result()
    check.true(got == (opcode, payload), f'{len(payload)} bytes came back as another message')
    peer.say_goodbye()


def send_all(peer, pieces):
    for piece in pieces:
        peer.send(piece)


def fragments(opcode, payload, size):
    """A message's frames, joined to writes of about 64 KiB. One key for all, so as to be quick."""
    key, step = b'\x37\xfa\x21\x3d', max(size, 64 * KIB // size * size)
    for start in range(0, len(payload), step):
        block = payload[start:start + step]
        out = []
        for at in range(0, len(block), size):
            fin = start + at + size >= len(payload)
            kind = opcode if start + at == 0 else CONTINUATION
            out.append(conformance.keyed_frame(kind, block[at:at + size], key, fin))
        yield b''.join(out)


@testing.limit(120)
def test_messages_of_all_sizes_in_one_frame(case):
    for opcode, sample in SAMPLES.items():
        for size in (64 * KIB, 256 * KIB, 1 << 20, 4 << 20, 8 << 20, MAX):
            payload = sample[:size]
            exchange(case, opcode, payload, [frame_bytes(opcode, payload)])


@testing.limit(120)
def test_16_mib_in_fragments(case):
    for opcode, sample in SAMPLES.items():
        for size in (4 * KIB, 64 * KIB, 1 << 20):
            exchange(case, opcode, sample, fragments(opcode, sample, size))


@testing.limit(180)
def test_4_mib_in_65536_fragments(case):
    """64 bytes each."""
    for opcode, sample in SAMPLES.items():
        payload = sample[:4 << 20]
        exchange(case, opcode, payload, fragments(opcode, payload, 64))


@testing.limit(180)
def test_16_mib_in_262144_fragments(case):
    exchange(case, BINARY, BINARY_16M, fragments(BINARY, BINARY_16M, 64))


@testing.limit(120)
def test_1_mib_in_chopped_writes(case):
    for opcode, sample in SAMPLES.items():
        payload = sample[:1 << 20]
        for size in (64, 128, 256, 512, KIB, 2 * KIB):
            exchange(case, opcode, payload, chopped(frame_bytes(opcode, payload), size))


def test_text_in_fragments_of_1300_bytes(case):
    payload = TEXT_16M[:64 * KIB]
    exchange(case, TEXT, payload, message_frames(TEXT, chopped(payload, 1300)))


def test_a_million_empty_fragments_are_one_message(case):
    """They cost six bytes each and add nothing to what the server keeps."""
    empty = frame_bytes(CONTINUATION, b'', fin=False) * 10000
    pieces = [frame_bytes(TEXT, b'a', fin=False), *[empty] * 100, frame_bytes(CONTINUATION, b'b')]
    exchange(case, TEXT, b'ab', pieces)


def test_one_byte_more_than_the_limit_is_1009_before_it_is_sent(case):
    """The header alone tells."""
    rows = [row(f'opcode {opcode}, {declared} bytes',
                frame_bytes(opcode, b'', size=64, declared=declared), close=1009)
            for opcode in (TEXT, BINARY) for declared in (MAX + 1, 1 << 32, (1 << 63) - 1)]
    conformance.run(case, rows)


@testing.limit(120)
def test_one_byte_more_than_the_limit_is_1009(case):
    more = BINARY_16M + b'x'
    for what, pieces in {
            'in one frame': [frame_bytes(BINARY, more)],
            'in fragments': fragments(BINARY, more, 64 * KIB),
            'in two frames': message_frames(BINARY, [BINARY_16M, b'x']),
            'in a fragment of no bytes behind it': message_frames(BINARY, [BINARY_16M, b'', b'x']),
    }.items():
        peer = conformance.connect(case)
        sending = testing.Background(send_all, peer, pieces)
        try:
            opcode, payload = peer.event()
            check.equal((opcode, payload[:2]), (8, b'\x03\xf1'), 'the close frame')
            sending.result()
            peer.expect_fin()
        except (check.Failed, OSError) as problem:
            check.fail(f'{what}: {problem}')


def test_the_limit_is_for_a_message_not_for_a_connection(case):
    peer = conformance.connect(case)
    payload = BINARY_16M[:6 << 20]
    for _ in range(4):
        peer.send(frame_bytes(BINARY, payload))
        check.true(peer.event() == (BINARY, payload), 'the echo is another')
    peer.say_goodbye()


def numbered(opcode, size, at):
    """A message of that size, a multiple of 16; its beginning tells it apart."""
    return b'%-16d' % at + SAMPLES[opcode][16:size] if size >= 16 else b''


def send_numbered(peer, opcode, size):
    for at in range(COUNT):
        peer.send(frame_bytes(opcode, numbered(opcode, size, at)))


def exchange_many(case, opcode, size):
    peer = conformance.connect(case)
    sending = testing.Background(send_numbered, peer, opcode, size)
    for at in range(COUNT):
        check.true(peer.event() == (opcode, numbered(opcode, size, at)),
                   f'message {at} of {size} bytes is another')
    sending.result()
    peer.say_goodbye()


@testing.limit(60)
def test_a_thousand_messages_of_each_size_pipelined(case):
    for opcode in SAMPLES:
        for size in (0, 16, 64, 256, 1024, 4096):
            exchange_many(case, opcode, size)


@testing.limit(180)
def test_a_thousand_messages_of_64_kib_pipelined(case):
    exchange_many(case, BINARY, 65536)


@testing.limit(60)
def test_a_thousand_messages_of_each_size_one_by_one(case):
    for opcode in SAMPLES:
        for size in (0, 16, 64, 256, 1024, 4096):
            peer = conformance.connect(case)
            for at in range(COUNT):
                payload = numbered(opcode, size, at)
                peer.send(frame_bytes(opcode, payload))
                peer.expect_message(opcode, payload)
            peer.say_goodbye()


def test_a_thousand_messages_of_several_sizes_in_a_row_on_a_topic(case):
    """Its ring and its subscribers' slowness are other groups' business: one after the other."""
    peer = conformance.connect(case, conformance.Topic)
    for at in range(COUNT):
        opcode = (TEXT, BINARY)[at % 2]
        payload = numbered(opcode, at * 16 % 5008, at)
        peer.send(frame_bytes(opcode, payload))
        peer.expect_message(opcode, payload)
    peer.say_goodbye()


@testing.limit(60)
def test_16_mib_on_a_topic(case):
    peer = conformance.connect(case, conformance.Topic)
    for opcode, sample in SAMPLES.items():
        peer.send(frame_bytes(opcode, sample))
        check.true(peer.event() == (opcode, sample), 'the message is another')
    peer.say_goodbye()
