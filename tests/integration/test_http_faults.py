"""Requests that have to be refused: each with its status, a reason, and a closed connection.
Faults of publishing and of origins are with their groups.
"""
from lib import check, http

HOST = b'Host: x\r\n'


def refusal(case, raw):
    """Sends bytes as they are; returns the answer, after which the connection has to end."""
    connection = case.connection()
    connection.send(raw)
    response = connection.answer()
    check.true(response.has_token('connection', 'close'), f'close is not announced: {response}')
    check.equal(connection.ends(), b'', 'bytes after a refusal')
    return response


def check_refused(case, status, requests):
    """Each of {what: bytes} gets that status; the server is well afterwards."""
    for what, raw in requests.items():
        try:
            response = refusal(case, raw)
            http.error(response, status)
        except (check.Failed, http.Ended, OSError) as problem:
            check.fail(f'{what}: {problem}')
    check.equal(http.ask(case.server, 'GET', '/healthz').status, 200, 'status of a good request')


def get_with(*lines):
    return b'GET /healthz HTTP/1.1\r\n' + b''.join(line + b'\r\n' for line in lines) + b'\r\n'


def post_with(*lines, body=b''):
    return b'POST /t/x HTTP/1.1\r\n' + HOST + b''.join(line + b'\r\n' for line in lines) + \
        b'\r\n' + body


def test_faulty_request_lines_are_400(case):
    lines = {
        'no version': b'GET /healthz\r\n',
        'only a method': b'GET\r\n',
        'two spaces': b'GET  /healthz HTTP/1.1\r\n',
        'a space at the end': b'GET /healthz HTTP/1.1 \r\n',
        'a tab for a space': b'GET\t/healthz HTTP/1.1\r\n',
        'a method with a colon': b'GE:T /healthz HTTP/1.1\r\n',
        'a target without a slash': b'GET healthz HTTP/1.1\r\n',
        'a version in lower case': b'GET /healthz http/1.1\r\n',
        'a version without a minor': b'GET /healthz HTTP/1\r\n',
        'a byte beyond ASCII': b'GET /health\xffz HTTP/1.1\r\n',
        'a fragment': b'GET /healthz#top HTTP/1.1\r\n',
        'a control character': b'GET /health\x01z HTTP/1.1\r\n',
    }
    check_refused(case, 400, {what: line + HOST + b'\r\n' for what, line in lines.items()})


def test_faulty_header_lines_are_400(case):
    check_refused(case, 400, {
        'no colon': get_with(b'Host: x', b'nonsense'),
        'a space before the colon': get_with(b'Host: x', b'X : y'),
        'an empty name': get_with(b'Host: x', b': y'),
        'a space in a name': get_with(b'Host: x', b'X Y: z'),
        'a folded line': get_with(b'Host: x', b'X: y', b' z'),
        'NUL in a value': get_with(b'Host: x', b'X: a\0b'),
        'a bare CR in a value': get_with(b'Host: x', b'X: a\rb'),
    })


def test_host_has_to_be_there_once_and_be_a_host(case):
    check_refused(case, 400, {
        'none': get_with(),
        'two': get_with(b'Host: x', b'Host: x'),
        'with a space': get_with(b'Host: x y'),
        'with a path': get_with(b'Host: x/y'),
    })


def test_ambiguous_lengths_are_400(case):
    """What one reader takes for a body and another for a request is how requests are smuggled."""
    smuggled = b'0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
    check_refused(case, 400, {
        'length and chunked': post_with(b'Content-Length: 5', b'Transfer-Encoding: chunked',
                                        body=smuggled),
        'two lengths': post_with(b'Content-Length: 5', b'Content-Length: 6', body=b'hello'),
        'a list of lengths': post_with(b'Content-Length: 5, 6', body=b'hello'),
        'a negative length': post_with(b'Content-Length: -1'),
        'a signed length': post_with(b'Content-Length: +5', body=b'hello'),
        'a hexadecimal length': post_with(b'Content-Length: 0x5', body=b'hello'),
        'an empty length': post_with(b'Content-Length:'),
        'chunked twice': post_with(b'Transfer-Encoding: chunked, chunked', body=smuggled),
        'chunked in HTTP/1.0': b'POST /t/x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n'
                               + smuggled,
    })


def test_faulty_chunks_are_400(case):
    bodies = {
        'not a number': b'xyz\r\nhello\r\n0\r\n\r\n',
        'no number': b'\r\nhello\r\n0\r\n\r\n',
        'a sign': b'+5\r\nhello\r\n0\r\n\r\n',
        'a prefix': b'0x5\r\nhello\r\n0\r\n\r\n',
        'a longer chunk than said': b'5\r\nhello!\r\n0\r\n\r\n',
    }
    check_refused(case, 400, {what: post_with(b'Transfer-Encoding: chunked', body=body)
                              for what, body in bodies.items()})


def test_a_chunk_beyond_64_bits_is_refused(case):
    response = refusal(case, post_with(b'Transfer-Encoding: chunked',
                                       body=b'10000000000000005\r\nhello\r\n0\r\n\r\n'))
    check.one_of(response.status, (400, 413), 'status')


def test_unknown_transfer_codings_are_501(case):
    check_refused(case, 501, {
        'gzip': post_with(b'Transfer-Encoding: gzip, chunked', body=b'0\r\n\r\n'),
        'unknown': post_with(b'Transfer-Encoding: sausage'),
    })


def test_other_major_versions_are_505(case):
    check_refused(case, 505, {
        'the preface of HTTP/2': b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
        'HTTP/3.1': b'GET /healthz HTTP/3.1\r\n' + HOST + b'\r\n',
        'HTTP/0.9 by name': b'GET /healthz HTTP/0.9\r\n' + HOST + b'\r\n',
    })


def test_unknown_expectations_are_417(case):
    check_refused(case, 417, {
        'another': post_with(b'Expect: 200-ok', b'Content-Length: 5', body=b'hello'),
    })


def target_of(length):
    return '/healthz?' + 'x' * (length - len('/healthz?'))


def test_a_target_may_be_8_kib_and_no_longer(case):
    check.equal(http.ask(case.server, 'GET', target_of(8192)).status, 200, 'status at the limit')
    longer = http.request_bytes('GET', target_of(8193), port=case.server.port)
    check_refused(case, 414, {'one more': longer})


def head_of(length):
    head = b'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Filler: '
    return head + b'x' * (length - len(head) - 4) + b'\r\n\r\n'


def test_a_head_may_be_16_kib_and_no_larger(case):
    connection = case.connection()
    connection.send(head_of(16384))
    check.equal(connection.answer().status, 200, 'status at the limit')
    check_refused(case, 431, {'one more': head_of(16385)})


def head_with(count):
    return get_with(b'Host: x', *(b'X-%d: y' % index for index in range(count - 1)))


def test_a_head_may_have_100_fields_and_no_more(case):
    connection = case.connection()
    connection.send(head_with(100))
    check.equal(connection.answer().status, 200, 'status at the limit')
    check_refused(case, 431, {'one more': head_with(101)})


def test_a_faulty_request_in_a_pipeline_spoils_nothing_before_it(case):
    connection = case.connection()
    good = http.request_bytes('GET', '/healthz', port=connection.port)
    connection.send(good + good + b'nonsense\r\n\r\n' + good)
    check.equal([connection.answer().status for _ in range(3)], [200, 200, 400], 'statuses')
    check.equal(connection.ends(), b'', 'answers behind the refusal')


def test_faults_are_found_wherever_the_request_is_cut(case):
    raw = post_with(b'Content-Length: 5', b'Content-Length: 6')
    for cut in range(1, len(raw)):
        with http.Connection(case.server.port) as connection:
            connection.send_pieces([raw[:cut], raw[cut:]])
            check.equal(connection.answer().status, 400, f'status when cut at {cut}')


def test_a_faulty_escape_in_a_path_is_400(case):
    for path in ('/t/%', '/t/%4', '/t/%zz', '/t/a%2', '/t/a%g0b'):
        http.error(http.ask(case.server, 'POST', path, body=b'x'), 400)
