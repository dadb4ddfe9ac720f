"""Peers that vanish, as when a machine loses power or its network: no FIN, no RST, no answer.
They are let go within two heartbeats, WebSockets within that and a ping; who is only quiet stays.
Slow readers are in test_slow.py.
"""
import ctypes
import socket
import struct
import time

from lib import check, http, testing

HEARTBEAT_S = 2  # long enough that two of them differ from two and a user timeout of another size
LATE_S = 1       # a loaded machine
PING_S = 2
ACKNOWLEDGED_S = 0.3  # the kernel does so 40 ms late; until then the peer still speaks: it repeats
SO_ATTACH_FILTER, BPF_RET = 26, 6  # <linux/filter.h>


def vanish(wire):
    """From now on its kernel drops whatever comes for this socket and says nothing, and it has
    nothing to say itself: the same as a pulled cable, but for one peer, and without privileges."""
    drop_all = ctypes.create_string_buffer(struct.pack('HBBI', BPF_RET, 0, 0, 0))
    program = struct.pack('HP', 1, ctypes.addressof(drop_all))
    try:
        wire.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    except OSError as problem:
        raise check.Skipped(f'no socket filters here: {problem}') from problem


def server_has(port, peer_port):
    """Has the kernel still the server's side of this connection?"""
    wanted = [f'0100007F:{number:04X}' for number in (port, peer_port)]
    with open('/proc/net/tcp') as table:
        return any(line.split()[1:3] == wanted for line in table)


def wait_gone(wires, began):
    """Until the kernel has dropped all of them, which must not take longer than two heartbeats.
    `began`: when they were last heard, or should have been."""
    ports = [(wire.port, wire.socket.getsockname()[1]) for wire in wires]
    for port, peer_port in ports:
        check.true(server_has(port, peer_port), 'the connection is not in /proc/net/tcp')
    bound = began + 2 * HEARTBEAT_S + LATE_S
    while time.monotonic() < bound:
        ports = [pair for pair in ports if server_has(*pair)]
        if not ports:
            return
        time.sleep(0.05)
    check.fail(f'{len(ports)} of {len(wires)} are still there after two heartbeats')


def start(case, ping_s=PING_S):
    return case.start('--heartbeat', HEARTBEAT_S, '--ping', ping_s)


def poll(case, server):
    """A long-poll that waits; returns once it is one."""
    before = waiting(server)
    wire = case.connection(at=server)
    wire.send(http.request_bytes('GET', f'/t/{case.topic}?after=now&wait=60', port=server.port))
    server.wait_metric(before + 1, 'uproar_connections', proto='poll')
    return wire


def waiting(server):
    return server.metrics().sum('uproar_connections', proto='poll')


@testing.limit(40)
def test_a_vanished_stream_is_gone_within_two_heartbeats(case):
    """The worst moment: just after it has acknowledged a heartbeat."""
    server = start(case)
    streams = [case.stream(at=server) for _ in range(3)]
    for stream in streams:
        stream.comment()
        vanish(stream)
    wait_gone(streams, time.monotonic())
    server.wait_metric(0, 'uproar_connections', proto='sse')


@testing.limit(40)
def test_a_vanished_stream_is_gone_within_two_heartbeats_though_it_is_written_to(case):
    server = start(case)
    stream, witness = case.stream(at=server), case.stream(at=server)
    stream.comment()
    vanish(stream)
    began = time.monotonic()
    http.publish(server, case.topic, b'x' * 500_000)
    check.equal(len(witness.event().data), 500_000, 'what the other one got')
    wait_gone([stream], began)
    server.wait_metric(1, 'uproar_connections', proto='sse')


@testing.limit(40)
def test_a_vanished_long_poll_is_gone_within_two_heartbeats(case):
    """Nothing is written to it: the kernel has to ask."""
    server = start(case)
    wires = [poll(case, server) for _ in range(3)]
    for wire in wires:
        vanish(wire)
    wait_gone(wires, time.monotonic())
    server.wait_metric(0, 'uproar_connections', proto='poll')


@testing.limit(40)
def test_a_vanished_long_poll_is_gone_though_it_was_answered_before(case):
    server = start(case)
    wire = poll(case, server)
    http.publish(server, case.topic, b'one')
    check.equal(wire.answer().status, 200, 'status')
    wire.send(http.request_bytes('GET', f'/t/{case.topic}?after=now&wait=60', port=server.port))
    server.wait_metric(1, 'uproar_connections', proto='poll')
    time.sleep(ACKNOWLEDGED_S)
    vanish(wire)
    wait_gone([wire], time.monotonic())


@testing.limit(40)
def test_a_vanished_websocket_is_gone_within_a_ping_and_two_heartbeats(case):
    server = start(case)
    peer = case.peer(at=server)
    peer.echo('here')
    vanish(peer)
    wait_gone([peer], time.monotonic() + PING_S)
    server.wait_metric(0, 'uproar_connections', proto='ws')


@testing.limit(60)
def test_who_is_only_quiet_stays(case):
    server = start(case, ping_s=3600)
    peer, stream, idle = case.peer(at=server), case.stream(at=server), case.connection(at=server)
    idle.ask('GET', '/healthz')
    time.sleep(5 * HEARTBEAT_S)
    http.publish(server, case.topic, b'still there?')
    check.equal((peer.text(), stream.event().data), ('still there?',) * 2, 'what they got')
    check.equal(idle.ask('GET', '/healthz').status, 200, 'status on the idle connection')


@testing.limit(60)
def test_a_long_poll_that_waits_longer_than_heartbeats_stays(case):
    server = start(case)
    wire = poll(case, server)
    time.sleep(5 * HEARTBEAT_S)
    http.publish(server, case.topic, b'still there?')
    answer = wire.answer()
    check.equal(answer.status, 200, 'status')
    check.equal([message['data'] for message in answer.json()], ['still there?'], 'what it got')
