"""CORS (Fetch, 3.2): what browsers are told on every answer, and what preflights say.
Which origins are refused is in test_origin.py.
"""
import signal

from lib import check, clauses, http, testing, websocket

ALLOWED = 'https://app.example.org'
OTHER = 'http://localhost:3000'
FLAGS = ['--allow-origin', ALLOWED, '--allow-origin', OTHER]
ADMIN = 'adm-5ecret'
AS_ADMIN = ('Authorization', f'Bearer {ADMIN}')
SSE = ('Accept', 'text/event-stream')
FOREIGN_EPOCH = '0' * 16 + '-7'
EXPOSED = {'uproar-cursor', 'etag', 'retry-after'}
PREFLIGHT = [('Access-Control-Request-Method', 'POST'),
             ('Access-Control-Request-Headers', 'authorization, content-type, last-event-id')]


def listed(value):
    return {item.strip().lower() for item in (value or '').split(',')}


def check_allowed(response, origin=ALLOWED):
    """The page may read it, with what is due to it."""
    check.equal(response.get('access-control-allow-origin'), origin, 'the origin, echoed')
    check.equal(response.get('access-control-allow-credentials'), 'true', 'credentials')
    exposed = listed(response.get('access-control-expose-headers'))
    check.true(EXPOSED <= exposed, f'exposed headers: {exposed}')
    check.true(clauses.varies_by_origin(response), f'no Vary: Origin: {response}')


def check_not_allowed(response):
    found = [name for name, _ in response.fields if name.startswith('access-control-')]
    check.equal(found, [], f'CORS headers of {response}')
    check.true(clauses.varies_by_origin(response), f'no Vary: Origin: {response}')


def rows(case):
    """(status, method, target, fields, body): answers of every kind."""
    topic, several = f'/t/{case.topic}', f'/t?topic={case.topic}&topic=x.%2A'
    chunked = ('Transfer-Encoding', 'chunked')
    return [
        (200, 'GET', '/', [], None),
        (200, 'HEAD', '/', [], None),
        (200, 'GET', '/healthz', [], None),
        (200, 'GET', '/readyz', [], None),
        (200, 'GET', '/metrics', [], None),
        (200, 'GET', topic, [('Accept', 'text/html')], None),
        (201, 'POST', topic, [], b'hello'),
        (200, 'GET', topic, [], None),
        (200, 'GET', f'{topic}?after=earliest', [], None),
        (200, 'GET', f'{several}&last=1', [('Accept', 'application/x-ndjson')], None),
        (200, 'HEAD', topic, [], None),
        (204, 'GET', f'{topic}?after=now&wait=0', [], None),
        (410, 'GET', f'{topic}?after={FOREIGN_EPOCH}', [], None),
        (400, 'GET', f'{topic}?after=nonsense', [], None),
        (400, 'POST', '/t/a..b', [], b'x'),
        (400, 'POST', topic, [('Content-Type', 'text/plain')], b'\xff'),
        (400, 'POST', topic, [chunked], b'5;\r\n'),
        (400, 'GET', '/nowhere%', [], None),
        (404, 'GET', '/nowhere', [], None),
        (405, 'PUT', topic, [], b'x'),
        (413, 'POST', topic, [('Content-Length', '99999999')], None),
        (413, 'POST', topic, [chunked], b'200000\r\n' + b'x' * 0x200000 + b'\r\n0\r\n\r\n'),
        (415, 'POST', topic, [('Content-Encoding', 'gzip')], b'x'),
        (426, 'GET', topic, [('Connection', 'Upgrade'), ('Upgrade', 'websocket'),
                             ('Sec-WebSocket-Version', '12'),
                             ('Sec-WebSocket-Key', websocket.new_key())], None),
        (501, 'FROBNICATE', topic, [], None),
        (204, 'OPTIONS', topic, [], None),
        (204, 'OPTIONS', '*', [], None),
        (404, 'OPTIONS', '/nowhere', [], None),
    ]


def check_rows(case, wanted, *fields, judge):
    for status, method, target, own, body in wanted:
        try:
            response = http.ask(case.server, method, target, [*own, *fields], body)
            check.equal(response.status, status, 'status')
            judge(response)
        except (check.Failed, http.Ended) as problem:
            raise check.Failed(f'{method} {target} with {own}: {problem}') from problem


def test_an_allowed_page_may_read_every_answer(case):
    check_rows(case, rows(case), ('Origin', ALLOWED), judge=check_allowed)


def test_an_origin_is_echoed_as_it_was_sent(case):
    for origin in (OTHER, ALLOWED.upper()):
        check_allowed(http.ask(case.server, 'GET', '/healthz', [('Origin', origin)]), origin)


def test_whoever_is_no_foreign_page_is_told_to_vary_and_no_more(case):
    own = ('Origin', f'http://127.0.0.1:{case.server.port}')
    check_rows(case, rows(case), judge=check_not_allowed)
    check_rows(case, rows(case), own, judge=check_not_allowed)


def test_a_foreign_page_may_read_nothing(case):
    """What checks no origin is sent to it, and its browser keeps it to itself."""
    open_to_all = [row for row in rows(case) if row[2] in ('/', '/healthz', '/readyz', '/metrics')]
    for origin in ('https://evil.example', 'null', f'{ALLOWED}, {ALLOWED}', f'{ALLOWED}/'):
        check_rows(case, open_to_all, ('Origin', origin), judge=check_not_allowed)
    check_rows(case, open_to_all, ('Origin', ALLOWED), ('Origin', ALLOWED),
               judge=check_not_allowed)


def head_of(case, fields, at=None, target=None):
    connection = case.connection(at)
    connection.send(http.request_bytes('GET', target or f'/t/{case.topic}', fields,
                                       port=connection.port))
    return connection.head()


def test_streams_may_be_read(case):
    origin = ('Origin', ALLOWED)
    for fields in ([], [('Last-Event-ID', FOREIGN_EPOCH)], [('Connection', 'close')]):
        response = head_of(case, [SSE, origin, *fields])
        check.equal(response.status, 200, 'status')
        check_allowed(response)
    check_not_allowed(head_of(case, [SSE]))


def test_a_poll_that_has_all_may_be_read(case):
    cursor = http.ask(case.server, 'HEAD', f'/t/{case.topic}').get('uproar-cursor')
    fields = [('Origin', ALLOWED), ('If-None-Match', f'"{cursor}"')]
    response = http.ask(case.server, 'GET', f'/t/{case.topic}?wait=0', fields)
    check.equal(response.status, 304, 'status')
    check_allowed(response)


def test_what_tokens_and_ends_say_may_be_read(case):
    tokens = ['--publish-token', case.file('secret'), '--admin-token', case.file(ADMIN)]
    server = case.start(*FLAGS, *tokens)
    origin = ('Origin', ALLOWED)

    def judge(status, method, *fields, body=None):
        response = http.ask(server, method, '/t/x', [origin, *fields], body)
        check.equal(response.status, status, f'status of {method} with {fields}')
        check_allowed(response)

    judge(401, 'POST', body=b'x')
    judge(401, 'DELETE')
    judge(200, 'DELETE', AS_ADMIN)
    judge(204, 'GET', SSE)
    judge(410, 'GET')
    judge(410, 'POST', ('Authorization', 'Bearer secret'), body=b'x')


def start_full(case):
    server = case.start('--max-connections', 2, *FLAGS, threads=1)
    for _ in range(2):
        case.peer('x', at=server)
    return server


def test_a_full_server_may_be_read(case):
    server = start_full(case)
    origin = ('Origin', ALLOWED)
    for status, method, fields in ((503, 'GET', []), (503, 'POST', []), (200, 'GET', [SSE])):
        response = http.ask(server, method, '/t/x', [origin, *fields], b'' if method == 'POST'
                            else None)
        check.equal(response.status, status, 'status')
        check_allowed(response)
    check.true(http.ask(server, 'GET', '/t/x', [origin]).get('retry-after'), 'no Retry-After')


@testing.limit(40)
def test_a_draining_server_may_be_read(case):
    server = case.start('--drain', 20, *FLAGS)
    kept = [case.connection(server) for _ in range(4)]
    for connection in kept:
        connection.ask('GET', '/healthz')
    streams = [case.stream('x', at=server) for _ in range(10)]
    server.signal(signal.SIGTERM)
    origin = ('Origin', ALLOWED)
    check.eventually(lambda: kept[0].ask('GET', '/readyz', [origin]).status == 503, 'a drain')
    for connection, fields, status in zip(kept[1:], ([], [SSE], PREFLIGHT), (503, 200, 204)):
        method = 'OPTIONS' if fields == PREFLIGHT else 'GET'
        connection.send(http.request_bytes(method, '/t/x', [origin, *fields], port=server.port))
        response = connection.head()
        check.equal(response.status, status, f'status with {fields}')
        check_allowed(response)
    check.equal(len(streams), 10, 'streams that made the drain last')
    server.signal(signal.SIGINT)
    server.wait_exit()


# --- preflights -----------------------------------------------------------------------------------

ROUTES = {'/': 'GET, HEAD, OPTIONS', '/healthz': 'GET, HEAD, OPTIONS',
          '/readyz': 'GET, HEAD, OPTIONS', '/metrics': 'GET, HEAD, OPTIONS',
          '/t': 'GET, HEAD, POST, OPTIONS', '/t/a.b': 'GET, HEAD, POST, OPTIONS',
          '/t/a%2Fb?token=x': 'GET, HEAD, POST, OPTIONS', '*': 'GET, HEAD, POST, OPTIONS'}
PREFLIGHT_ONLY = ('access-control-allow-methods', 'access-control-allow-headers',
                  'access-control-max-age')


def preflight(server, target, *fields):
    response = http.ask(server, 'OPTIONS', target, [*fields, *PREFLIGHT])
    check.equal(response.status, 204, f'status of a preflight of {target}')
    return response


def check_preflight(response, methods):
    check_allowed(response)
    check.equal(response.get('access-control-allow-methods'), methods, 'methods')
    check.equal(listed(response.get('access-control-allow-headers')),
                {'authorization', 'content-type', 'last-event-id'}, 'headers')
    check.equal(response.get('access-control-max-age'), '86400', 'Max-Age')


def test_preflights_succeed_everywhere(case):
    for target, methods in ROUTES.items():
        check_preflight(preflight(case.server, target, ('Origin', ALLOWED)), methods)


def test_preflights_need_no_token(case):
    """Browsers send none with them (Fetch, 4.8)."""
    server = case.start('--subscribe-token', case.file('s'), '--publish-token', case.file('p'),
                        '--admin-token', case.file(ADMIN), *FLAGS)
    check_preflight(preflight(server, '/t/x', ('Origin', ALLOWED)),
                    'GET, HEAD, POST, DELETE, OPTIONS')


def test_preflights_of_others_allow_nothing(case):
    own = f'http://127.0.0.1:{case.server.port}'
    for origin in ('http://evil.example', 'null', '', f'{ALLOWED}.evil.example', own):
        for target in ROUTES:
            check_not_allowed(preflight(case.server, target, ('Origin', origin)))
    check_not_allowed(preflight(case.server, '/t/x'))
    check_not_allowed(preflight(case.server, '/t/x', ('Origin', ALLOWED), ('Origin', ALLOWED)))


def test_options_that_is_no_preflight_says_no_more_than_others(case):
    response = http.ask(case.server, 'OPTIONS', '/t/x', [('Origin', ALLOWED)])
    check_allowed(response)
    check.equal([name for name in PREFLIGHT_ONLY if response.get(name)], [], 'of a preflight')


def test_a_preflight_of_a_full_server_succeeds(case):
    """Or the page would not get to read the 503 that it is about."""
    server = start_full(case)
    check_preflight(preflight(server, '/t/x', ('Origin', ALLOWED)), ROUTES['/t/a.b'])
