"""Where one request ends and the next begins: lengths, chunks, pipelines, every cut, Expect.
What a publish means is in test_publish.py.
"""
import re

from lib import check, http

CURL_STATUS = ['-s', '-o', '/dev/null', '-w', '%{http_code}']


def post(case, body, fields=(), topic=None):
    return http.request_bytes('POST', f'/t/{topic or case.topic}', fields, body,
                              port=case.server.port)


def post_chunked(case, body, sizes=(), fields=()):
    return http.request_bytes('POST', f'/t/{case.topic}',
                              [('Transfer-Encoding', 'chunked'), *fields],
                              http.chunked(body, sizes), port=case.server.port)


def check_every_cut(case, raw, body):
    """The request in two pieces, for every place between two bytes, all on one connection."""
    subscriber, connection = case.peer(), case.connection()
    for cut in range(1, len(raw)):
        connection.send_pieces([raw[:cut], raw[cut:]])
        http.published(connection.answer('POST'), case.topic)
        check.equal(subscriber.text(), body.decode(), f'the body when cut at {cut}')


def test_a_body_with_a_length_is_the_same_wherever_it_is_cut(case):
    check_every_cut(case, post(case, b'hello, "world"'), b'hello, "world"')


def test_a_chunked_body_is_the_same_wherever_it_is_cut(case):
    check_every_cut(case, post_chunked(case, b'hello, chunked world', (1, 5, 10)),
                    b'hello, chunked world')


def test_two_requests_are_two_wherever_they_are_cut(case):
    subscriber, connection = case.peer(), case.connection()
    raw = post(case, b'first') + post_chunked(case, b'second', (3,))
    for cut in range(1, len(raw), 3):
        connection.send_pieces([raw[:cut], raw[cut:]])
        ids = [http.published(connection.answer('POST'), case.topic) for _ in range(2)]
        check.true(http.cursor(ids[0]) < http.cursor(ids[1]), f'ids when cut at {cut}: {ids}')
        check.equal([subscriber.text(), subscriber.text()], ['first', 'second'], f'cut at {cut}')


def test_a_request_may_come_byte_by_byte(case):
    subscriber, connection = case.peer(), case.connection()
    raw = post_chunked(case, b'slowly', (2, 1))
    connection.send_pieces([raw[at:at + 1] for at in range(len(raw))])
    http.published(connection.answer('POST'), case.topic)
    check.equal(subscriber.text(), 'slowly', 'the body')


def test_pipelined_answers_come_in_order(case):
    """Different kinds of answers, some at once and some only when the log has fixed an order."""
    connection = case.connection()
    requests, expected = b'', []
    for index in range(60):
        topic = f'{case.topic}.{index}'
        requests += post(case, b'x', topic=topic)
        requests += http.request_bytes('GET', f'/no/{index}', port=connection.port)
        requests += http.request_bytes('HEAD', '/healthz', port=connection.port)
        expected.append(topic)
    connection.send(requests)
    ids = []
    for topic in expected:
        ids.append(http.cursor(http.published(connection.answer('POST'), topic)))
        check.equal(connection.answer().status, 404, 'status of the second')
        check.equal(connection.answer('HEAD').status, 200, 'status of the third')
    check.equal(ids, sorted(set(ids)), 'ids of pipelined publishes')


def test_pipelined_publishes_keep_their_order_for_subscribers(case):
    subscriber, connection = case.peer(), case.connection()
    connection.send(b''.join(post(case, b'%d' % index) for index in range(200)))
    for _ in range(200):
        http.published(connection.answer('POST'), case.topic)
    got = [int(subscriber.text()) for _ in range(200)]
    check.equal(got, list(range(200)), 'the order of messages')


def test_expect_100_continue_is_answered_before_the_body(case):
    subscriber, connection = case.peer(), case.connection()
    raw = post(case, b'hello', [('Expect', '100-continue')])
    head, body = raw[:-5], raw[-5:]
    connection.send(head)
    interim = connection.answer()
    check.equal((interim.status, interim.fields), (100, []), 'the interim answer')
    connection.send(body)
    http.published(connection.answer('POST'), case.topic)
    check.equal(subscriber.text(), 'hello', 'the body')


def test_expect_100_continue_works_with_chunks_and_in_lower_case(case):
    connection = case.connection()
    raw = post_chunked(case, b'hello', fields=[('expect', '100-Continue')])
    head, body = raw.split(b'\r\n\r\n', 1)
    connection.send(head + b'\r\n\r\n')
    check.equal(connection.answer().status, 100, 'status of the interim answer')
    connection.send(body)
    http.published(connection.answer('POST'), case.topic)


def test_a_body_too_large_is_refused_instead_of_100(case):
    connection = case.connection()
    fields = [('Expect', '100-continue'), ('Content-Length', str(2 << 20))]
    connection.send(http.request_bytes('POST', f'/t/{case.topic}', fields, port=connection.port))
    http.error(connection.answer(), 413)


def test_a_chunked_body_is_bounded_too(case):
    """The refusal has to reach a peer that is still sending: the server reads on for a while."""
    connection = case.connection()
    size = 64 << 10
    connection.send(http.request_bytes('POST', f'/t/{case.topic}',
                                       [('Transfer-Encoding', 'chunked')], port=connection.port))
    for _ in range(17):  # 1 MiB and 64 KiB
        connection.send(b'%x\r\n%b\r\n' % (size, b'x' * size))
    http.error(connection.answer('POST'), 413)


def test_a_body_of_exactly_max_message_is_taken(case):
    subscriber = case.peer()
    body = b'0123456789abcdef' * (1 << 16)
    http.publish(case.server, case.topic, body)
    check.equal(subscriber.text().encode() == body, True, 'the message is the body')


def test_curl_sees_the_413_though_it_sends_a_body(case):
    upload = case.file(b'x' * (3 << 20))
    url = f'{case.server.url}/t/{case.topic}'
    for extra in (['-H', 'Expect:'], []):
        said = case.command('curl', *CURL_STATUS, *extra, '--data-binary', f'@{upload}', url)
        check.equal(said, '413', f'the status that curl {extra} sees')


def test_curl_publishes_a_large_body_with_expect(case):
    upload = case.file(b'y' * (1 << 20))
    said = case.command('curl', *CURL_STATUS, '-H', 'Expect: 100-continue', '--data-binary',
                        f'@{upload}', f'{case.server.url}/t/{case.topic}')
    check.equal(said, '201', 'the status that curl sees')


def test_curl_speaks_http_1_0_and_chunked(case):
    url = f'{case.server.url}/t/{case.topic}'
    for extra in (['-0'], ['-H', 'Transfer-Encoding: chunked']):
        said = case.command('curl', '-s', *extra, '-d', 'hello', url)
        check.matches(re.compile(r'^\{"id": ?"[0-9a-f]{16}-\d+", ?"topic":'), said, f'curl {extra}')
