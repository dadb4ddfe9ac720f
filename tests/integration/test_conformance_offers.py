"""Conformance, the negotiation of permessage-deflate: which offers are agreed to, on which terms,
which are declined, and which are no header at all (RFC 6455, 9.1; RFC 7692, 5, 7.1). What is then
sent is in test_conformance_deflate*.py.
"""
import itertools

from lib import check, conformance, deflating, http, websocket
from lib.deflating import Echo, NAME, TARGETS, Topic
from lib.websocket import BINARY, TEXT, frame_bytes

FLAGS = conformance.FLAGS
SAMPLE = deflating.sample(1500)  # longer than the smallest windows and --deflate-min
SERVER_BITS = (None, 8, 9, 10, 12, 15)
CLIENT_BITS = (None, '', 8, 9, 11, 15)  # '': the parameter without a value


def offer_of(server_alone=False, client_alone=False, server_bits=None, client_bits=None):
    parts = [NAME]
    if server_alone:
        parts.append('server_no_context_takeover')
    if client_alone:
        parts.append('client_no_context_takeover')
    if server_bits is not None:
        parts.append(f'server_max_window_bits={server_bits}')
    if client_bits is not None:
        parts.append(f'client_max_window_bits={client_bits}'.rstrip('='))
    return '; '.join(parts)


def check_terms(agreed, server_alone, client_alone, server_bits, client_bits):
    """RFC 7692, 7.1.1 and 7.1.2: what an answer has to have, and what it may."""
    if server_alone:
        check.contains(agreed, 'server_no_context_takeover', 'the answer')
    if server_bits is not None:
        check.contains(agreed, 'server_max_window_bits', 'the answer')
        check.true(agreed['server_max_window_bits'] <= server_bits, f'a larger window: {agreed}')
    if client_bits is None:
        check.lacks(agreed, 'client_max_window_bits', 'the answer')
    elif client_bits != '':
        check.true(agreed.get('client_max_window_bits', 0) <= client_bits,
                   f'a larger window: {agreed}')


def exchange_some(peer):
    """Short and long, both kinds, twice, so that contexts are used where there are some."""
    for text in (SAMPLE, b'', b'short', SAMPLE[500:], SAMPLE):
        peer.exchange(text)
        peer.exchange(text, BINARY, size=100)
    peer.say_goodbye()


def all_terms():
    return itertools.product((False, True), (False, True), SERVER_BITS, CLIENT_BITS)


def check_offer(case, target, terms):
    offer = offer_of(*terms)
    peer = deflating.agreed_peer(case, offer, target, piece=1)
    try:
        check_terms(peer.agreed, *terms)
        exchange_some(peer)
    except (check.Failed, OSError) as problem:
        check.fail(f'{offer}: {peer.agreed}: {problem}')
    finally:
        peer.close()
    return peer.agreed


def test_all_combinations_of_parameters_are_agreed_to_on_the_echo(case):
    for terms in all_terms():
        agreed = check_offer(case, Echo, terms)
        if not terms[0]:
            check.lacks(agreed, 'server_no_context_takeover', 'the answer of the echo')


def test_offers_on_a_topic_are_agreed_to_without_contexts(case):
    for terms in [(False, False, None, bits) for bits in CLIENT_BITS] + \
                 [(True, True, None, ''), (True, False, 15, ''), (False, True, 15, 15)]:
        agreed = check_offer(case, Topic, terms)
        check.contains(agreed, 'server_no_context_takeover', 'the answer of a topic')
        check.contains(agreed, 'client_no_context_takeover', 'the answer of a topic')


def test_offers_of_small_windows_on_a_topic_are_kept_to_or_declined(case):
    """One image is shared by many there, so it may be too large for some."""
    for bits in range(8, 15):
        offer = offer_of(server_bits=bits)
        peer = deflating.connect(case, offer, Topic, piece=1)
        if peer.agreed is None:
            peer.send(frame_bytes(TEXT, SAMPLE))
            peer.expect_message(TEXT, SAMPLE)
        else:
            check_terms(peer.agreed, False, False, bits, None)
            exchange_some(peer)


def test_parameters_may_come_in_any_order_and_spelling(case):
    spellings = [
        'permessage-deflate;server_max_window_bits=10;client_no_context_takeover',
        'permessage-deflate ; client_no_context_takeover ; server_max_window_bits = 10',
        'permessage-deflate;\tserver_max_window_bits=10',
        'permessage-deflate; server_max_window_bits="10"',
        'permessage-deflate; server_max_window_bits="10"; client_max_window_bits="12"',
        ', permessage-deflate; server_max_window_bits=10 ,',
    ]
    for offer in spellings:
        peer = deflating.agreed_peer(case, offer)
        bits = peer.agreed.get('server_max_window_bits', 16)
        check.true(bits <= 10, f'{offer}: {peer.agreed}')
        exchange_some(peer)


def test_a_quoted_value_may_have_escapes(case):
    """RFC 6455, 9.1: what counts is the value after unescaping."""
    peer = deflating.agreed_peer(case, 'permessage-deflate; server_max_window_bits="1\\0"')
    check.true(peer.agreed.get('server_max_window_bits', 16) <= 10, f'{peer.agreed}')


REFUSED = [
    'permessage-deflate; unknown',
    'permessage-deflate; unknown=1',
    'permessage-deflate; server_max_window_bits',
    *[f'permessage-deflate; server_max_window_bits={value}'
      for value in ('7', '16', '0', '1', '08', '010', '015', '256', '-9', '+9', 'x', '9x', '9.0',
                    '0x9', '99999999999999999999', '4294967305', '18446744073709551625', '"7"')],
    *[f'permessage-deflate; client_max_window_bits={value}'
      for value in ('7', '16', '0', '08', '010', 'x', '99999999999999999999', '"16"')],
    'permessage-deflate; server_no_context_takeover=1',
    'permessage-deflate; server_no_context_takeover=true',
    'permessage-deflate; server_no_context_takeover="x"',
    'permessage-deflate; client_no_context_takeover=0',
    'permessage-deflate; server_no_context_takeover; server_no_context_takeover',
    'permessage-deflate; client_no_context_takeover; client_no_context_takeover',
    'permessage-deflate; server_max_window_bits=10; server_max_window_bits=10',
    'permessage-deflate; server_max_window_bits=10; server_max_window_bits=11',
    'permessage-deflate; client_max_window_bits; client_max_window_bits',
    'permessage-deflate; client_max_window_bits; client_max_window_bits=9',
]
OTHERS = ['permessage-deflat', 'permessage-deflate2', 'x-permessage-deflate', 'permessage-bzip2',
          'x-webkit-deflate-frame', 'deflate-stream', 'x-other; permessage-deflate',
          'x-other; mode="fast"; level=9']


def check_declined(case, target, offer):
    peer = deflating.connect(case, offer, target)
    check.equal(peer.agreed, None, f'the answer to {offer}')
    peer.send(frame_bytes(TEXT, SAMPLE))
    peer.expect_message(TEXT, SAMPLE)
    peer.send(frame_bytes(TEXT, b'x', rsv=deflating.RSV1))
    peer.expect_goodbye(1002)


def test_invalid_offers_are_declined(case):
    for target in TARGETS:
        for offer in REFUSED + OTHERS:
            check_declined(case, target, offer)
        check_declined(case, target, ', '.join(REFUSED + OTHERS))


def test_the_first_offer_that_is_valid_is_taken(case):
    good = offer_of(server_bits=11, client_bits=12)
    for target in TARGETS:
        for bad in REFUSED + OTHERS:
            peer = deflating.agreed_peer(case, f'{bad}, {good if target is Echo else NAME}', target)
            if target is Echo:
                check_terms(peer.agreed, False, False, 11, 12)
            peer.exchange(SAMPLE)


def test_of_several_valid_offers_one_is_taken_on_its_own_terms(case):
    """Any of them may be (RFC 7692, 5), so each pair is such that the answer tells which."""
    offers = [offer_of(True, False, 9), NAME, offer_of(False, False, 12, '')]
    for order in itertools.permutations(offers):
        peer = deflating.agreed_peer(case, ', '.join(order), piece=1)
        if order[0] != NAME:
            check.contains(peer.agreed, 'server_max_window_bits', f'the answer to {order}')
        if 'client_max_window_bits' in peer.agreed:
            check.equal(order[0], offers[2], 'the only offer with that parameter')
        exchange_some(peer)


def test_offers_may_stand_in_several_fields(case):
    peer = deflating.agreed_peer(case, [(deflating.FIELD, 'x-other'),
                                        (deflating.FIELD, f'{REFUSED[0]}, {offer_of(True)}')])
    check.contains(peer.agreed, 'server_no_context_takeover', 'the answer')
    exchange_some(peer)


def test_an_extension_is_agreed_to_only_once(case):
    peer = deflating.agreed_peer(case, f'{NAME}, {NAME}, {NAME}')
    exchange_some(peer)


MALFORMED = ['permessage-deflate;', 'permessage-deflate; ;', ';', '; server_max_window_bits=10',
             '=10', 'permessage-deflate; =10', 'permessage-deflate; server_max_window_bits=',
             'permessage-deflate; server_max_window_bits="10',
             'permessage-deflate; server_max_window_bits=10"',
             'permessage-deflate; server_max_window_bits="10"x',
             'permessage-deflate; server_max_window_bits=(10)',
             'permessage-deflate; server_max_window_bits==10',
             'permessage-deflate; server_max_window_bits=1 0',
             'permessage deflate', 'permessage-deflate server_no_context_takeover',
             'permessage/deflate', '"permessage-deflate"', 'permessage-deflate=1',
             'permessage-deflate; server@no_context', 'permessage-deflate, x-other;',
             'permessage-deflate; a=";"', 'permessage-deflate; a=""', 'x-other; a="b c"']


def refused(case, path, value):
    fields = websocket.handshake_fields(websocket.new_key(), deflating.offered(value))
    return http.ask(case.server, 'GET', path, fields)


def test_malformed_headers_are_400(case):
    for target in TARGETS:
        for value in MALFORMED:
            try:
                http.error(refused(case, target.path(case), value), 400)
            except check.Failed as problem:
                check.fail(f'{value} ({target.name}): {problem}')


def test_nothing_is_agreed_to_with_deflate_off(case):
    server = case.start(*FLAGS, '--deflate', 'off')
    for target in TARGETS:
        for offer in (NAME, deflating.USUAL, offer_of(True, True, 15, 15)):
            peer = deflating.connect(case, offer, target, at=server)
            check.equal(peer.agreed, None, f'the answer to {offer}')
            peer.send(frame_bytes(TEXT, SAMPLE))
            peer.expect_message(TEXT, SAMPLE)


def test_what_is_agreed_to_with_deflate_full_is_kept_to(case):
    server = case.start(*FLAGS, '--deflate', 'full')
    for target in TARGETS:
        for offer in (NAME, deflating.USUAL, offer_of(True, True, 10, 9)):
            peer = deflating.agreed_peer(case, offer, target, at=server, piece=1)
            if target is Echo and offer == NAME:
                check.lacks(peer.agreed, 'server_no_context_takeover', 'the answer of the echo')
            exchange_some(peer)
