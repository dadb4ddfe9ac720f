"""Conformance, UTF-8 of text messages: each class of faulty sequence, whole and cut, told as soon
as it is one; and what is valid up to the boundaries (RFC 6455, 5.6, 8.1; RFC 3629). Reasons of
close frames are in test_conformance_close.py.
"""
import contextlib
import itertools

from lib import check, conformance
from lib.conformance import Echo, by_bytes, chopped, message_frames, row
from lib.websocket import BINARY, CONTINUATION, PING, TEXT, frame_bytes

FLAGS = conformance.FLAGS
# First and last of each length, around the surrogates, and non-characters, which are valid.
CODE_POINTS = (0x0, 0x1, 0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xcfff, 0xd000, 0xd7ff, 0xe000,
               0xfdd0, 0xfeff, 0xfffd, 0xfffe, 0xffff, 0x10000, 0x1fffe, 0x1ffff, 0x3ffff, 0x40000,
               0xffffe, 0xfffff, 0x100000, 0x10fffe, 0x10ffff)
CHARACTERS = [chr(point).encode() for point in CODE_POINTS]
# Around every boundary that RFC 3629 gives a second byte.
SECOND_BYTES = (0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff)
FAULTY = {
    'lone continuations': [b'\x80', b'\xbf', b'\x80\xbf', b'\x80' * 7, b'a\x80b'],
    'overlong': [b'\xc0\x80', b'\xc0\xaf', b'\xc1\xbf', b'\xe0\x80\x80', b'\xe0\x80\xaf',
                 b'\xe0\x9f\xbf', b'\xf0\x80\x80\x80', b'\xf0\x80\x80\xaf', b'\xf0\x8f\xbf\xbf'],
    'surrogates': [b'\xed\xa0\x80', b'\xed\xad\xbf', b'\xed\xae\x80', b'\xed\xaf\xbf',
                   b'\xed\xb0\x80', b'\xed\xbf\xbf', b'\xed\xa0\x80\xed\xb0\x80',
                   b'\xed\xaf\xbf\xed\xbf\xbf'],
    'beyond U+10FFFF': [b'\xf4\x90\x80\x80', b'\xf5\x80\x80\x80', b'\xf7\xbf\xbf\xbf'],
    'five and six bytes': [b'\xf8\x88\x80\x80\x80', b'\xfb\xbf\xbf\xbf\xbf',
                           b'\xfc\x84\x80\x80\x80\x80', b'\xfd\xbf\xbf\xbf\xbf\xbf',
                           b'\xf8\x80\x80\x80\xaf', b'\xfc\x80\x80\x80\x80\xaf'],
    'never there': [b'\xfe', b'\xff', b'\xfe\xfe\xff\xff'],
    'cut by what follows': [b'\xc3 ', b'\xe4\xb8 ', b'\xf0\x9f\xa6 ', b'\xe4\xb8\xe4\xb8\x96',
                            b'\xf0\x9f\xf0\x9f\xa6\x81', b'\xc3\xc3\xa9', b'\xe4a\x96'],
}
BEFORE, BEHIND = 'κόσμε '.encode(), ' behind it'.encode()


def faulty_texts():
    return [(f'{kind}, {raw.hex()}', raw) for kind, all_raw in FAULTY.items() for raw in all_raw]


def may_become_text(raw):
    """Some continuation makes text of it. The least and the greatest byte are enough to tell, since
    RFC 3629 narrows only second bytes, from one side. (Python's own decoder is not fail-fast.)"""
    for rest in (b'', *(byte * count for byte in (b'\x80', b'\xbf') for count in (1, 2, 3))):
        with contextlib.suppress(UnicodeDecodeError):
            (raw + rest).decode()
            return True
    return False


def faulty_at(raw):
    """How many bytes it takes to know that no text begins so; None: one does."""
    counts = range(1, len(raw) + 1)
    return next((count for count in counts if not may_become_text(raw[:count])), None)


def cuts_of(text):
    return [[text[:at], text[at:]] for at in range(len(text) + 1)]


def test_faulty_texts_in_one_frame_are_1007(case):
    rows = [row(what, frame_bytes(TEXT, BEFORE + raw + BEHIND), close=1007)
            for what, raw in faulty_texts()]
    conformance.run(case, rows + by_bytes(rows))


def test_faulty_texts_at_the_end_of_a_message_are_1007(case):
    rows = [row(what, frame_bytes(TEXT, raw), close=1007) for what, raw in faulty_texts()]
    conformance.run(case, rows)


def test_faulty_texts_are_1007_wherever_fragments_cut_them(case):
    rows = [row(f'{what}, cut {pieces}', b''.join(message_frames(TEXT, [BEFORE, *pieces, BEHIND])),
                close=1007) for what, raw in faulty_texts() for pieces in cuts_of(raw)]
    conformance.run(case, rows)


def test_faulty_texts_in_fragments_of_one_byte_are_1007(case):
    rows = [row(what, message_frames(TEXT, chopped(BEFORE + raw + BEHIND)), close=1007)
            for what, raw in faulty_texts()]
    conformance.run(case, rows)


def test_a_faulty_text_is_told_before_its_frame_is_over(case):
    """The frame announces more, which never comes; whoever is slow then sends it all the same."""
    rest = BEHIND + frame_bytes(TEXT, b'ignored')
    rows = [row(what, frame_bytes(TEXT, BEFORE + raw[:faulty_at(raw)], declared=1000), close=1007,
                late=rest) for what, raw in faulty_texts()]
    conformance.run(case, rows + by_bytes(rows))


def test_a_faulty_text_is_told_before_its_message_is_over(case):
    rest = frame_bytes(CONTINUATION, BEHIND)
    rows = [row(what, message_frames(TEXT, [BEFORE, raw[:faulty_at(raw)], b''])[:2], close=1007,
                late=rest) for what, raw in faulty_texts()]
    conformance.run(case, rows)


def test_no_text_is_told_faulty_too_early(case):
    """One byte earlier it may still become a character: a ping is answered there."""
    for what, raw in faulty_texts():
        peer = conformance.connect(case)
        peer.send(frame_bytes(TEXT, BEFORE + raw[:faulty_at(raw) - 1], fin=False)
                  + frame_bytes(PING, b'still'))
        try:
            peer.expect_pong(b'still')
        except check.Failed as problem:
            check.fail(f'{what}: {problem}')
        peer.send(frame_bytes(CONTINUATION, raw[faulty_at(raw) - 1:]))
        peer.expect_goodbye(1007)


def completed(lead, second):
    """A sequence with these two bytes, continued as well as may be."""
    length = 4 if lead >= 0xf0 else 3 if lead >= 0xe0 else 2
    return (bytes([lead, second]) + b'\x80' * 2)[:length]


def test_every_first_byte_with_every_kind_of_second(case):
    """Faulty ones one by one, valid ones all in one message."""
    texts = [completed(*pair) for pair in itertools.product(range(0x80, 0x100), SECOND_BYTES)]
    faulty = [text for text in texts if faulty_at(text)]
    valid = b''.join(text for text in texts if not faulty_at(text))
    rows = [row(text.hex(), frame_bytes(TEXT, text), close=1007) for text in faulty]
    rows.append(row('the valid ones', frame_bytes(TEXT, valid), (TEXT, valid)))
    conformance.run(case, rows, targets=[Echo])


def test_characters_cut_by_the_end_of_the_message_are_1007(case):
    rows = []
    for character in CHARACTERS:
        for at in range(1, len(character)):
            raw = character[:at]
            rows += [row(f'{raw.hex()}', frame_bytes(TEXT, raw), close=1007),
                     row(f'{raw.hex()}, then nothing', message_frames(TEXT, [BEFORE, raw, b'']),
                         close=1007)]
    conformance.run(case, rows)


def test_nothing_of_a_cut_character_is_left_for_the_next_message(case):
    """The rest of the character in another message does not make either of them text."""
    raw = '世'.encode()
    rows = [row(f'cut at {at}', frame_bytes(TEXT, raw[:at]) + frame_bytes(TEXT, raw[at:]),
                close=1007) for at in (1, 2)]
    conformance.run(case, rows)


def test_boundary_characters_come_back(case):
    rows = [row(character.hex(), frame_bytes(TEXT, character), (TEXT, character))
            for character in CHARACTERS]
    everything = b''.join(CHARACTERS)
    rows.append(row('all of them', frame_bytes(TEXT, everything), (TEXT, everything)))
    conformance.run(case, rows + by_bytes(rows))


def test_boundary_characters_come_back_wherever_fragments_cut_them(case):
    rows = []
    for character in CHARACTERS:
        rows += [row(f'{pieces}', b''.join(message_frames(TEXT, pieces)), (TEXT, character))
                 for pieces in cuts_of(character)]
        rows.append(row(f'{character.hex()} in bytes', message_frames(TEXT, chopped(character)),
                        (TEXT, character)))
    everything = b''.join(CHARACTERS)
    rows += [row(f'all of them by {size}',
                 b''.join(message_frames(TEXT, chopped(everything, size))), (TEXT, everything))
             for size in (1, 2, 3, 5, 7)]
    conformance.run(case, rows)


def test_a_ping_inside_a_character_does_not_disturb_it(case):
    text = '🦁'.encode()
    frames = message_frames(TEXT, chopped(text))
    sent = [part for raw in frames for part in (raw, frame_bytes(PING, b'p'))][:-1]
    pongs = [(conformance.websocket.PONG, b'p')] * (len(text) - 1)
    rows = [row('at once', b''.join(sent), *pongs, (TEXT, text))]
    conformance.run(case, rows + by_bytes(rows))


PLACES = sorted({place + by for place in (8, 16, 32, 64, 128, 4096, 8192, 16384, 65536)
                 for by in (-4, -3, -2, -1, 0, 1)})


def test_characters_at_any_place_of_a_long_text_come_back(case):
    """Around the sizes at which a decoder may go over from one block to the next."""
    rows = []
    for place in PLACES:
        text = b'a' * place + '世🦁é'.encode() + b'a' * 70
        rows.append(row(f'at {place}', frame_bytes(TEXT, text), (TEXT, text)))
    conformance.run(case, rows)


def test_faults_at_any_place_of_a_long_text_are_1007(case):
    rows = []
    for place in PLACES:
        for what, raw in (('a lone byte', b'\x80'), ('a surrogate', b'\xed\xa0\x80'),
                          ('a cut character', b'\xf0\x9f\xa6a')):
            rows.append(row(f'{what} at {place}',
                            frame_bytes(TEXT, b'a' * place + raw + b'a' * 70), close=1007))
        rows.append(row(f'an end inside a character at {place}',
                        frame_bytes(TEXT, b'a' * place + b'\xf0\x9f\xa6'), close=1007))
    conformance.run(case, rows)


def test_faulty_texts_are_fine_in_binary_messages(case):
    everything = b''.join(raw for _, raw in faulty_texts())
    rows = [row('whole', frame_bytes(BINARY, everything), (BINARY, everything)),
            row('in fragments', b''.join(message_frames(BINARY, chopped(everything))),
                (BINARY, everything))]
    conformance.run(case, rows)


def test_text_behind_binary_is_judged_from_its_beginning(case):
    rows = [row('text', frame_bytes(BINARY, b'\xe4\xb8') + frame_bytes(TEXT, b'\x96'),
                (BINARY, b'\xe4\xb8'), close=1007),
            row('good text', frame_bytes(BINARY, b'\xe4\xb8') + frame_bytes(TEXT, 'ok'.encode()),
                (BINARY, b'\xe4\xb8'), (TEXT, b'ok'))]
    conformance.run(case, rows + by_bytes(rows))
