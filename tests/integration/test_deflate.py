"""permessage-deflate for topics: compressed once for all, each message alone, and nothing kept.
That the bytes are those of RFC 7692 is test_conformance_deflate*.py's and _offers.py's.
"""
import random
import time

from lib import check, deflating, http, testing, websocket
from lib.deflating import deflated_message
from lib.websocket import BINARY, TEXT

COMPRESSIONS = 'uproar_deflate_compressions_total'
BOTH_FORGET = {'server_no_context_takeover': None, 'client_no_context_takeover': None}


def peer_of(case, server, topic=None, offer='permessage-deflate', query='', **how):
    peer = case.keep(deflating.Peer(server.port, **how))
    peer.open(f'/t/{topic or case.topic}{query}', deflating.offered(offer))
    check.true(peer.agreed is not None, 'no compression was agreed on')
    return peer


def sample(number, size=2000):
    return f'message {number}: '.encode() + deflating.sample(size, number)


def test_a_topic_is_compressed_once_for_all_its_subscribers(case):
    server = case.start()
    raw = [peer_of(case, server) for _ in range(60)]
    wrapped = [peer_of(case, server, query='?format=json') for _ in range(20)]
    plain = [case.peer(at=server) for _ in range(5)]
    for peer in wrapped:
        peer.event()  # where it is
    for number in range(40):
        http.publish(server, case.topic, sample(number), [('Content-Type', 'text/plain')])
    for number in range(40):
        for peer in raw:
            check.equal(peer.event(), (TEXT, sample(number)), 'message')
            check.true(peer.wire_len < 2000, 'it is not compressed')
        for peer in plain:
            check.equal(peer.text().encode(), sample(number), 'message')
        for peer in wrapped:
            check.contains(peer.event()[1], sample(number), 'envelope')
    check.equal(server.metrics().sum(COMPRESSIONS), 80, 'compressions of 40 messages in two forms')


def test_nobody_who_takes_it_means_no_compression(case):
    server = case.start()
    small = peer_of(case, server, offer='permessage-deflate; server_max_window_bits=10')
    plain = case.peer(at=server)
    http.publish(server, case.topic, sample(1))
    check.equal(plain.text().encode(), sample(1), 'message')
    check.equal(small.event(), (TEXT, sample(1)), 'message')
    check.equal(small.wire_len, None, 'compressed length, for a window that is too small')
    check.equal(server.metrics().sum(COMPRESSIONS), 0, 'compressions')


def test_what_is_short_or_does_not_compress_is_sent_as_it_is(case):
    server = case.start('--deflate-min', 1000)
    peer = peer_of(case, server)
    noise = random.Random(1).randbytes(5000)
    for body, compressed in ((b'x' * 999, False), (b'x' * 1000, True), (noise, False),
                             (b'', False)):
        http.publish(server, case.topic, body, [('Content-Type', 'application/octet-stream')])
        check.true(peer.event() == (BINARY, body), f'the message of {len(body)} bytes is another')
        check.equal(peer.wire_len is not None, compressed, f'compressed, of {len(body)} bytes')


def test_both_sides_forget_on_a_topic_whatever_was_offered(case):
    server = case.start()
    check.equal(peer_of(case, server).agreed, BOTH_FORGET, 'terms')
    full = peer_of(case, case.start('--deflate', 'full'))
    check.equal(full.agreed, {'server_no_context_takeover': None}, 'terms with --deflate full')
    for number in (1, 1, 2, 1):
        full.exchange(sample(number))


def test_a_slow_reader_gets_every_message_whole_and_in_order(case):
    server = case.start('--history-bytes', '256M')
    slow = peer_of(case, server, receive_buffer=4096)
    wrapped = peer_of(case, server, query='?format=json', receive_buffer=4096)
    wrapped.event()
    work = testing.Background(publish_many, server, case.topic, 150)
    for number in range(150):
        if number % 10 == 0:
            time.sleep(0.02)
        check.true(slow.event() == (TEXT, sample(number, 40_000)), f'message {number} is another')
        check.contains(wrapped.event()[1], b'message %d: ' % number, 'envelope')
    work.result()


def publish_many(server, topic, count):
    for number in range(count):
        http.publish(server, topic, sample(number, 40_000), [('Content-Type', 'text/plain')])


def test_who_comes_back_gets_what_was_missed_and_costs_no_compression(case):
    server = case.start()
    old = [(case.topic, sample(number)) for number in range(30)]
    http.publish_all(server, old)
    http.publish_all(server, [(f'{case.topic}.other', b'x')] * 1100)  # old ones share no images
    late = peer_of(case, server, query='?after=earliest')
    for number in range(30):
        check.equal(late.event()[1], sample(number), 'message')
    check.equal(server.metrics().sum(COMPRESSIONS), 0, 'compressions for one who comes back')
    late.exchange(sample(31))
    check.true(late.wire_len is not None, 'what is new is not compressed')


def test_between_messages_nothing_of_zlib_is_kept(case):
    server = case.start(threads=1)
    peers = [peer_of(case, server, topic='first')]
    peers[0].exchange(sample(0))
    before = server.resident_bytes()
    for number in range(400):
        peers.append(peer_of(case, server, topic=f'own.{number}'))
        peers[-1].exchange(sample(number))
    each = (server.resident_bytes() - before) // 400
    most = 60_000 if case.settings.is_sanitized else 12_000  # what was freed stays in quarantine
    check.true(each < most, f'{each} bytes for a peer that sent and got a compressed message')


def test_unfinished_bombs_stay_within_the_body_memory(case):
    server = case.start('--body-memory', '16M', '--max-message', '4M', threads=2)
    before = server.resident_bytes()
    bomb = deflating.Deflater().deflate(bytes(4 << 20))
    for _ in range(200):
        peer = peer_of(case, server)
        peer.send(websocket.frame_bytes(BINARY, bomb, fin=False, rsv=deflating.RSV1))
    time.sleep(0.3)
    grown = server.resident_bytes() - before
    check.true(grown < case.memory_growth_max(), f'{grown} bytes more')
    case.peer(topic='other', at=server).echo('others are served')


def test_many_bombs_in_one_receive_leave_others_their_turn(case):
    server = case.start(threads=1)
    other = case.peer(topic='other', at=server)
    bomb = deflated_message(BINARY, deflating.Deflater().deflate(bytes(1 << 20)))
    peer = peer_of(case, server)
    work = testing.Background(peer.send, bomb * 200)
    for number in range(20):
        other.echo(f'still here {number}')
    work.result()
    for _ in range(200):
        check.true(peer.event() == (BINARY, bytes(1 << 20)), 'a message is another')


def test_contexts_are_kept_within_half_the_body_memory_and_then_not_agreed_to(case):
    server = case.start('--target', '--body-memory', '8M')
    agreed = []
    for _ in range(40):
        peer = case.keep(deflating.Peer(server.port))
        peer.open('/echo', deflating.offered('permessage-deflate'))
        agreed.append(peer.agreed == {})
        peer.exchange(sample(1))
        peer.exchange(sample(1))
    check.true(0 < sum(agreed) <= 4 * 1024 // 296, f'{sum(agreed)} keep their contexts')
    check.equal(agreed, sorted(agreed, reverse=True), 'who keeps contexts, in turn')
