"""More connections than RLIMIT_NOFILE: io_uring spreads them over several rings. What a full server
says to newcomers is in test_refusing.py.
"""
import re
import signal

from lib import check, http, testing, websocket

NOFILE = 128
ROOM = 600  # six rings of a reactor that is alone, four of each of two
TOGETHER = 60


def start_beyond(case, threads, *flags):
    if case.io != 'uring':
        raise check.Skipped('a slot is a descriptor with epoll: such a start is refused')
    if 'let go at once  yes' not in case.server.stderr:
        raise check.Skipped('a slot is a descriptor on this kernel: such a start is refused')
    return case.start('--max-connections', ROOM, *flags, threads=threads, nofile=NOFILE)


def fill(case, server):
    """Connections by the dozen, so that many are accepted in one turn."""
    peers = []
    for _ in range(ROOM // TOGETHER):
        newcomers = [case.keep(websocket.Peer(server.port)) for _ in range(TOGETHER)]
        peers += [peer.open('/t/x') for peer in newcomers]
    return peers


def knock(server):
    with http.Connection(server.port) as connection:
        return connection.ask('GET', '/t/x').status


def check_all_hear(peers, text):
    peers[0].send_text(text)
    for peer in peers:
        check.equal(peer.text(), text, 'the message')


@testing.limit(60)
def test_that_many_are_open_at_once_and_all_get_a_message(case):
    for threads in (1, 2):
        server = start_beyond(case, threads)
        peers = fill(case, server)
        check_all_hear(peers, 'to all')
        server.wait_metric(ROOM, 'uproar_connections', proto='ws')


@testing.limit(60)
def test_one_more_is_refused_in_words_and_let_in_when_one_leaves(case):
    server = start_beyond(case, 2)
    peers = fill(case, server)
    check.equal(knock(server), 503, 'status')
    for place in (0, ROOM // 2, ROOM - 1):  # of whatever ring
        peers[place].close()
        peers[place] = case.keep(websocket.enter_soon(server.port))
        check.equal(knock(server), 503, 'status')
    check_all_hear(peers, 'still here')


@testing.limit(60)
def test_all_are_told_goodbye(case):
    server = start_beyond(case, 1, '--drain', 1)
    peers = fill(case, server)
    server.signal(signal.SIGTERM)
    for peer in peers:
        peer.expect_close(1001)
    check.equal(server.wait_exit(), 0, 'exit status')


def test_with_epoll_such_a_start_is_refused_with_the_reason(case):
    finished = case.run('--io', 'epoll', '--listen', '127.0.0.1:0', '--max-connections', ROOM,
                        nofile=NOFILE)
    check.one_of(finished.status, (1, 2), f'exit status ({finished})')
    check.contains(finished.stderr, '--max-connections', 'stderr')
    check.matches(re.compile(rf'RLIMIT_NOFILE \({NOFILE}\)'), finished.stderr, 'the reason')
