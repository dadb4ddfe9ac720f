"""What a subscriber that stops reading leaves in the kernel, where no limit of ours counts it.
What the server itself keeps for it, and what becomes of it, is in test_slow.py.
"""
import socket

from lib import check, http, testing

SMALL_BUFFER = 4096       # of a subscriber that is going to stall
MESSAGE = b'x' * 1_000_000
PUBLISHED = 30            # 30 MB: beyond any send buffer, within the history
MARK = 64 << 10           # TCP_NOTSENT_LOWAT of the listener
SEGMENT = 64 << 10        # the kernel asks before it begins one, and then fills it
# A window kept shut for nearly a heartbeat ends the connection: not while it is looked at.
PATIENT = ('--heartbeat', 600)


def send_queue(server, peer):
    """Bytes in the kernel that the peer has not acknowledged, sent or not: tx_queue."""
    wanted = [f'0100007F:{number:04X}'
              for number in (server.port, peer.socket.getsockname()[1])]
    with open('/proc/net/tcp') as table:
        found = [line.split()[4] for line in table if line.split()[1:3] == wanted]
    # The table may show a line twice while others come and go.
    check.true(found, 'the connection is not in /proc/net/tcp')
    return max(int(queues.split(':')[0], 16) for queues in found)


def queue_max(peer):
    """Unsent: the mark, and the segment begun just below it. Sent but not acknowledged: what the
    peer's window once admitted, which its receive buffer bounds (as the kernel counts it: twice
    what was asked for)."""
    window = peer.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    return MARK + SEGMENT + window


def check_queue(server, stalled, publish):
    """Looks after each message; all that fits is there long before the last."""
    seen = []
    for _ in range(PUBLISHED):
        publish()
        seen.append(send_queue(server, stalled))
    check.true(seen[-1] > 0, 'it never stalled')
    check.true(max(seen) <= queue_max(stalled),
               f'{max(seen)} bytes in the send queue, not {queue_max(stalled)} at most')
    check.equal(server.metrics().sum('uproar_slow_closes_total'), 0, 'slow closes')


@testing.limit(60)
def test_a_websocket_that_stops_reading_leaves_little_in_the_kernel(case):
    server = case.start(*PATIENT)
    stalled = case.peer(at=server, receive_buffer=SMALL_BUFFER)
    check_queue(server, stalled, lambda: http.publish(server, case.topic, MESSAGE))


@testing.limit(60)
def test_a_stream_that_stops_reading_leaves_little_in_the_kernel(case):
    server = case.start(*PATIENT)
    stalled = case.stream(at=server, receive_buffer=SMALL_BUFFER)
    check_queue(server, stalled, lambda: http.publish(server, case.topic, MESSAGE))


@testing.limit(60)
def test_many_small_messages_to_one_that_stops_reading_leave_little_in_the_kernel(case):
    """Many of them go into one send, and one send into many segments."""
    server = case.start(*PATIENT)
    stalled = case.stream(at=server, receive_buffer=SMALL_BUFFER)
    publisher, watcher = case.peer(at=server), case.stream(at=server)
    text = 'x' * 4000

    def publish():
        for _ in range(len(MESSAGE) // len(text)):
            publisher.send_text(text)
        for _ in range(len(MESSAGE) // len(text)):
            publisher.text()
            watcher.event()

    check_queue(server, stalled, publish)
