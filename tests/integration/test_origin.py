"""Web pages of other origins: refused everywhere, unless a flag allows them; what CORS says.
Tokens are in test_tokens.py.
"""
import re

from lib import check, http, websocket

ALLOWED = 'https://app.example.org'
FLAGS = ['--allow-origin', ALLOWED, '--allow-origin', 'http://localhost:3000']


def kinds(case, origin, host=None):
    """The three ways in, asked with that Origin: {name: response}."""
    fields = [('Origin', origin)] + ([('Host', host)] if host else [])
    target = f'/t/{case.topic}'
    asked = {
        'websocket': ('GET', websocket.handshake_fields(websocket.new_key()), None),
        'stream': ('GET', [('Accept', 'text/event-stream')], None),
        'publish': ('POST', [('Content-Type', 'text/plain')], b'from a page'),
    }
    answers = {}
    for name, (method, extra, body) in asked.items():
        connection = case.connection()
        connection.send(http.request_bytes(method, target, extra + fields, body,
                                           port=connection.port))
        answers[name] = connection.head()
        if answers[name].status >= 400:
            answers[name].body = connection.body(answers[name].get('content-length'), None)
    return answers


def check_statuses(case, origin, expected, host=None):
    got = {name: answer.status for name, answer in kinds(case, origin, host).items()}
    check.equal(got, expected, f'statuses for Origin {origin} (host {host})')


REFUSED = {'websocket': 403, 'stream': 403, 'publish': 403}
WELCOME = {'websocket': 101, 'stream': 200, 'publish': 201}


def varies(response):
    return 'origin' in [item.strip().lower() for item in ','.join(response.all('vary')).split(',')]


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
        message = http.error(response, 403)
        check.true(message, f'{name}: no message')
        check.equal(response.get('access-control-allow-origin'), None, f'{name}: CORS')
        check.true(varies(response), f'{name}: no Vary: Origin')


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


def listed(value):
    return {item.strip().lower() for item in (value or '').split(',')}


def check_cors(response):
    check.equal(response.get('access-control-allow-origin'), ALLOWED, 'the origin, echoed')
    check.equal(response.get('access-control-allow-credentials'), 'true', 'credentials')
    check.true(varies(response), 'no Vary: Origin')


def test_allowed_origins_get_cors_headers(case):
    answers = kinds(case, ALLOWED)
    for name in ('stream', 'publish'):
        check_cors(answers[name])
        exposed = listed(answers[name].get('access-control-expose-headers'))
        check.true({'uproar-cursor', 'etag', 'retry-after'} <= exposed, f'{name}: {exposed}')


def test_errors_for_allowed_origins_have_cors_headers_too(case):
    """Otherwise a page cannot read why."""
    response = http.ask(case.server, 'POST', '/t/a..b', [('Origin', ALLOWED)], b'x')
    http.error(response, 400)
    check_cors(response)


def test_vary_is_there_without_an_origin_too(case):
    """A cache must not hand the answer without CORS headers to a page that needs them."""
    check.true(varies(http.ask(case.server, 'POST', f'/t/{case.topic}', [], b'x')), 'no Vary')


def preflight(case, origin, method='POST', headers='authorization, content-type, last-event-id'):
    fields = [('Origin', origin), ('Access-Control-Request-Method', method),
              ('Access-Control-Request-Headers', headers)]
    return http.ask(case.server, 'OPTIONS', f'/t/{case.topic}', fields)


def test_preflights_of_allowed_origins_succeed(case):
    response = preflight(case, ALLOWED)
    check.one_of(response.status, (200, 204), 'status')
    check_cors(response)
    check.true({'get', 'post'} <= listed(response.get('access-control-allow-methods')), 'methods')
    check.true({'authorization', 'content-type', 'last-event-id'}
               <= listed(response.get('access-control-allow-headers')), 'headers')
    check.equal(response.get('access-control-max-age'), '86400', 'Access-Control-Max-Age')


def test_preflights_of_foreign_origins_allow_nothing(case):
    for origin in ('http://evil.example', 'null'):
        response = preflight(case, origin)
        for name in ('access-control-allow-origin', 'access-control-allow-credentials'):
            check.equal(response.get(name), None, f'{name} for {origin}')


def test_refusals_by_origin_are_counted(case):
    before = case.server.metrics().sum('uproar_refused_total', reason='origin')
    check_statuses(case, 'http://evil.example', REFUSED)
    case.server.wait_metric(before + 3, 'uproar_refused_total', reason='origin')


def test_an_origin_cannot_forge_log_lines(case):
    server = case.start()
    long_one = 'http://' + 'x' * 3000 + '.example'
    http.error(http.ask(server, 'POST', '/t/x', [('Origin', long_one)], b'x'), 403)
    check.eventually(lambda: '--allow-origin' in server.stderr, 'stderr names --allow-origin')
    check.true(max(map(len, server.stderr.splitlines())) < 2000, 'a log line is very long')
    check.true(not re.search(r'[\x00-\x08\x0b-\x1f\x7f]', server.stderr), 'control characters')
