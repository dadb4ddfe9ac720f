"""Web pages of other origins: refused everywhere, unless a flag allows them.
What browsers are told is in test_cors.py, tokens in test_tokens.py.
"""
import re

from lib import check, clauses, http, websocket

ALLOWED = 'https://app.example.org'
FLAGS = ['--allow-origin', ALLOWED, '--allow-origin', 'http://localhost:3000']


def kinds(case, origin, host=None):
    """Every way in, asked with that Origin: {name: response}."""
    fields = [('Origin', origin)] + ([('Host', host)] if host else [])
    target, several = f'/t/{case.topic}', f'/t?topic={case.topic}&topic=x.%2A'
    stream, upgrade = [('Accept', 'text/event-stream')], websocket.handshake_fields
    asked = {
        'websocket': ('GET', target, upgrade(websocket.new_key()), None),
        'websocket of several': ('GET', several, upgrade(websocket.new_key()), None),
        'stream': ('GET', target, stream, None),
        'stream of several': ('GET', several, stream, None),
        'stream by POST': ('POST', '/t', stream, f'{{"topics":["{case.topic}"]}}'.encode()),
        'poll': ('GET', target, [], None),
        'poll of several': ('GET', f'{several}&wait=0', [], None),
        'cursor': ('HEAD', target, [], None),
        'publish': ('POST', target, [('Content-Type', 'text/plain')], b'from a page'),
    }
    answers = {}
    for name, (method, path, extra, body) in asked.items():
        connection = case.connection()
        connection.send(http.request_bytes(method, path, extra + fields, body,
                                           port=connection.port))
        answers[name] = connection.head()
        if answers[name].status >= 400 and method != 'HEAD':
            answers[name].body = connection.body(answers[name].get('content-length'), None)
    return answers


def check_statuses(case, origin, expected, host=None):
    got = {name: answer.status for name, answer in kinds(case, origin, host).items()}
    check.equal(got, expected, f'statuses for Origin {origin} (host {host})')


WELCOME = {'websocket': 101, 'websocket of several': 101, 'stream': 200, 'stream of several': 200,
           'stream by POST': 200, 'poll': 200, 'poll of several': 200, 'cursor': 200,
           'publish': 201}
REFUSED = dict.fromkeys(WELCOME, 403)


def test_no_origin_is_no_page(case):
    http.publish(case.server, case.topic, b'x')
    case.peer().echo('x')


def test_foreign_origins_are_403_everywhere(case):
    for origin in ('http://evil.example', 'https://127.0.0.1', 'null', 'file://', 'nonsense', '',
                   'http://127.0.0.1:1', 'https://example.org', 'https://app.example.org:444',
                   'http://app.example.org', 'https://app.example.org.evil.example',
                   'https://xapp.example.org', f'{ALLOWED} {ALLOWED}', f'{ALLOWED}/'):
        check_statuses(case, origin, REFUSED)


def test_a_foreign_origin_is_told_why(case):
    for name, response in kinds(case, 'http://evil.example').items():
        if name != 'cursor':
            check.contains(http.error(response, 403), '--allow-origin', f'{name}: message')
        check.equal(response.get('access-control-allow-origin'), None, f'{name}: CORS')
        check.true(clauses.varies_by_origin(response), f'{name}: no Vary: Origin')


def test_a_refused_publish_is_not_published(case):
    peer = case.peer()
    check_statuses(case, 'http://evil.example', REFUSED)
    peer.echo('nothing came before this')


def test_the_log_names_the_flag_that_would_allow_it(case):
    server = case.start()
    lines = server.stderr
    check.lacks(lines, '--allow-origin', 'stderr before')
    fields = [('Origin', 'http://evil.example:8000')]
    http.error(http.ask(server, 'POST', '/t/x', fields, b'x'), 403)
    check.eventually(lambda: '--allow-origin' in server.stderr, 'stderr names --allow-origin')
    line = next(line for line in server.stderr.splitlines() if '--allow-origin' in line)
    check.contains(line, 'http://evil.example:8000', 'the log line')


def test_the_own_host_is_fine(case):
    port = case.server.port
    check_statuses(case, f'http://127.0.0.1:{port}', WELCOME)
    check_statuses(case, f'http://LOCALHOST:{port}', WELCOME, host=f'localhost:{port}')
    check_statuses(case, f'http://[::1]:{port}', WELCOME, host=f'[::1]:{port}')


def test_default_ports_are_dropped_by_their_scheme(case):
    """Behind a proxy that ends TLS, Host has no port and Origin says https."""
    check_statuses(case, 'https://chat.example', WELCOME, host='chat.example')
    check_statuses(case, 'http://chat.example', WELCOME, host='chat.example:80')
    check_statuses(case, 'https://chat.example:8443', REFUSED, host='chat.example')


def test_listed_origins_are_allowed(case):
    check_statuses(case, ALLOWED, WELCOME)
    check_statuses(case, 'http://localhost:3000', WELCOME)
    check_statuses(case, 'http://localhost:3001', REFUSED)


def test_the_own_host_is_fine_without_the_flag_and_others_are_not(case):
    server = case.start()
    for origin, status in ((f'http://127.0.0.1:{server.port}', 201), (ALLOWED, 403)):
        response = http.ask(server, 'POST', '/t/x', [('Origin', origin)], b'x')
        check.equal(response.status, status, f'status for {origin}')


def test_two_origins_are_foreign(case):
    fields = [('Origin', ALLOWED), ('Origin', ALLOWED)]
    response = http.ask(case.server, 'POST', f'/t/{case.topic}', fields, b'x')
    check.one_of(response.status, (400, 403), 'status')


def test_refusals_by_origin_are_counted(case):
    before = case.server.metrics().sum('uproar_refused_total', reason='origin')
    check_statuses(case, 'http://evil.example', REFUSED)
    case.server.wait_metric(before + len(REFUSED), 'uproar_refused_total', reason='origin')


def test_an_origin_cannot_forge_log_lines(case):
    server = case.start()
    long_one = 'http://' + 'x' * 3000 + '.example'
    http.error(http.ask(server, 'POST', '/t/x', [('Origin', long_one)], b'x'), 403)
    check.eventually(lambda: '--allow-origin' in server.stderr, 'stderr names --allow-origin')
    check.true(max(map(len, server.stderr.splitlines())) < 2000, 'a log line is very long')
    check.true(not re.search(r'[\x00-\x08\x0b-\x1f\x7f]', server.stderr), 'control characters')
