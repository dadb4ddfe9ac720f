"""What a load-test target serves (--target): /echo over WebSocket and by POST, /headers.
That every frame and message of RFC 6455 comes back is test_conformance_*.py's.
"""
import select
import socket

from lib import check, http, testing, websocket
from lib.websocket import BINARY, CONTINUATION, PING, TEXT, close_bytes, frame_bytes

MIB = 1 << 20


def target(case, *flags):
    return case.start('--target', *flags)


def echo(case, server, **how):
    return case.keep(websocket.Peer(server.port, **how)).open('/echo')


def test_a_server_is_no_target_unless_asked(case):
    for path in ('/echo', '/headers'):
        response = http.ask(case.server, 'GET', path)
        http.error(response, 404, 'not_found')
        check.lacks(response.json()['message'], path, 'the paths that exist')
    response = http.ask(target(case), 'GET', '/nothing')
    check.contains(response.json()['message'], '/echo, /headers', 'the paths that exist')


def test_a_target_serves_everything_else_as_ever(case):
    server = target(case)
    page = http.ask(server, 'GET', '/')
    check.equal(page.get('content-type'), 'text/html; charset=utf-8', 'Content-Type of /')
    check.true(http.ask(server, 'PUT', '/').has_token('allow', 'post'), 'Allow of /')
    http.error(http.ask(case.server, 'POST', '/', body=b'x'), 405)
    peer = case.peer(at=server)
    peer.echo('through the log')


def test_headers_come_back_as_they_were_sent(case):
    server = target(case)
    connection = case.connection(server)
    connection.send(b'\r\nGET /headers HTTP/1.1\r\nHoSt:  x\t \r\nX-A: 1\r\nX-a: \xe4, 2\r\n\r\n')
    response = connection.answer()
    check.equal(response.status, 200, 'status')
    check.equal(response.body, b'HoSt:  x\t \r\nX-A: 1\r\nX-a: \xe4, 2\r\n', 'header lines')
    connection.send(b'GET /headers HTTP/1.0\r\n\r\n')
    check.equal(connection.answer().body, b'', 'no header lines')


def test_a_post_comes_back_with_its_type(case):
    connection = case.connection(target(case))
    for body, path in ((b'', '/echo'), (b'x', '/'), (bytes(range(256)) * 4096, '/echo')):
        response = connection.ask('POST', path, [('Content-Type', 'a/b; c="d"')], body)
        check.equal((response.status, response.get('content-type')), (200, 'a/b; c="d"'), 'head')
        check.true(response.body == body, f'the body of {len(body)} bytes is another')
    response = connection.ask('POST', '/echo', [('Transfer-Encoding', 'chunked')],
                              http.chunked(b'in chunks', (2, 3, 4)))
    check.equal(response.body, b'in chunks', 'body')
    check.equal(response.get('content-type'), 'application/octet-stream', 'type')


def test_only_what_is_longer_than_max_message_is_too_long_to_come_back(case):
    connection = case.connection(target(case, '--max-message', 1000))
    check.equal(connection.ask('POST', '/echo', body=b'x' * 1000).body, b'x' * 1000, 'body')
    http.error(connection.ask('POST', '/echo', body=b'x' * 1001), 413, 'too_large')


def test_a_page_of_another_origin_gets_nothing_back(case):
    server = target(case)
    for method, path in (('POST', '/echo'), ('GET', '/headers'), ('GET', '/echo')):
        response = http.ask(server, method, path, [('Origin', 'http://elsewhere.example')])
        http.error(response, 403, 'foreign_origin')


def test_a_get_of_echo_asks_for_an_upgrade(case):
    response = http.ask(target(case), 'GET', '/echo')
    http.error(response, 426, 'upgrade_required')
    check.equal(response.get('sec-websocket-version'), '13', 'version')


def test_echo_speaks_no_subprotocol(case):
    server = target(case)
    offer = websocket.handshake_fields(websocket.new_key(),
                                       [('Sec-WebSocket-Protocol', 'uproar.json')])
    http.error(http.ask(server, 'GET', '/echo', offer), 400, 'bad_subprotocol')


def test_messages_and_pongs_come_back_in_the_order_of_what_they_answer(case):
    peer = echo(case, target(case))
    sent = b''.join(frame_bytes(TEXT, b'%d' % i) + frame_bytes(PING, b'%d' % i)
                    + frame_bytes(BINARY, b'') for i in range(500))
    peer.send(sent + frame_bytes(TEXT, b'last') + close_bytes(3000, b'bye'))
    for i in range(500):
        check.equal(peer.text(), str(i), 'message')
        peer.expect_pong(b'%d' % i)
        check.equal(peer.binary(), b'', 'empty message')
    check.equal(peer.text(), 'last', 'message before the close')
    peer.expect_close(3000)


def test_what_comes_with_the_handshake_comes_back(case):
    peer = case.keep(websocket.Peer(target(case).port))
    peer.open('/echo', extra_bytes=frame_bytes(TEXT, b'early') + frame_bytes(TEXT, b'bird')[:3])
    check.equal(peer.text(), 'early', 'message')


def test_a_message_comes_back_wherever_its_frame_is_cut(case):
    server = target(case)
    frame = frame_bytes(TEXT, b'x' * 200)
    for at in (*range(1, 12), len(frame) - 1):
        peer = echo(case, server)
        peer.send_pieces([frame_bytes(BINARY, b'before') + frame[:at],
                          frame[at:] + frame_bytes(BINARY, b'behind')], 0.01)
        check.equal(peer.binary(), b'before', 'message before')
        check.equal(peer.text(), 'x' * 200, f'message cut at {at}')
        check.equal(peer.binary(), b'behind', 'message behind')


def test_a_message_of_16_mib_comes_back_however_it_is_cut(case):
    server = target(case)
    peer = echo(case, server)
    payload = bytes(range(256)) * (16 * MIB // 256)
    peer.send(frame_bytes(BINARY, payload))
    check.true(peer.binary() == payload, 'the message in one frame is another')
    part = frame_bytes(CONTINUATION, payload[:256], fin=False)
    peer.send(frame_bytes(BINARY, b'', fin=False) + part * 65536 + frame_bytes(CONTINUATION))
    check.true(peer.binary() == payload, 'the message in 65,538 frames is another')
    peer.send(frame_bytes(BINARY, b'', declared=16 * MIB + 1))
    peer.expect_close(1009)


def test_who_reads_slowly_gets_every_echo(case):
    server = target(case)
    peer = echo(case, server, receive_buffer=4096)
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
    for size in (100, 20_000, 300_000):
        count = 3 * MIB // size
        work = testing.Background(peer.send, b''.join(
            frame_bytes(BINARY, b'%08d' % i + b'x' * (size - 8)) for i in range(count)))
        for i in range(count):
            got = peer.binary()
            check.true(got[:8] == b'%08d' % i and len(got) == size, f'{size}: echo {i} is another')
        work.result()


def test_who_takes_no_echoes_is_not_read_and_costs_little(case):
    server = target(case, '--body-memory', '8M')
    before = server.resident_bytes()
    frame = frame_bytes(BINARY, b'x' * 8 * MIB)
    for _ in range(40):
        peer = echo(case, server, receive_buffer=4096)
        peer.socket.setblocking(False)
        sent = 0
        while sent < len(frame):  # as much of one message as it is let
            try:
                sent += peer.socket.send(frame[sent:sent + MIB])
            except BlockingIOError:
                if not select.select([], [peer.socket], [], 0.3)[1]:
                    break
    grown = server.resident_bytes() - before
    check.true(grown < case.memory_growth_max(), f'{grown} bytes more')
    case.peer(at=server).echo('others are served')


def test_an_echo_peer_that_is_silent_is_pinged_and_leaves_with_the_server(case):
    server = target(case, '--ping', '1', '--drain', '1')
    peer = echo(case, server)
    check.equal(peer.frame().opcode, PING, 'opcode')
    server.signal(15)
    peer.expect_close(1001, skip=(PING,))
    check.equal(server.wait_exit(), 0, 'exit status')
