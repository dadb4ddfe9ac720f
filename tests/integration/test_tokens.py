"""Tokens: who may publish and subscribe, how a token is given, and that none is ever logged.
Origins are in test_origin.py.
"""
from lib import check, http, websocket

PUBLISH, SUBSCRIBE = 'pub-5ecret.~+/=', 'sub-5ecret_0123456789'


def start(case, publish=PUBLISH, subscribe=SUBSCRIBE):
    flags = []
    if publish:
        flags += ['--publish-token', case.file(publish + '\n')]
    if subscribe:
        flags += ['--subscribe-token', case.file(subscribe + '\n')]
    return case.start(*flags)


def bearer(token):
    return [('Authorization', f'Bearer {token}')]


def quoted(token):
    return token.replace('+', '%2B').replace('/', '%2F').replace('=', '%3D')


def ask(server, kind, fields=(), query=''):
    """One of the three ways in; returns the head of the answer."""
    extra, method, body = {
        'websocket': (websocket.handshake_fields(websocket.new_key()), 'GET', None),
        'stream': ([('Accept', 'text/event-stream')], 'GET', None),
        'publish': ([], 'POST', b'x'),
    }[kind]
    with http.Connection(server.port) as connection:
        connection.send(http.request_bytes(method, f'/t/x{query}', [*extra, *fields], body,
                                           port=server.port))
        answer = connection.head()
        if answer.status >= 400:
            answer.body = connection.body(answer.get('content-length'), None)
        return answer


KINDS = {'websocket': (SUBSCRIBE, 101), 'stream': (SUBSCRIBE, 200), 'publish': (PUBLISH, 201)}


def check_denied(answer, what):
    try:
        http.error(answer, 401)
        check.contains(answer.get('www-authenticate') or '', 'Bearer', 'WWW-Authenticate')
    except check.Failed as problem:
        check.fail(f'{what}: {problem}')


def test_without_a_token_everything_is_401(case):
    server = start(case)
    for kind in KINDS:
        check_denied(ask(server, kind), kind)


def test_a_wrong_token_is_401(case):
    server = start(case)
    for kind, (token, _) in KINDS.items():
        for wrong in ('', 'x', token[:-1], token + 'x', token.upper(), 'x' * 5000):
            check_denied(ask(server, kind, bearer(wrong)), f'{kind} with {wrong[:40]!r}')
            check_denied(ask(server, kind, query=f'?token={quoted(wrong)}'),
                         f'{kind} with ?token={wrong[:40]!r}')


def test_each_door_has_its_own_token(case):
    server = start(case)
    check_denied(ask(server, 'publish', bearer(SUBSCRIBE)), 'publish with the subscribe token')


def test_the_right_token_opens_as_bearer(case):
    server = start(case)
    for kind, (token, status) in KINDS.items():
        check.equal(ask(server, kind, bearer(token)).status, status, kind)
        scheme = [('Authorization', f'bearer {token}')]
        check.equal(ask(server, kind, scheme).status, status, f'{kind}, the scheme in lower case')


def test_the_right_token_opens_in_the_query(case):
    server = start(case)
    for kind, (token, status) in KINDS.items():
        check.equal(ask(server, kind, query=f'?token={quoted(token)}').status, status, kind)
        check.equal(ask(server, kind, query=f'?x=y&token={quoted(token)}&z').status, status, kind)


def test_other_schemes_are_401(case):
    server = start(case)
    for value in (f'Basic {PUBLISH}', PUBLISH, f'Bearer{PUBLISH}', 'Bearer'):
        check_denied(ask(server, 'publish', [('Authorization', value)]), value[:12])


def test_a_denied_publish_reaches_nobody(case):
    server = start(case)
    peer = case.peer('x', at=server, fields=bearer(SUBSCRIBE))
    check_denied(ask(server, 'publish'), 'publish')
    check_denied(ask(server, 'publish', bearer(SUBSCRIBE)), 'publish')
    published = http.ask(server, 'POST', '/t/x', bearer(PUBLISH), b'allowed')
    http.published(published, 'x')
    check.equal(peer.text(), 'allowed', 'the first message')


def test_a_peer_with_only_the_subscribe_token_may_listen_but_not_publish(case):
    server = start(case)
    peer = case.peer('x', at=server, fields=bearer(SUBSCRIBE))
    watcher = case.peer('x', at=server, query=f'?token={SUBSCRIBE}')
    http.published(http.ask(server, 'POST', '/t/x', bearer(PUBLISH), b'hello'), 'x')
    check.equal((peer.text(), watcher.text()), ('hello', 'hello'), 'what they got')
    peer.send_text('forbidden')
    peer.expect_close(1008)
    http.published(http.ask(server, 'POST', '/t/x', bearer(PUBLISH), b'next'), 'x')
    check.equal(watcher.text(), 'next', 'the next message')


def test_with_only_a_publish_token_anyone_may_subscribe(case):
    server = start(case, subscribe=None)
    check_denied(ask(server, 'publish'), 'publish')
    stream, peer = case.stream('x', at=server), case.peer('x', at=server)
    http.published(http.ask(server, 'POST', '/t/x', bearer(PUBLISH), b'hello'), 'x')
    check.equal((stream.event().data, peer.text()), ('hello', 'hello'), 'what they got')
    peer.send_binary(b'forbidden')
    peer.expect_close(1008)


def test_with_only_a_publish_token_a_peer_that_has_it_publishes(case):
    server = start(case, subscribe=None)
    case.peer('x', at=server, fields=bearer(PUBLISH)).echo('allowed')
    case.peer('x', at=server, query=f'?token={quoted(PUBLISH)}').echo('allowed')


def test_with_only_a_subscribe_token_anyone_may_publish(case):
    server = start(case, publish=None)
    check_denied(ask(server, 'stream'), 'stream')
    stream = case.stream('x', at=server, fields=bearer(SUBSCRIBE))
    http.publish(server, 'x', b'hello')
    check.equal(stream.event().data, 'hello', 'what it got')
    case.peer('x', at=server, fields=bearer(SUBSCRIBE)).echo('allowed')


def test_one_token_for_both_opens_both(case):
    server = start(case, publish='same', subscribe='same')
    case.peer('x', at=server, fields=bearer('same')).echo('allowed')


def test_health_needs_no_token(case):
    server = start(case)
    for path in ('/healthz', '/readyz'):
        check.equal(http.ask(server, 'GET', path).status, 200, f'status of {path}')


def test_tokens_are_never_on_stderr(case):
    server = start(case)
    for kind, (token, _) in KINDS.items():
        for given in (token, f'wrong-{token}'):
            ask(server, kind, bearer(given))
            ask(server, kind, query=f'?token={quoted(given)}')
            ask(server, kind, [('Origin', 'http://evil.example')], f'?token={quoted(given)}')
    check.eventually(lambda: 'evil.example' in server.stderr, 'the refusal is logged')
    server.stop()
    for secret in (PUBLISH, SUBSCRIBE, quoted(PUBLISH), 'wrong-'):
        check.lacks(server.stderr + server.stdout, secret, 'what the server said')


def test_tokens_are_not_seen_in_the_process_list(case):
    server = start(case)
    with open(f'/proc/{server.process.pid}/cmdline', 'rb') as file:
        check.lacks(file.read(), PUBLISH.encode(), 'the command line')


def test_a_preflight_needs_no_token(case):
    """Browsers send none: the request that follows is what is judged."""
    server = case.start('--allow-origin', 'https://app.example', '--publish-token',
                        case.file('secret'))
    response = http.ask(server, 'OPTIONS', '/t/x', [('Origin', 'https://app.example'),
                                                    ('Access-Control-Request-Method', 'POST')])
    check.one_of(response.status, (200, 204), 'status')


def test_a_401_for_an_allowed_origin_can_be_read_by_the_page(case):
    server = case.start('--allow-origin', 'https://app.example', '--publish-token',
                        case.file('secret'))
    response = http.ask(server, 'POST', '/t/x', [('Origin', 'https://app.example')], b'x')
    check_denied(response, 'publish')
    check.equal(response.get('access-control-allow-origin'), 'https://app.example', 'CORS')


def test_listening_to_the_world_without_tokens_is_warned_about(case):
    def warned(server):
        return '--publish-token' in server.stderr or '--subscribe-token' in server.stderr
    server = case.start(listen='0.0.0.0:0')
    check.eventually(lambda: warned(server), 'a warning that names the flags')
    guarded = case.start('--publish-token', case.file('a'), '--subscribe-token', case.file('b'),
                         listen='0.0.0.0:0')
    local = case.start()
    for quiet in (guarded, local):
        http.ask(quiet, 'GET', '/healthz')
        check.true(not warned(quiet), f'an undue warning: {quiet.stderr}')
