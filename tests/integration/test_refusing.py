"""Full: newcomers are told so, in the words of their protocol; whoever is in stays in.
Abuse that does not fill the server is in test_abuse.py.
"""
from lib import check, http, prometheus, sse, testing, websocket

ROOM = 4
RETRY_MAX_S = 120


def start_full(case):
    """One reactor: with several, each may be full before the whole is."""
    server = case.start('--max-connections', ROOM, threads=1)
    return server, [case.peer('x', at=server) for _ in range(ROOM)]


def check_refusal(response):
    check.equal(response.status, 503, f'status ({response})')
    retry = response.get('retry-after')
    check.true(retry and retry.isdigit() and 1 <= int(retry) <= RETRY_MAX_S, f'Retry-After {retry}')
    check.true(response.has_token('connection', 'close'), f'close is not announced: {response}')


def knock(server, fields=(), method='GET', target='/t/x', body=None):
    with http.Connection(server.port) as connection:
        response = connection.ask(method, target, fields, body)
        check.equal(connection.ends(), b'', 'bytes after a refusal')
        return response


def test_a_newcomer_gets_503_with_retry_after(case):
    server, _ = start_full(case)
    check_refusal(knock(server))
    check_refusal(knock(server, method='POST', target='/t/x', body=b'hello'))
    check_refusal(knock(server, websocket.handshake_fields(websocket.new_key()), target='/t/x'))


def test_a_full_server_still_says_how_it_is(case):
    """A 503 from healthz would have it killed, and everybody in it."""
    server, _ = start_full(case)
    check.equal(knock(server, target='/readyz').status, 503, 'status of /readyz')
    check.equal(knock(server, target='/healthz').status, 200, 'status of /healthz')
    check.equal(knock(server, target='/metrics').status, 200, 'status of /metrics')
    check.equal(knock(server, target='/').status, 503, 'status of /')


def test_an_event_source_gets_200_and_a_retry_and_the_end(case):
    """Any other status would end it for ever (WHATWG HTML, 9.2.3)."""
    server, _ = start_full(case)
    for version in ('HTTP/1.1', 'HTTP/1.0'):
        stream = case.keep(sse.Stream(server.port)).open('/t/x', version=version)
        check.equal(len(stream.first.lines), 1, f'lines of the only block: {stream.first}')
        check.true(stream.first.retry >= 1000, f'retry: {stream.first.retry}')
        stream.expect_end()


def test_whoever_is_in_stays_in(case):
    server, peers = start_full(case)
    for _ in range(20):
        check_refusal(knock(server))
    peers[0].send_text('still here')
    check.equal([peer.text() for peer in peers], ['still here'] * ROOM, 'what the peers got')


def test_when_one_leaves_there_is_room_again(case):
    server, peers = start_full(case)
    for leaver in (lambda peer: peer.leave(), lambda peer: peer.reset()):
        check_refusal(knock(server))
        leaver(peers.pop())
        newcomer = websocket.enter_soon(server.port)
        peers.append(case.keep(newcomer))
        newcomer.echo('made it')
        while peers[0].text() != 'made it':
            pass


def test_refusals_are_counted(case):
    server, peers = start_full(case)
    for _ in range(5):
        check_refusal(knock(server))
    peers[0].leave()
    refused = check.eventually(lambda: refused_count(server), 'there is room to ask again')
    check.true(refused >= 5, f'{refused} were refused for being full')


def refused_count(server):
    """None while it is full: then the question is refused as well."""
    response = http.ask(server, 'GET', '/metrics')
    if response.status == 503:
        return None
    return prometheus.parse(response.body.decode()).sum('uproar_refused_total', reason='full')


def test_a_newcomer_that_says_nothing_does_not_block_the_next(case):
    server, _ = start_full(case)
    silent = [case.connection(at=server) for _ in range(10)]
    check_refusal(knock(server))
    check.equal(len(silent), 10, 'silent newcomers')


@testing.limit(60)
def test_a_crowd_before_a_full_house_is_refused_and_none_is_left_waiting(case):
    """Many at once, over two reactors: each is let in or refused, and never more than there is
    room for."""
    server = case.start('--max-connections', 16)
    crowd = [case.connection(at=server) for _ in range(64)]
    for connection in crowd:
        connection.send(http.request_bytes('GET', '/', port=server.port))
    statuses = [connection.answer().status for connection in crowd]
    check.equal(set(statuses), {200, 503}, 'statuses')
    check.true(statuses.count(200) <= 16, f'{statuses.count(200)} were let in')
    for connection in crowd:
        connection.close()
    check.eventually(lambda: http.ask(server, 'GET', '/readyz').status == 200, 'ready again')


@testing.limit(60)
def test_running_out_of_descriptors_refuses_newcomers_in_words(case):
    """Without --max-connections the limit follows from RLIMIT_NOFILE."""
    if case.io == 'uring':
        raise check.Skipped('direct descriptors are not counted against RLIMIT_NOFILE')
    server = case.start(nofile=128, io='epoll')
    crowd = [case.keep(http.Connection(server.port)) for _ in range(200)]
    for connection in crowd:
        connection.send(http.request_bytes('GET', '/', port=server.port))
    statuses = [connection.answer().status for connection in crowd]
    check.true(set(statuses) <= {200, 503}, f'statuses: {set(statuses)}')
    check.true(statuses.count(200) >= 16, f'only {statuses.count(200)} were let in')
    check.true(503 in statuses, 'nobody was refused: the limit was not reached')
    survivor = crowd[statuses.index(200)]
    check.equal(survivor.ask('GET', '/').status, 200, 'one of those let in')
    for connection in crowd:
        connection.close()
    check.eventually(lambda: http.ask(server, 'GET', '/readyz').status == 200, 'ready again')
    case.keep(websocket.enter_soon(server.port)).echo('as before')
