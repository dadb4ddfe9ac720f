"""Plain HTTP: what each path answers, to which method, and when the connection stays open.
The protocol's own clauses are in test_http_clauses.py, bodies and cuts in test_http_framing.py.
"""
import email.utils
import re
import time

from lib import check, http, testing

HTML = [('Accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8')]
PATHS = ('/t/', '/healthz', '/readyz', '/metrics')


def allowed(response):
    """The methods that Allow names."""
    listed = response.get('allow')
    check.true(listed, f'no Allow: {response}')
    return {method.strip() for method in listed.split(',')}


def check_page(response):
    check.equal(response.status, 200, 'status')
    check.matches(re.compile(r'^text/html;\s*charset=utf-8$', re.I), response.get('content-type'),
                  'Content-Type')
    policy = response.get('content-security-policy')
    check.matches(re.compile(r"default-src '(none|self)'"), policy, 'Content-Security-Policy')
    check.lacks(policy, '*', 'Content-Security-Policy')


def test_root_is_a_page_with_a_content_security_policy(case):
    response = http.ask(case.server, 'GET', '/')
    check_page(response)
    check.contains(response.body.lower(), b'<!doctype html', 'the page')


def test_the_page_loads_nothing_from_elsewhere(case):
    page = http.ask(case.server, 'GET', '/').body.decode()
    check.true(len(page) > 100, 'the page is empty')
    found = re.findall(r'(?:src|href)\s*=\s*["\']?(?:https?:)?//[^"\'\s>]+', page)
    check.equal(found, [], 'addresses of other hosts in the page')


def test_a_browser_gets_the_page_for_a_topic(case):
    check_page(http.ask(case.server, 'GET', f'/t/{case.topic}', HTML))


def test_head_of_the_page_has_the_length_and_no_body(case):
    connection = case.connection()
    full = connection.ask('GET', '/')
    head = connection.ask('HEAD', '/')
    check_page(head)
    check.equal(head.get('content-length'), str(len(full.body)), 'Content-Length of HEAD')
    # A body sent by mistake would be taken for the next answer.
    check.equal(connection.ask('GET', '/healthz').body.strip(), b'ok', 'the answer behind HEAD')


def test_healthz_says_ok(case):
    response = http.ask(case.server, 'GET', '/healthz')
    check.equal(response.status, 200, 'status')
    check.equal(response.body.strip(), b'ok', 'body')


def test_readyz_is_200(case):
    check.equal(http.ask(case.server, 'GET', '/readyz').status, 200, 'status')


def test_answers_carry_a_date(case):
    date = http.ask(case.server, 'GET', '/healthz').get('date')
    check.true(date and date.endswith(' GMT'), f'Date: {date}')
    said = email.utils.parsedate_to_datetime(date).timestamp()
    check.true(abs(said - time.time()) < 60, f'Date is off: {date}')


def test_an_unknown_path_is_404_and_lists_the_paths(case):
    message = http.error(http.ask(case.server, 'GET', '/nowhere'), 404)
    for path in PATHS:
        check.contains(message, path, 'message of the 404')


def test_the_page_may_only_be_read(case):
    for method in ('POST', 'PUT', 'DELETE', 'PATCH'):
        response = http.ask(case.server, method, '/', body=b'')
        http.error(response, 405)
        check.true({'GET', 'HEAD'} <= allowed(response), f'Allow: {allowed(response)}')
        check.lacks(allowed(response), method, 'Allow')


def test_a_topic_refuses_other_methods_and_names_its_own(case):
    for method in ('PUT', 'PATCH', 'DELETE'):
        response = http.ask(case.server, method, f'/t/{case.topic}', body=b'')
        http.error(response, 405)
        check.true({'GET', 'HEAD', 'POST'} <= allowed(response), f'Allow: {allowed(response)}')


def test_options_of_a_topic_names_its_methods(case):
    response = http.ask(case.server, 'OPTIONS', f'/t/{case.topic}')
    check.one_of(response.status, (200, 204), 'status')
    check.true({'GET', 'HEAD', 'POST', 'OPTIONS'} <= allowed(response), f'{allowed(response)}')


def test_head_of_a_topic_tells_the_cursor(case):
    response = http.ask(case.server, 'HEAD', f'/t/{case.topic}')
    check.equal(response.status, 200, 'status')
    http.cursor(response.get('uproar-cursor'))


def test_the_cursor_is_at_least_the_last_publish(case):
    published = http.cursor(http.publish(case.server, case.topic, b'x'))
    seen = http.cursor(http.ask(case.server, 'HEAD', f'/t/{case.topic}').get('uproar-cursor'))
    check.equal(seen[0], published[0], 'epoch')
    check.true(seen[1] >= published[1], f'cursor {seen} is before the message {published}')


def test_a_get_that_is_neither_stream_nor_page_is_a_poll(case):
    response = http.ask(case.server, 'GET', f'/t/{case.topic}')
    check.equal((response.status, response.body), (200, b'[]\n'), 'the answer')


def test_a_refused_weight_is_not_an_accepted_type(case):
    fields = [('Accept', 'text/event-stream;q=0, text/html;q=0')]
    response = http.ask(case.server, 'GET', f'/t/{case.topic}', fields)
    check.equal(response.get('content-type'), 'application/json', 'Content-Type of a poll')


def test_a_connection_stays_open_between_requests(case):
    connection = case.connection()
    for _ in range(5):
        response = connection.ask('GET', '/healthz')
        check.equal(response.status, 200, 'status')
        check.true(not response.has_token('connection', 'close'), f'{response}')
    check.true(connection.is_open(), 'the server closed a connection that it had not announced to')


def test_http_1_0_keep_alive_is_said_and_done(case):
    connection = case.connection()
    for _ in range(2):
        response = connection.ask('GET', '/healthz', [('Connection', 'keep-alive')],
                                  version='HTTP/1.0')
        check.equal(response.status, 200, 'status')
        check.true(response.has_token('connection', 'keep-alive'), f'{response}')


def test_a_peer_that_ends_its_output_still_gets_its_answer(case):
    connection = case.connection()
    connection.send(http.request_bytes('POST', f'/t/{case.topic}', body=b'last words'))
    connection.end_output()
    http.published(connection.answer('POST'), case.topic)
    check.equal(connection.ends(), b'', 'bytes after the answer')


def send_head_slowly(connection, pieces, seconds):
    for piece in pieces:
        connection.send(piece)
        time.sleep(seconds / len(pieces))


def test_a_head_that_takes_two_seconds_is_served(case):
    connection = case.connection()
    head = http.request_bytes('GET', '/healthz', port=connection.port)
    send_head_slowly(connection, [head[:9], head[9:20], head[20:-2], head[-2:]], 2)
    check.equal(connection.answer().status, 200, 'status')


def end_of_patience(connection):
    """What the server said before it closed: nothing, or a 408."""
    said = connection.ends()
    check.true(said == b'' or said.startswith(b'HTTP/1.1 408 '), f'it said {check.shown(said)}')


@testing.limit(60)
def test_a_head_that_never_ends_is_closed_and_so_is_silence(case):
    patience_s = 40  # the limit is 10 s; what counts is that it ends at all
    silent = case.keep(http.Connection(case.server.port, timeout=patience_s))
    started = case.keep(http.Connection(case.server.port, timeout=patience_s))
    started.send(b'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ')
    dripping = case.keep(http.Connection(case.server.port, timeout=patience_s))
    drip = testing.Background(drip_until_closed, dripping, patience_s)
    end_of_patience(started)
    end_of_patience(silent)
    check.true(drip.result(), 'a peer that drips its head byte by byte was never cut off')


def drip_until_closed(connection, patience_s):
    """True: cut off while it still sent. A byte now and then must not buy more time."""
    connection.send(b'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ')
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            connection.send(b'a')
        except OSError:
            return True
        if not connection.is_open():
            return True
        time.sleep(0.1)
    return False
