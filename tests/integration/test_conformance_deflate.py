"""Conformance, compressed messages that the server receives: every way to write them, and what is
none (RFC 7692, 6, 7.2.2, 7.2.3; RFC 1951, 3.2). What it sends is in
test_conformance_deflate_sent.py.
"""
import zlib

from lib import check, conformance, deflating
from lib.conformance import by_bytes, chopped, row
from lib.deflating import (RSV1, TAIL, TARGETS, Deflater, Echo, agreed_peer, deflated_frames,
                           deflated_message)
from lib.websocket import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_bytes,
                           frame_bytes)

FLAGS = conformance.FLAGS
SAMPLE = deflating.sample(600)
MAX = 16 << 20  # the longest message of a target


def run(case, rows, targets=TARGETS):
    conformance.run(case, rows, targets)


def bits_of(*fields):
    """(value, width) after (value, width) as deflate packs them: lowest bit first."""
    number = at = 0
    for value, width in fields:
        number |= value << at
        at += width
    return number.to_bytes((at + 7) // 8, 'little')


def stored(data, final=0):
    return bytes([final]) + len(data).to_bytes(2, 'little') \
        + (len(data) ^ 0xffff).to_bytes(2, 'little') + data


def alone(data, flush=zlib.Z_SYNC_FLUSH, **how):
    """Compressed without any context."""
    return Deflater(**how).deflate(data, flush)


# Each inflates to the text beside it. From RFC 7692, 7.2.3, and of our own.
HELLO = {
    'one block (7.2.3.1)': bytes.fromhex('f248cdc9c90700'),
    'a stored block (7.2.3.3)': bytes.fromhex('000500faff48656c6c6f00'),
    'a block with BFINAL (7.2.3.4)': bytes.fromhex('f348cdc9c9070000'),
    'two blocks (7.2.3.5)': bytes.fromhex('f24805000000ffffcac9c90700'),
    'a stored block at the end': stored(b'Hello') + b'\0',
    'a stored block for each byte': b''.join(map(stored, chopped(b'Hello'))) + b'\0',
    'stored blocks, empty ones among them':
        b''.join(map(stored, (b'', b'Hel', b'', b'lo', b''))) + b'\0',
    'a stored block with BFINAL': stored(b'Hello', final=1) + b'\0',
    'two full flushes': alone(b'Hel', zlib.Z_FULL_FLUSH) + TAIL + alone(b'lo', zlib.Z_FULL_FLUSH),
    'fixed codes': alone(b'Hello', strategy=zlib.Z_FIXED),
    'codes only': alone(b'Hello', strategy=zlib.Z_HUFFMAN_ONLY),
    'level 0': alone(b'Hello', level=0),
}


def test_the_forms_of_a_compressed_message_are_understood(case):
    rows = [row(what, deflated_message(TEXT, raw), (TEXT, b'Hello')) for what, raw in HELLO.items()]
    run(case, rows + by_bytes(rows))


def test_the_forms_of_a_compressed_message_follow_each_other(case):
    """Each form behind each other one: a block with BFINAL does not end the connection's stream."""
    for what, first in HELLO.items():
        raw = b''.join(deflated_message(TEXT, each) for each in [first, *HELLO.values(), first])
        run(case, [row(f'after {what}', raw, *[(TEXT, b'Hello')] * (len(HELLO) + 2))])


def test_every_kind_of_compression_is_understood(case):
    strategies = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE,
                  zlib.Z_FIXED)
    data = deflating.sample(3000) + b'\0' * 3000 + bytes(range(256)) * 4
    rows = [row(f'level {level}, strategy {strategy}',
                deflated_message(BINARY, alone(data, level=level, strategy=strategy)),
                (BINARY, data)) for level in range(10) for strategy in strategies]
    run(case, rows)


def test_several_blocks_of_different_kinds_are_one_message(case):
    stream = Deflater()
    parts = [deflating.sample(500, seed) for seed in range(8)]
    flushes = (zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_PARTIAL_FLUSH, zlib.Z_BLOCK)
    raw = b''.join(stream.stream.compress(part) + stream.stream.flush(flushes[at % 4])
                   for at, part in enumerate(parts)) + stream.stream.flush(zlib.Z_SYNC_FLUSH)
    whole = (TEXT, b''.join(parts))
    short = deflated_message(TEXT, raw.removesuffix(TAIL))
    run(case, [row('at once', short, whole), row('cut at 7', chopped(short, 7), whole),
               row('with the tail left on', deflated_message(TEXT, raw + b'\0'), whole)])


def test_a_message_flushed_otherwise_is_understood(case):
    """Not every sender flushes by SYNC_FLUSH: what counts is that the blocks hold all the data."""
    partial = alone(SAMPLE, zlib.Z_PARTIAL_FLUSH)
    # The bits that it ends with, and the beginning of an empty block, are zeros.
    ends = (partial + bytes(count) for count in range(3))
    forms = {'partially': next(raw for raw in ends if meaning(raw) == SAMPLE),
             'fully': alone(SAMPLE, zlib.Z_FULL_FLUSH),
             'finished, with the byte of 7.2.3.4': alone(SAMPLE, zlib.Z_FINISH) + b'\0'}
    rows = [row(what, deflated_message(TEXT, raw), (TEXT, SAMPLE)) for what, raw in forms.items()]
    run(case, rows)


def test_empty_messages_are_understood(case):
    empties = {'7.2.3.6': b'\0', 'two empty blocks': stored(b'') + b'\0',
               'a fixed block': b'\x02\0', 'with BFINAL': b'\x03\0\0',
               'with its tail': b'\0' + TAIL + b'\0'}
    rows = [row(f'{what}, opcode {opcode}', deflated_message(opcode, raw), (opcode, b''))
            for what, raw in empties.items() for opcode in (TEXT, BINARY)]
    rows += [row(f'{what}, between others', deflated_message(TEXT, HELLO['fixed codes'])
                 + deflated_message(TEXT, raw) + deflated_message(TEXT, HELLO['fixed codes']),
                 (TEXT, b'Hello'), (TEXT, b''), (TEXT, b'Hello')) for what, raw in empties.items()]
    run(case, rows + by_bytes(rows))


def test_a_message_that_ends_inside_a_block_is_never_taken_for_another(case):
    """RFC 7692 gives it no meaning: it may be refused, then or with the next message, but the next
    one comes back as it was or not at all."""
    unfinished = {'no bytes': b'', 'the tail twice': b'\0' + TAIL,
                  'half a stored block': b'\0\x05\0'}
    for target in TARGETS:
        for what, raw in unfinished.items():
            peer = agreed_peer(case, target=target)
            peer.send(deflated_message(TEXT, raw))
            peer.send(peer.deflated(TEXT, SAMPLE) + close_bytes(1000))
            got = [peer.event()]
            while got[-1][0] != CLOSE:
                got.append(peer.event())
            check.one_of(got[-1][1][:2], (b'\x03\xe8', b'\x03\xef'), f'the close frame ({what})')
            check.one_of(got[:-1], ([], [(TEXT, b'')], [(TEXT, b''), (TEXT, SAMPLE)]), what)


def test_a_final_block_without_the_byte_behind_it_is_understood_or_refused(case):
    """Whoever forgets the byte of 7.2.3.4 is understood by some. Nothing of it may reach the next
    message."""
    for target in TARGETS:
        peer = agreed_peer(case, target=target)
        peer.send(deflated_message(TEXT, bytes.fromhex('f348cdc9c90700'))
                  + deflated_message(TEXT, HELLO['two blocks (7.2.3.5)']))
        first = peer.event()
        if first[0] == CLOSE:
            check.equal(first[1][:2], b'\x03\xef', 'the refusal')
        else:
            check.equal(first, (TEXT, b'Hello'), 'the answer')
            peer.expect_message(TEXT, b'Hello')
            peer.say_goodbye()


def meaning(raw):
    """What zlib reads in it, or None when that ends inside a block: a block behind it shows."""
    probe = b'\xffthe probe\xff'
    try:
        whole = zlib.decompressobj(-15).decompress(raw + TAIL)
        stream = zlib.decompressobj(-15)
        probed = stream.decompress(raw + TAIL + stored(probe, final=1))
    except zlib.error:
        return None
    return whole if stream.eof and probed == whole + probe else None


def test_a_message_that_lost_its_end_is_1007(case):
    """Unless what is left happens to be whole blocks, which nobody can tell from a message."""
    rows = []
    for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED):
        raw = alone(SAMPLE, strategy=strategy)
        for at in range(1, len(raw)):
            left = meaning(raw[:at])
            frames = [] if left is None else [(BINARY, left)]
            rows.append(row(f'{at} of {len(raw)}', deflated_message(BINARY, raw[:at]), *frames,
                            close=1007 if left is None else None))
    check.true(sum(each.close == 1007 for each in rows) > len(rows) // 2, 'most of them are not')
    run(case, rows)


def test_a_message_may_be_cut_into_fragments_at_every_byte(case):
    raw = alone(SAMPLE)
    rows = [row(f'cut at {at}', b''.join(deflated_frames(TEXT, [raw[:at], raw[at:]])),
                (TEXT, SAMPLE)) for at in range(len(raw) + 1)]
    rows += [row('in bytes', b''.join(deflated_frames(TEXT, chopped(raw))), (TEXT, SAMPLE)),
             row('in bytes, one by one', deflated_frames(TEXT, chopped(raw)), (TEXT, SAMPLE)),
             row('with empty ones', deflated_frames(TEXT, [b'', raw[:9], b'', raw[9:], b'']),
                 (TEXT, SAMPLE))]
    run(case, rows)


def test_compressed_and_other_messages_may_be_mixed(case):
    stream, sent, frames = Deflater(takeover=False), b'', []
    for at in range(60):
        data, opcode = deflating.sample(at * 7, at), (TEXT, BINARY)[at % 2]
        raw = stream.deflate(data)
        sent += (deflated_message(opcode, raw), frame_bytes(opcode, data),
                 b''.join(deflated_frames(opcode, chopped(raw, 5))))[at % 3]
        frames.append((opcode, data))
    run(case, [row('at once', sent, *frames), row('cut at 17', chopped(sent, 17), *frames)])


def test_control_frames_between_compressed_fragments_are_answered(case):
    raw = alone(SAMPLE)
    frames = deflated_frames(TEXT, chopped(raw, 20))
    sent = [part for at, each in enumerate(frames)
            for part in (frame_bytes(PING, b'%d' % at), frame_bytes(PONG, b'x'), each)]
    pongs = [(PONG, b'%d' % at) for at in range(len(frames))]
    rows = [row('at once', b''.join(sent), *pongs, (TEXT, SAMPLE))]
    run(case, rows + by_bytes(rows))


def test_a_closing_handshake_in_a_compressed_message_is_answered(case):
    for target in TARGETS:
        peer = agreed_peer(case, target=target)
        peer.send(deflated_frames(TEXT, [alone(SAMPLE)[:50], b''])[0])
        peer.say_goodbye(1001)


def test_reserved_bits_where_they_may_not_be_are_1002(case):
    begun = deflated_frames(TEXT, [HELLO['fixed codes'], b''])[0]
    plain = frame_bytes(TEXT, b'a', fin=False)
    rows = [row(f'RSV1 on opcode {opcode}', frame_bytes(opcode, b'', rsv=RSV1), close=1002)
            for opcode in (CLOSE, PING, PONG, 3, 7, 11, 15)]
    rows += [row(f'RSV1 on a continuation of {what}, fin {fin}',
                 first + frame_bytes(CONTINUATION, b'b', fin=fin, rsv=RSV1), close=1002)
             for what, first in (('compressed', begun), ('plain', plain)) for fin in (False, True)]
    rows += [row(f'bits {rsv:03b} on opcode {opcode}', frame_bytes(opcode, b'\0', rsv=rsv),
                 close=1002) for rsv in (1, 2, 3, 5, 6, 7) for opcode in (TEXT, BINARY, PING)]
    rows += [row('RSV1 on a ping in a compressed message', begun
                 + frame_bytes(PING, b'', rsv=RSV1), close=1002),
             row('RSV1 on a new message in a compressed one', begun + begun, close=1002)]
    run(case, rows + by_bytes(rows))


# RFC 1951, 3.2.3: what no compressor writes.
GARBAGE = {
    'a block of type 3': bits_of((0, 1), (3, 2)) + b'garbage',
    'a block of type 3 behind a good one': stored(b'good') + bits_of((0, 1), (3, 2)) + b'garbage',
    'a length that contradicts itself': b'\0\x05\0\xfa\xfeHello\0',
    'a distance before the beginning': bits_of((0, 1), (1, 2), (0b1000000, 7), (0, 5), (0, 7)),
    'a distance code that is none': bits_of((0, 1), (1, 2), (0b10001100, 8), (0b1000000, 7),
                                            (0b01111, 5), (0, 7)),
    'a length code that is none': bits_of((0, 1), (1, 2), (0b01100011, 8), (0, 12)),
    'too many length codes': bits_of((0, 1), (2, 2), (31, 5), (31, 5), (15, 4)) + b'\xff' * 20,
    'too many codes of one length': bits_of((0, 1), (2, 2), (0, 5), (0, 5), (15, 4)) + b'\xff' * 20,
}


def test_what_does_not_inflate_is_1007(case):
    for what, raw in GARBAGE.items():
        try:
            zlib.decompressobj(-15).decompress(raw + TAIL)
        except zlib.error:
            continue
        check.fail(f'{what} inflates')
    rows = [row(what, deflated_message(opcode, raw), close=1007)
            for what, raw in GARBAGE.items() for opcode in (TEXT, BINARY)]
    run(case, rows + by_bytes(rows))


def test_what_does_not_inflate_is_told_before_its_message_is_over(case):
    rows = [row(what, deflated_frames(BINARY, [raw, b''])[0], close=1007,
                late=frame_bytes(CONTINUATION, b'rest')) for what, raw in GARBAGE.items()]
    run(case, rows)


def test_compressed_text_that_is_not_utf8_is_1007(case):
    texts = (b'\x80', b'good \xff', b'\xc0\xaf', b'\xed\xa0\x80', b'\xf4\x90\x80\x80', b'\xe4\xb8',
             SAMPLE + b'\xf0\x9f\xa6')
    rows = [row(f'{text[-9:].hex()}', deflated_message(TEXT, alone(text)), close=1007)
            for text in texts]
    rows += [row(f'{text[-9:].hex()}, in fragments',
                 deflated_frames(TEXT, chopped(alone(text), 3)), close=1007) for text in texts]
    run(case, rows)
    run(case, [row('as binary', deflated_message(BINARY, alone(b''.join(texts))),
                   (BINARY, b''.join(texts)))])


def test_characters_cut_by_compressed_blocks_and_fragments_come_back(case):
    text = 'κόσμε 世界 🦁'.encode()
    raw = b''.join(stored(text[at:at + 1]) for at in range(len(text))) + b'\0'
    run(case, [row('in one frame', deflated_message(TEXT, raw), (TEXT, text)),
               row('a fragment a byte', deflated_frames(TEXT, chopped(raw)), (TEXT, text))])


def test_a_reference_to_the_message_before_is_understood_on_the_echo(case):
    """RFC 7692, 7.2.3.2: the same message again, by its context; and behind a block with BFINAL."""
    first, again = HELLO['one block (7.2.3.1)'], bytes.fromhex('f200110000')
    rows = [row('again', deflated_message(TEXT, first) + deflated_message(TEXT, again) * 3,
                *[(TEXT, b'Hello')] * 4),
            row('with plain ones between, which are in no context',
                deflated_message(TEXT, first) + frame_bytes(TEXT, b'plain')
                + deflated_message(TEXT, again), (TEXT, b'Hello'), (TEXT, b'plain'),
                (TEXT, b'Hello'))]
    run(case, rows + by_bytes(rows), targets=[Echo])


def test_a_reference_behind_a_block_with_bfinal_is_understood_on_the_echo(case):
    """The window is the connection's, not a stream's of blocks (RFC 7692, 7.2.2, 7.2.3.2)."""
    first, again = HELLO['a block with BFINAL (7.2.3.4)'], bytes.fromhex('f200110000')
    run(case, [row('again', deflated_message(TEXT, first) + deflated_message(TEXT, again),
                   (TEXT, b'Hello'), (TEXT, b'Hello'))], targets=[Echo])


def test_a_reference_to_the_message_before_is_1007_without_contexts(case):
    raw = deflated_message(TEXT, HELLO['one block (7.2.3.1)'])
    raw += deflated_message(TEXT, bytes.fromhex('f200110000'))
    run(case, [row('on a topic', raw, (TEXT, b'Hello'), close=1007)], targets=[deflating.Topic])
    peer = agreed_peer(case, f'{deflating.NAME}; client_no_context_takeover')
    if 'client_no_context_takeover' in peer.agreed:
        peer.send(raw)
        peer.expect_message(TEXT, b'Hello')
        peer.expect_goodbye(1007)


def zeros(count):
    """Compressed, as thrifty as can be: a thousandth of it."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = b''.join(stream.compress(bytes(1 << 20)) for _ in range(count >> 20))
    raw += stream.compress(bytes(count & 0xfffff)) + stream.flush(zlib.Z_SYNC_FLUSH)
    return raw.removesuffix(TAIL)


def test_the_limit_counts_what_a_message_inflates_to(case):
    run(case, [row('one byte more', deflated_message(BINARY, zeros(MAX + 1)), close=1009),
               row('in fragments', deflated_frames(BINARY, chopped(zeros(MAX + 1), 1000)),
                   close=1009)])
    peer = agreed_peer(case)
    peer.exchange(bytes(MAX), BINARY)
    peer.exchange(bytes(MAX), TEXT, size=4096)


def test_a_bomb_ends_at_1009_and_takes_no_memory(case):
    server = case.start(*FLAGS)
    agreed_peer(case, at=server).exchange(SAMPLE)
    before, raw = server.resident_bytes(), deflated_message(BINARY, zeros(512 << 20))
    for target in TARGETS:
        for _ in range(5):
            peer = agreed_peer(case, target=target, at=server)
            peer.send(raw)
            peer.expect_goodbye(1009, late=close_bytes(1000))
    growth = server.resident_bytes() - before
    check.true(growth < case.memory_growth_max(), f'the server grew by {growth >> 20} MiB')
