"""Requests inside requests: whatever another reader may take it for, what is smuggled is never
answered, nor published. The plain clauses are in test_http_clauses.py.
"""
from lib import check, clauses, http, testing
from lib.clauses import closed, dropped, kept, request

# Spellings that somebody takes for chunked and somebody else does not. Latin-1, CRLF included.
TRANSFER_ENCODINGS = (
    'Transfer-Encoding: chunked', 'Transfer-Encoding:chunked', 'TRANSFER-ENCODING: CHUNKED',
    'Transfer-Encoding: xchunked', 'Transfer-Encoding: chunke', 'Transfer-Encoding: chunkedd',
    'Transfer-Encoding : chunked', 'Transfer-Encoding\t: chunked', 'Transfer-Encoding:\tchunked',
    'Transfer-Encoding:\x0bchunked', 'Transfer-Encoding:\x0cchunked', 'Transfer-Encoding:\0chunked',
    'Transfer-Encoding: chunked\x0b', 'Transfer-Encoding: chunked\0',
    'Transfer-Encoding: chunked\r',
    'Transfer-Encoding: \xa0chunked', 'Transfer-Encoding: \xffchunked',
    'Transfer-Encoding\xa0: chunked', 'Transfer-Encoding\x7f: chunked',
    'Transfer-Encoding\0: chunked', 'Transfer-Encoding;: chunked',
    'Transfer-Encoding: "chunked"', "Transfer-Encoding: 'chunked'",
    'Transfer-Encoding: chunked;a=b',
    'Transfer-Encoding: chunked, identity', 'Transfer-Encoding: identity, chunked',
    'Transfer-Encoding: identity', 'Transfer-Encoding: , chunked', 'Transfer-Encoding: chunked,',
    'Transfer-Encoding: chunked, chunked', 'Transfer-Encoding: chunked chunked',
    'Transfer-Encoding:', 'Transfer-Encoding: x\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: x',
    'Transfer-Encoding: chunked\r\nTransfer-encoding: identity',
    ' Transfer-Encoding: chunked', 'A: b\r\n Transfer-Encoding: chunked',
    'A: b\nTransfer-Encoding: chunked', 'A: b\rTransfer-Encoding: chunked',
    'A: b\r\n\rTransfer-Encoding: chunked', 'Transfer-Encoding\r\n: chunked',
    'Transfer-Encoding\r\n : chunked', 'Transfer-Encoding:\r\n chunked',
    'Transfer-Encoding:\n chunked', ': Transfer-Encoding: chunked',
)
# Of these nobody may think so: just fields.
OTHER_FIELDS = ('Transfer_Encoding: chunked', 'X-Transfer-Encoding: chunked',
                'Transfer-Encodings: chunked', 'Transfer: chunked', 'TE: chunked',
                'A: Transfer-Encoding: chunked', 'Connection: Content-Length')
LENGTHS = (
    'Content-Length: %d\r\nContent-Length: 0', 'Content-Length: 0\r\nContent-Length: %d',
    'Content-Length: %d, 0', 'Content-Length: 0, %d', 'Content-Length: %d,%d',
    'Content-Length : %d', 'Content-Length\t: %d', 'Content-Length:\x0b%d', 'Content-Length: %d\0',
    'Content-Length: %d\x0c', 'Content-Length: +%d', 'Content-Length: %d.0',
    'Content-Length: %de0', 'Content-Length: 0x%d', 'Content-Length: %d\n', 'Content-Length: %d 0',
    'Content-Length:\r\n %d', ' Content-Length: %d', 'A: b\nContent-Length: %d',
    'A: b\rContent-Length: %d', 'Content-Length\0: %d', 'Content-Length\xa0: %d',
    'Content-Length: \xa0%d', 'Content-Length: 18446744073709551616%d',
)
# What the line of a chunk's size may look like, so that others end it elsewhere.
SIZE_LINES = ('0;\r\n', '0;\n\r\n', '0;a\n\r\n', '0;a\r\r\n', '0;"\r\n', '0;a="\r\n"\r\n', '0 \r\n',
              '0\t\r\n', '0\x0b\r\n', '0\0\r\n', '0\n', '0\r', '0\r\r\n', '0\n\r\n', '-0\r\n',
              '+0\r\n', '0x0\r\n', '0_0\r\n', '0.0\r\n', '0h\r\n', '0,0\r\n', ' 0\r\n', '\r\n0\r\n',
              '10000000000000000\r\n', '100000000000000000\r\n', '-1\r\n', '\r\n', '\xb0\r\n')
CHUNK_ENDS = ('', '\n', '\r', '\n\r', '\r\r\n', 'X\n', 'XX', ' \r\n', 'hi\r\n', '\0\0')
TRAILERS = ('\n', '\r', 'A\r\n\r\n', 'A: b\n\r\n', 'A: b\n\n', ' A: b\r\n\r\n', 'A : b\r\n\r\n',
            'A: b\r\n\t\r\n\r\n', 'A: \0\r\n\r\n', ': b\r\n\r\n', '\0\r\n')


def smuggled(case):
    return request(f'POST /t/{case.topic}.smuggled HTTP/1.1', 'Host: x', 'Content-Length: 4',
                   body='evil').decode('latin-1')


def check_nothing_smuggled(case):
    found = http.ask(case.server, 'GET', f'/t/{case.topic}.smuggled?last=9&wait=0')
    check.equal((found.status, found.body), (204, b''), 'what was smuggled in')


def check_rows(case, rows, is_bytewise=False):
    clauses.check_rows(case, rows, is_bytewise, lambda: check_nothing_smuggled(case))


def post(case, fields, body):
    return request(f'POST /t/{case.topic} HTTP/1.1', 'Host: x', fields, body=body)


def test_what_is_not_smuggled_is_published(case):
    """Or the other tests could not fail."""
    with http.Connection(case.server.port) as connection:
        connection.send(smuggled(case).encode())
        http.published(connection.answer('POST'))
    try:
        check_nothing_smuggled(case)
    except check.Failed:
        return
    check.fail('nobody would notice')


def status_of(field):
    """A coding that is not known is 501, when nothing else is wrong."""
    is_unknown = field.removeprefix('Transfer-Encoding: ') in (
        'xchunked', 'chunke', 'chunkedd', '"chunked"', "'chunked'", 'chunked;a=b', 'identity',
        'identity, chunked', 'chunked chunked', '\xa0chunked', '\xffchunked')
    return 501 if is_unknown else 400


def is_plainly_chunked(field):
    return field.lower().replace('\t', '').replace(' ', '') == 'transfer-encoding:chunked' \
        and field[0] != ' ' and ' :' not in field and '\t:' not in field


def cl_te(case):
    """The length covers all; chunked ends before what is smuggled."""
    body = '0\r\n\r\n' + smuggled(case)
    length = f'Content-Length: {len(body)}'
    return [closed(f'CL.TE: {fields!r}', post(case, fields, body), 400)
            for field in TRANSFER_ENCODINGS
            for fields in (f'{field}\r\n{length}', f'{length}\r\n{field}')]


def te_cl(case):
    """One chunk covers all; the length ends before what is smuggled."""
    body = http.chunked(smuggled(case).encode()).decode()
    length = f'Content-Length: {body.index("POST")}'
    return [closed(f'TE.CL: {fields!r}', post(case, fields, body), 400)
            for field in TRANSFER_ENCODINGS
            for fields in (f'{field}\r\n{length}', f'{length}\r\n{field}')]


def te_0(case):
    """Without a length: who does not see chunks sees no body."""
    body = http.chunked(smuggled(case).encode()).decode()
    return [closed(f'TE.0: {field!r}', post(case, field, body), status_of(field))
            for field in TRANSFER_ENCODINGS if not is_plainly_chunked(field)]


def plain(case):
    """No trick in it: what is inside stays inside."""
    inner = smuggled(case)
    body = http.chunked(inner.encode()).decode()
    length = f'Content-Length: {len(inner)}'
    return [
        *[kept(f'TE: {field!r}', post(case, field, body), 201, body=inner)
          for field in TRANSFER_ENCODINGS if is_plainly_chunked(field)],
        *[kept(f'CL: {field!r}', post(case, f'{field}\r\n{length}', inner), 201, body=inner)
          for field in OTHER_FIELDS],
        kept('a request for a trailer', post(case, 'Transfer-Encoding: chunked',
                                             '0\r\nA: ' + inner.split('\r\n')[0] + '\r\n\r\n'),
             201, body=''),
        kept('a request in quotes', post(case, 'Transfer-Encoding: chunked', '0;a="'
                                         + inner.split('\r\n')[0] + '"\r\n\r\n'), 201, body=''),
    ]


def cl_cl(case):
    inner = smuggled(case)
    size = len(inner)
    return [closed(f'CL.CL: {field!r}', post(case, field.replace('%d', str(size)), inner), 400)
            for field in LENGTHS]


def chunked_tricks(case):
    def faulty(what, body):
        return closed(f'{what!r}', post(case, 'Transfer-Encoding: chunked', body), 400)

    inner = smuggled(case)
    return [
        *[faulty(f'size {line!r}', f'{line}\r\n{inner}') for line in SIZE_LINES],
        *[faulty(f'chunk end {end!r}', f'2\r\nhi{end}0\r\n\r\n{inner}') for end in CHUNK_ENDS],
        *[faulty(f'trailer {section!r}', f'0\r\n{section}{inner}') for section in TRAILERS],
        faulty('a request for trailers', f'0\r\n{inner}'),
    ]


def test_a_length_and_chunks(case):
    check_rows(case, cl_te(case))


def test_chunks_and_a_length(case):
    check_rows(case, te_cl(case))


def test_chunks_for_some_and_no_body_for_others(case):
    check_rows(case, te_0(case))


def test_lengths_that_differ(case):
    check_rows(case, cl_cl(case))


def test_chunks_that_end_elsewhere(case):
    check_rows(case, chunked_tricks(case))


def test_what_is_inside_stays_inside(case):
    check_rows(case, plain(case))


def ignored_bodies(case):
    """CL.0: whoever does not want a body still reads it, or closes."""
    inner = smuggled(case)
    foreign = 'Origin: http://evil.example'

    def asked(line, *fields):
        return request(line, 'Host: x', f'Content-Length: {len(inner)}', *fields, body=inner)

    def asked_in_chunks(line, *fields):
        body = http.chunked(inner.encode()).decode()
        return request(line, 'Host: x', 'Transfer-Encoding: chunked', *fields, body=body)

    rows = []
    for kind in (asked, asked_in_chunks):
        rows += [
            kept('the page', kind('GET / HTTP/1.1'), 200),
            kept('a probe', kind('GET /readyz HTTP/1.1'), 200),
            kept('metrics', kind('GET /metrics HTTP/1.1'), 200),
            kept('a poll', kind(f'GET /t/{case.topic}.none HTTP/1.1'), 200),
            kept('HEAD', kind('HEAD /healthz HTTP/1.1'), 200, method='HEAD'),
            kept('HEAD of a topic', kind(f'HEAD /t/{case.topic} HTTP/1.1'), 200, method='HEAD'),
            kept('OPTIONS', kind('OPTIONS / HTTP/1.1'), 204),
            kept('OPTIONS of all', kind('OPTIONS * HTTP/1.1'), 204),
            kept('404', kind('POST /nowhere HTTP/1.1'), 404),
            kept('405', kind('POST / HTTP/1.1'), 405),
            kept('501', kind('FROBNICATE / HTTP/1.1'), 501),
            kept('400', kind('POST /t/a..b HTTP/1.1'), 400),
            kept('403', kind(f'POST /t/{case.topic} HTTP/1.1', foreign), 403),
            kept('415', kind(f'POST /t/{case.topic} HTTP/1.1', 'Content-Encoding: gzip'), 415),
            closed('close', kind('GET / HTTP/1.1', 'Connection: close'), 200),
            closed('who waits for 100', kind('GET / HTTP/1.1', 'Expect: 100-continue'), 200),
            closed('CONNECT', kind('CONNECT x:80 HTTP/1.1'), 501),
            closed('417', kind('POST /t/x HTTP/1.1', 'Expect: 100-continue x'), 417),
            closed('505', kind('POST /t/x HTTP/2.0'), 505),
        ]
    faulty = asked_in_chunks('GET / HTTP/1.1').replace(b'\r\n\r\n', b'\r\n\r\n0;\r\n\r\n', 1)
    return [*rows, dropped('chunks that nobody wants', faulty, 200)]


def test_bodies_that_nobody_wants(case):
    check_rows(case, ignored_bodies(case))


@testing.limit(60)
def test_byte_by_byte(case):
    """A selection: every seventh, which are others of each kind."""
    rows = [*cl_te(case), *te_cl(case), *te_0(case), *cl_cl(case), *chunked_tricks(case),
            *plain(case), *ignored_bodies(case)]
    check_rows(case, rows[::7], is_bytewise=True)


def test_a_fault_is_found_wherever_it_is_cut(case):
    raw = post(case, 'Content-Length: 5\r\nContent-Length: 6', '')
    for cut in range(1, len(raw)):
        with http.Connection(case.server.port) as connection:
            connection.send_pieces([raw[:cut], raw[cut:]])
            check.equal(connection.answer().status, 400, f'status when cut at {cut}')
