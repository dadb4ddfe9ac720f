"""Peers that mean harm or are broken: the server stays well, fair to others, and bounded.
Faults of single requests and frames are in test_http_clauses.py and test_websocket_faults.py.
"""
import os
import time

from lib import check, http, testing, websocket
from lib.websocket import BINARY, CONTINUATION, PING, PONG, TEXT, frame_bytes

# The start of a TLS 1.3 ClientHello, as browsers send it to https://host:port of a plain server.
CLIENT_HELLO = bytes.fromhex('16030100f8010000f40303') + bytes(range(32)) + b'\x20' + bytes(200)
FLOOD_BYTES = 64 << 20


class Watch:
    """What has to be as before once the abuse is over."""

    def __init__(self, case, server):
        self.case = case
        self.server = server
        self.connections = server.connection_count()
        http.publish(server, 'warm-up', b'x' * 100000)
        self.resident = server.resident_bytes()

    def check_well(self):
        check.equal(http.ask(self.server, 'GET', '/healthz').status, 200, 'status of /healthz')
        peer = websocket.connect(self.server, 'well')
        peer.echo('as before')
        peer.leave()
        self.server.wait_connection_count(self.connections, patience_s=20)
        grown = self.server.resident_bytes() - self.resident
        check.true(grown < self.case.memory_growth_max(), f'grew by {grown >> 20} MiB')


def check_abuse(case, abuse, *flags):
    """Runs abuse(server) on a server of its own and looks at it afterwards."""
    server = case.start(*flags)
    watch = Watch(case, server)
    abuse(server)
    watch.check_well()


def send_as_much_as_goes(wire, data, limit=FLOOD_BYTES, stuck_s=1.0):
    """Repeats data until the peer takes no more, closes, or the limit is reached.
    Returns how many bytes left."""
    sent, last = 0, time.monotonic()
    wire.socket.setblocking(False)
    while sent < limit and time.monotonic() - last < stuck_s:
        try:
            sent += wire.socket.send(data[sent % len(data):])
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
        except OSError:
            break
    wire.socket.settimeout(check.PATIENCE_S)
    return sent


def test_garbage_is_refused(case):
    def abuse(server):
        for index in range(50):
            with http.Connection(server.port) as wire:
                wire.send(os.urandom(1 + index * 97))
                wire.end_output()
                said = wire.ends()
                check.true(said == b'' or said.startswith(b'HTTP/1.1 '), f'{check.shown(said)}')
    check_abuse(case, abuse)


def test_a_tls_handshake_on_the_plain_port_is_refused(case):
    def abuse(server):
        for cut in (1, 5, len(CLIENT_HELLO)):
            with http.Connection(server.port) as wire:
                wire.send(CLIENT_HELLO[:cut])
                said = wire.ends()
                check.true(said == b'' or said.startswith(b'HTTP/1.1 400 '), check.shown(said))
    check_abuse(case, abuse)


@testing.limit(60)
def test_a_thousand_connections_that_come_and_go(case):
    def abuse(server):
        for index in range(1000):
            wire = http.Connection(server.port)
            if index % 4 == 1:
                wire.send(b'GET /healthz HTTP/1.1\r\n')
            if index % 4 == 2:
                wire.send(http.request_bytes('GET', '/healthz', port=server.port))
            if index % 2:
                wire.reset()
            wire.close()
        check.eventually(lambda: server.metrics().sum('uproar_accepts_total') > 1000,
                         'all are accepted')
    check_abuse(case, abuse)


@testing.limit(60)
def test_subscribers_that_vanish_in_the_middle_of_a_fan_out(case):
    def abuse(server):
        publisher = websocket.connect(server, 'x')
        for index in range(300):
            leaver = websocket.connect(server, 'x')
            publisher.send_binary(b'x' * 50000)
            leaver.reset() if index % 2 else leaver.close()
            publisher.binary()
        publisher.leave()
    check_abuse(case, abuse)


@testing.limit(90)
def test_a_flood_of_pings_by_a_peer_that_reads_no_pong(case):
    """What is not read cannot be queued without end: the server has to stop reading, or close."""
    def abuse(server):
        with websocket.connect(server, 'x', receive_buffer=4096) as peer:
            flood = frame_bytes(PING, b'p' * 125) * 100
            sent = send_as_much_as_goes(peer, flood)
            check.true(sent > len(flood), 'nothing was sent')
            check.equal(http.ask(server, 'GET', '/healthz').status, 200, 'status of /healthz')
            check_answers_so_far(peer, sent // len(frame_bytes(PING, b'p' * 125)))
    check_abuse(case, abuse)


def check_answers_so_far(peer, sent):
    """Reads some of the pongs, which must be well-formed, or finds that it was closed."""
    try:
        for _ in range(min(sent, 1000)):
            frame = peer.frame()
            if frame.opcode == websocket.CLOSE:
                return
            check.equal((frame.opcode, frame.payload), (PONG, b'p' * 125), 'a pong')
    except (http.Ended, ConnectionResetError):
        pass


@testing.limit(90)
def test_a_flood_of_requests_by_a_peer_that_reads_no_answer(case):
    def abuse(server):
        with http.Connection(server.port, receive_buffer=4096) as wire:
            flood = http.request_bytes('GET', '/', port=server.port) * 100
            check.true(send_as_much_as_goes(wire, flood) > len(flood), 'nothing was sent')
            check.equal(http.ask(server, 'GET', '/healthz').status, 200, 'status of /healthz')
    check_abuse(case, abuse)


@testing.limit(90)
def test_a_flood_of_publishes_by_a_peer_that_reads_nothing(case):
    """It floods itself: its own messages come back. Others go on."""
    def abuse(server):
        with websocket.connect(server, 'flood', receive_buffer=4096) as peer:
            flood = frame_bytes(TEXT, b'x' * 1000) * 100
            check.true(send_as_much_as_goes(peer, flood) > len(flood), 'nothing was sent')
            other = websocket.connect(server, 'calm')
            other.echo('still served')
            other.leave()
    check_abuse(case, abuse, '--history-messages', 1000, '--history-bytes', 1000000)


@testing.limit(60)
def test_a_message_of_65536_fragments_is_one_message(case):
    def abuse(server):
        with websocket.connect(server, 'x') as peer:
            peer.send(frame_bytes(BINARY, b'0', fin=False)
                      + b''.join(frame_bytes(CONTINUATION, b'%d' % (index % 10), fin=False)
                                 for index in range(1, 65535))
                      + frame_bytes(CONTINUATION, b'5'))
            check.true(peer.binary() == (b'0123456789' * 6554)[:65536], 'the message is another')
            peer.leave()
    check_abuse(case, abuse)


@testing.limit(60)
def test_empty_fragments_without_end(case):
    def abuse(server):
        with websocket.connect(server, 'x') as peer:
            peer.send(frame_bytes(TEXT, b'a', fin=False))
            send_as_much_as_goes(peer, frame_bytes(CONTINUATION, b'', fin=False) * 1000, 6 << 20)
            check.equal(http.ask(server, 'GET', '/healthz').status, 200, 'status of /healthz')
    check_abuse(case, abuse)


@testing.limit(60)
def test_heads_that_drip_do_not_hold_up_others(case):
    def abuse(server):
        drippers = [http.Connection(server.port) for _ in range(100)]
        for byte in b'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Drip: ':
            for dripper in drippers:
                dripper.send(bytes([byte]))
            check.equal(http.ask(server, 'GET', '/healthz').status, 200, 'status of another')
        for dripper in drippers[:50]:
            dripper.send(b'\r\n\r\n')
            check.equal(dripper.answer().status, 200, 'status of a slow one')
        for dripper in drippers:
            dripper.close()
    check_abuse(case, abuse)


@testing.limit(60)
def test_unfinished_bodies_are_bounded_by_body_memory(case):
    """Each announces 1 MiB and sends most of it; together they would be 100 MB."""
    def abuse(server):
        holders = [http.Connection(server.port) for _ in range(100)]
        head = http.request_bytes('POST', '/t/x', [('Content-Length', str(1 << 20))],
                                  port=server.port)
        for holder in holders:
            holder.socket.setblocking(False)
            send_up_to(holder, head + b'x' * 1000000)
        check.equal(http.ask(server, 'GET', '/healthz').status, 200, 'status of /healthz')
        grown = server.resident_bytes()
        check.true(grown < case.memory_growth_max() + (32 << 20), f'{grown >> 20} MiB resident')
        for holder in holders:
            holder.close()
    check_abuse(case, abuse, '--body-memory', 8 << 20)


def send_up_to(wire, data):
    try:
        while data:
            data = data[wire.socket.send(data):]
    except OSError:
        pass  # it takes no more for now: that is what is tested


@testing.limit(60)
def test_half_open_subscribers_are_found_by_pings(case):
    """The peer's machine is gone: nothing is read, nothing is closed."""
    def abuse(server):
        gone = [websocket.connect(server, 'x') for _ in range(20)]
        server.wait_metric(20, 'uproar_connections', proto='ws')
        server.wait_metric(0, 'uproar_connections', 20, proto='ws')
        for peer in gone:
            peer.close()
    check_abuse(case, abuse, '--ping', 1)


@testing.limit(60)
def test_a_busy_topic_does_not_starve_a_quiet_one(case):
    server = case.start()
    crowd = [case.peer('busy', at=server) for _ in range(20)]
    quiet = case.peer('quiet', at=server)
    readers = [testing.Background(read_texts, peer, 2000) for peer in crowd]
    publisher = testing.Background(publish_all, server, 2000)
    while publisher.outcome is None:
        quiet.echo('in between')
    publisher.result()
    quiet.echo('at the end')
    expected = [str(index) for index in range(2000)]
    check.true(all(reader.result() == expected for reader in readers), 'the busy topic lost some')


def read_texts(peer, count):
    return [peer.text() for _ in range(count)]


def publish_all(server, count):
    with http.Connection(server.port) as connection:
        for index in range(count):
            http.published(connection.ask('POST', '/t/busy', body=b'%d' % index), 'busy')


def test_a_fan_out_to_many_is_complete(case):
    server = case.start()
    crowd = [case.peer('x', at=server) for _ in range(300)]
    for index in range(10):
        http.publish(server, 'x', b'%d' % index)
    for peer in crowd:
        check.equal([int(peer.text()) for _ in range(10)], list(range(10)), 'messages')
