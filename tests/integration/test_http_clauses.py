"""RFC 9112 and 9110, clause by clause: bytes sent, answers due, whether the connection stays.
What smugglers try is in test_http_smuggling.py, bodies at every cut in test_http_framing.py.
"""
from lib import check, clauses, http, testing
from lib.clauses import closed, dropped, kept, request

HEALTHZ = 'GET /healthz HTTP/1.1'
GET = request(HEALTHZ, 'Host: x')
PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
TLS_HELLO = bytes.fromhex('16030100c8010000c40303') + bytes(20)


def get(*fields):
    return request(HEALTHZ, 'Host: x', *fields)


def line(text):
    """A request of that line."""
    return request(text, 'Host: x')


def host(text):
    return request(HEALTHZ, f'Host: {text}')


def target_of(length):
    return '/healthz?' + 'x' * (length - len('/healthz?'))


REQUEST_LINES = [
    kept('9112 2.2: empty lines before it are ignored', b'\r\n\r\n' + GET, 200),
    closed('9112 2.2: but not without end', b'\r\n' * 9 + GET, 400),
    closed('9112 2.2: an LF alone is no empty line', b'\n' + GET, 400),
    closed('9112 2.2: it ends in CRLF, not in LF', GET.replace(b'\r\n', b'\n', 1), 400),
    closed('9112 2.2: nor in CR', GET.replace(b'\r\n', b'\r', 1), 400),
    closed('9112 2.2: nor in CR CR LF', GET.replace(b'\r\n', b'\r\r\n', 1), 400),
    closed('9112 2.2: white space behind it', request(HEALTHZ, ' ', 'Host: x'), 400),
    closed('9112 2.2: a field behind white space', request(HEALTHZ, ' A: b', 'Host: x'), 400),
    closed('9112 2.3: no version', line('GET /healthz'), 400),
    closed('9112 2.3: HTTP/0.9', b'GET /healthz\r\n', 400),
    closed('9112 2.3: its name is in capitals', line('GET /healthz http/1.1'), 400),
    closed('9112 2.3: no minor', line('GET /healthz HTTP/1'), 400),
    closed('9112 2.3: one digit each', line('GET /healthz HTTP/01.1'), 400),
    closed('9112 2.3: one digit each, behind the dot', line('GET /healthz HTTP/1.10'), 400),
    closed('9112 2.3: white space in it', line('GET /healthz HTTP/ 1.1'), 400),
    closed('9110 15.6.6: another major', line('GET /healthz HTTP/3.1'), 505),
    closed('9110 15.6.6: HTTP/0.9 by name', line('GET /healthz HTTP/0.9'), 505),
    closed('9113 3.4: the preface of HTTP/2', PREFACE, 505),
    closed('TLS', TLS_HELLO, 400),
    kept('9110 2.5: a higher minor is spoken to as 1.1', line('GET /healthz HTTP/1.2'), 200),
    closed('9112 3: only a method', line('GET'), 400),
    closed('9112 3: no target', line('GET HTTP/1.1'), 400),
    closed('9112 3: two spaces', line('GET  /healthz HTTP/1.1'), 400),
    closed('9112 3: two spaces before the version', line('GET /healthz  HTTP/1.1'), 400),
    closed('9112 3: a space before it', line(' GET /healthz HTTP/1.1'), 400),
    closed('9112 3: a space behind it', line('GET /healthz HTTP/1.1 '), 400),
    closed('9112 3: a tab for a space', line('GET\t/healthz HTTP/1.1'), 400),
    closed('9112 3: a space in the target', line('GET /heal thz HTTP/1.1'), 400),
    closed('9112 3: a method that is no token', line('GE:T /healthz HTTP/1.1'), 400),
    closed('9112 3: white space for a line', b'   \r\n\r\n', 400),
    closed('9112 3: no method in 8 KiB', b'A' * 100000, 400),
    kept('9112 3: a target of 8 KiB', line(f'GET {target_of(8192)} HTTP/1.1'), 200),
    closed('9112 3: and no longer', line(f'GET {target_of(8193)} HTTP/1.1'), 414),
    closed('9112 3: however long', line(f'GET {target_of(100000)} HTTP/1.1'), 414),
]

TARGETS = [
    kept('9112 3.2.1: origin-form', GET, 200),
    kept('9112 3.2.1: a query is no part of the path', line('GET /healthz?/no&%zz HTTP/1.1'), 200),
    kept('9112 3.2.1: an empty query', line('GET /healthz? HTTP/1.1'), 200),
    closed('9112 3.2.1: no slash', line('GET healthz HTTP/1.1'), 400),
    closed('9112 3.2: a fragment', line('GET /healthz#top HTTP/1.1'), 400),
    closed('9112 3.2: a byte beyond ASCII', line('GET /health\xe9 HTTP/1.1'), 400),
    closed('9112 3.2: a control character', line('GET /health\x01z HTTP/1.1'), 400),
    closed('9112 3.2: NUL', line('GET /health\0z HTTP/1.1'), 400),
    closed('9112 3.2: DEL', line('GET /health\x7fz HTTP/1.1'), 400),
    kept('3986 2.1: % without two digits', line('GET /%zz HTTP/1.1'), 400),
    kept('3986 2.1: % at the end', line('GET /nowhere% HTTP/1.1'), 400),
    kept('3986 2.1: in a topic', line('GET /t/%4 HTTP/1.1'), 400),
    kept('3986 2.1: NUL in a topic', line('GET /t/a%00 HTTP/1.1'), 400),
    kept('3986 2.1: CRLF in a topic', line('GET /t/a%0d%0ab HTTP/1.1'), 400),
    kept('3629 3: an overlong slash in a topic', line('GET /t/a%c0%af HTTP/1.1'), 400),
    kept('3986 2.1: escapes of what is nowhere', line('GET /a%00%0d%0ab HTTP/1.1'), 404),
    kept('9112 3.2.2: absolute-form', line('GET http://a.example/healthz HTTP/1.1'), 200),
    kept('9112 3.2.2: in any case', line('GET HTTP://A.example:8/healthz?q HTTP/1.1'), 200),
    kept('9110 4.2.3: an empty path is /', line('HEAD http://a.example HTTP/1.1'), 200,
         method='HEAD', fields={'content-type': 'text/html; charset=utf-8'}),
    closed('9112 3.2.2: Host is due all the same', request('GET http://x/healthz HTTP/1.1'), 400),
    closed('9112 3.2: and has to be one', request('GET http://x/healthz HTTP/1.1', 'Host: a b'),
           400),
    closed('9110 4.2.4: user information', line('GET http://u@x/healthz HTTP/1.1'), 400),
    closed('9110 4.2.1: no host', line('GET http:///healthz HTTP/1.1'), 400),
    closed('9110 4.2.1: a port that is none', line('GET http://x:8a/healthz HTTP/1.1'), 400),
    closed('9110 4.2: another scheme', line('GET ftp://x/healthz HTTP/1.1'), 400),
    closed('9112 3.2.3: authority-form', line('CONNECT a.example:443 HTTP/1.1') + GET, 501),
    closed('9112 3.2.3: without a port', line('CONNECT a.example HTTP/1.1'), 400),
    closed('9112 3.2.3: of CONNECT only', line('GET a.example:443 HTTP/1.1'), 400),
    closed('9112 3.2.3: CONNECT has no other', line('CONNECT /healthz HTTP/1.1'), 400),
    kept('9112 3.2.4: asterisk-form', line('OPTIONS * HTTP/1.1'), 204,
         fields={'allow': 'GET, HEAD, POST, OPTIONS'}),
    closed('9112 3.2.4: of OPTIONS only', line('GET * HTTP/1.1'), 400),
    closed('9112 3.2.4: an asterisk and no more', line('OPTIONS *a HTTP/1.1'), 400),
]

HOSTS = [
    kept('9112 3.2: in any case, with any white space', request(HEALTHZ, 'hOST:\t x \t'), 200),
    kept('9110 7.2: a port', host('a.example:80'), 200),
    kept('3986 3.2.3: an empty port', host('a.example:'), 200),
    kept('3986 3.2.2: IPv6', host('[::1]:80'), 200),
    closed('9112 3.2: none', request(HEALTHZ), 400),
    closed('9112 3.2: two', get('Host: y'), 400),
    closed('9112 3.2: the same twice', get('Host: x'), 400),
    closed('9112 3.2: two in one', host('a.example, b.example'), 400),
    closed('9112 3.2: empty', host(''), 400),
    closed('9112 3.2: only a port', host(':80'), 400),
    closed('9112 3.2: a space', host('a b'), 400),
    closed('9112 3.2: a path', host('a/b'), 400),
    closed('9112 3.2: user information', host('u@a'), 400),
    closed('9112 3.2: a scheme', host('http://a'), 400),
    closed('9112 3.2: a port that is none', host('a:b'), 400),
    closed('9112 3.2: half an IPv6 address', host('[::1'), 400),
    closed('9112 3.2: a byte beyond ASCII', host('\xe9'), 400),
    closed('9112 3.2: HTTP/1.0 needs none', request('GET /healthz HTTP/1.0'), 200),
    closed('9112 3.2: but no invalid one', request('GET /healthz HTTP/1.0', 'Host: a b'), 400),
    closed('9112 3.2: nor two', request('GET /healthz HTTP/1.0', 'Host: a', 'Host: a'), 400),
]

FIELDS = [
    kept('9112 5: white space is optional', get('A:b', 'C:\t d \t', 'E: ', 'F:'), 200),
    kept('9110 5.6.2: names are tokens', get("!#$%&'*+-.^_`|~09azAZ: x"), 200),
    kept('9110 5.5: bytes beyond ASCII in a value', get('A: \xc3\xa4\xff'), 200),
    kept('9110 5.5: a tab in a value', get('A: b\tc'), 200),
    closed('9112 5: no colon', get('nonsense'), 400),
    closed('9112 5.1: a space before the colon', get('A : b'), 400),
    closed('9112 5.1: a tab before the colon', get('A\t: b'), 400),
    closed('9110 5.1: an empty name', get(': b'), 400),
    closed('9110 5.1: a space in a name', get('A B: c'), 400),
    closed('9110 5.1: a tab in a name', get('A\tB: c'), 400),
    closed('9110 5.1: brackets in a name', get('A[]: b'), 400),
    closed('9110 5.1: a byte beyond ASCII in a name', get('\xc3\xa4: b'), 400),
    closed('9110 5.1: a control character in a name', get('A\x0b: b'), 400),
    closed('9112 5.2: a folded line', get('A: b', ' c'), 400),
    closed('9112 5.2: folded by a tab', get('A: b', '\tc'), 400),
    closed('9110 5.5: NUL in a value', get('A: a\0b'), 400),
    closed('9110 5.5: a bell in a value', get('A: a\x07'), 400),
    closed('9110 5.5: DEL in a value', get('A: a\x7f'), 400),
    closed('9112 2.2: a bare CR in a value', get('A: a\rb'), 400),
    closed('9112 2.2: a bare LF behind a field', get('A: a\nB: c'), 400),
    closed('9112 2.2: a bare CR before a field', get('\rA: b'), 400),
    closed('9112 2.2: a bare LF for the end', GET[:-2] + b'\n', 400),
    kept('9110 5.4: 16 KiB of head', get('A: ' + 'x' * (16384 - len(GET) - 5)), 200),
    closed('9110 5.4: and no more', get('A: ' + 'x' * (16385 - len(GET) - 5)), 431),
    closed('9110 5.4: a value without end', get('A: ' + 'x' * 100000), 431),
    closed('9110 5.4: a name without end', get('A' * 100000), 431),
    kept('9110 5.4: 100 fields', get(*['A: b'] * 99), 200),
    closed('9110 5.4: and no more', get(*['A: b'] * 100), 431),
]


def head(target):
    return line(f'HEAD {target} HTTP/1.1')


METHODS = [
    kept('9110 9.1: known, but not of this resource', line('PUT /healthz HTTP/1.1'), 405,
         fields={'allow': 'GET, HEAD, OPTIONS'}),
    kept('9110 9.1: nor of topics', line('PATCH /t/x HTTP/1.1'), 405,
         fields={'allow': 'GET, HEAD, POST, OPTIONS'}),
    kept('9110 9.1: unknown', line('FROBNICATE /healthz HTTP/1.1'), 501),
    kept('9110 9.1: unknown anywhere', line('FROBNICATE /nowhere HTTP/1.1'), 501),
    kept('9110 9.1: case matters', line('get /healthz HTTP/1.1'), 501),
    kept('9112 3: longer than any', line('A' * 5000 + ' /healthz HTTP/1.1'), 501),
    kept('9110 9.3.8: TRACE echoes nothing', line('TRACE /healthz HTTP/1.1'), 501),
    kept('9110 15.5.5: nowhere', line('GET /nowhere HTTP/1.1'), 404),
    kept('9110 15.5.5: paths have a case', line('GET /HEALTHZ HTTP/1.1'), 404),
    kept('9110 9.3.2: HEAD has no body', head('/healthz'), 200, method='HEAD',
         fields={'content-length': '3'}),
    kept('9110 9.3.2: nor where there is nothing', head('/nowhere'), 404, method='HEAD'),
    kept('9110 8.6: nor a length that GET would not have', head('/t/x'), 200, method='HEAD',
         fields={'content-length': None}),
    kept('9110 9.3.7: OPTIONS', line('OPTIONS /healthz HTTP/1.1'), 204,
         fields={'allow': 'GET, HEAD, OPTIONS', 'content-length': None}),
    kept('9110 9.3.7: of nothing', line('OPTIONS /nowhere HTTP/1.1'), 404),
    kept('9110 14.2: a Range may be ignored', get('Range: bytes=0-0'), 200),
    kept('9110 7.8: an unknown Upgrade is ignored', get('Connection: upgrade', 'Upgrade: x'), 200),
    kept('9110 9.3.1: the body of a GET is read over', get('Content-Length: 5') + b'GET /', 200),
    kept('9110 9.3.2: and that of a HEAD', request('HEAD /healthz HTTP/1.1', 'Host: x',
                                                   'Content-Length: 5', body='GET /'), 200,
         method='HEAD'),
    kept('9110 15.5.6: and that of a 405', request('PUT / HTTP/1.1', 'Host: x',
                                                   'Content-Length: 5', body='GET /'), 405),
]


def test_head_says_what_get_says(case):
    """RFC 9110, 9.3.2. A topic's HEAD tells the place alone, which is the contract."""
    for target in ('/', '/healthz', '/readyz', '/nowhere', '/nowhere%', '/t', '/t/a..b',
                   '/t/x?after=nonsense', '/t/x?format=no'):
        said = [http.ask(case.server, method, target) for method in ('GET', 'HEAD')]
        fields = [[field for field in answer.fields if field[0] != 'date'] for answer in said]
        check.equal((said[1].status, fields[1]), (said[0].status, fields[0]), f'HEAD {target}')


def test_request_lines(case):
    clauses.check_rows(case, REQUEST_LINES)


def test_targets(case):
    clauses.check_rows(case, TARGETS)


def test_hosts(case):
    clauses.check_rows(case, HOSTS)


def test_fields(case):
    clauses.check_rows(case, FIELDS)


def test_methods(case):
    clauses.check_rows(case, METHODS)


def publish(case, *fields, body='', version='HTTP/1.1'):
    return request(f'POST /t/{case.topic} {version}', 'Host: x', *fields, body=body)


def lengths(case):
    def post(*fields, body='hello'):
        return publish(case, *fields, body=body)

    def is_400(what, *fields):
        return closed(f'9110 8.6: {what}', post(*fields), 400)

    return [
        kept('9112 6.3: the length says', post('Content-Length: 5'), 201, body='hello'),
        kept('9112 5.1: white space around it', post('Content-Length:\t 5 \t'), 201, body='hello'),
        kept('9112 6.3: none of a body', post('Content-Length: 0', body=''), 201, body=''),
        kept('9112 6.3: neither length nor chunks', post(body=''), 201, body=''),
        kept('9110 9.3.3: a Range means nothing', post('Content-Length: 5', 'Range: bytes=0-1'),
             201, body='hello'),
        is_400('two lengths', 'Content-Length: 5', 'Content-Length: 6'),
        is_400('the same twice', 'Content-Length: 5', 'Content-Length: 5'),
        is_400('a list', 'Content-Length: 5, 6'),
        is_400('a list of the same', 'Content-Length: 5, 5'),
        is_400('a list with a hole', 'Content-Length: 5,'),
        is_400('a minus', 'Content-Length: -5'),
        is_400('minus nothing', 'Content-Length: -0'),
        is_400('a plus', 'Content-Length: +5'),
        is_400('a space in it', 'Content-Length: 1 0'),
        is_400('hexadecimal', 'Content-Length: 0x5'),
        is_400('octal', 'Content-Length: 0o5'),
        kept('9110 8.6: zeros before it are digits like others', post('Content-Length: 005'), 201,
             body='hello'),
        is_400('an underscore', 'Content-Length: 1_0'),
        is_400('a fraction', 'Content-Length: 5.0'),
        is_400('quotes', 'Content-Length: "5"'),
        is_400('empty', 'Content-Length:'),
        is_400('words', 'Content-Length: five'),
        is_400('beyond 64 bits', 'Content-Length: 18446744073709551616'),
        is_400('far beyond', 'Content-Length: ' + '9' * 40),
        closed('9110 15.5.14: more than is taken', post('Content-Length: 9999999999'), 413),
    ]


def transfer_codings(case):
    def post(*fields, body=http.chunked(b'hello').decode()):
        return publish(case, *fields, body=body)

    def coded(value):
        return post(f'Transfer-Encoding: {value}')

    return [
        kept('9112 6.1: chunked', coded('chunked'), 201, body='hello'),
        kept('9112 7: in any case', coded('ChunKED'), 201, body='hello'),
        kept('9112 5.1: white space around it', coded('\t chunked \t'), 201, body='hello'),
        closed('9112 6.3: chunked is not last', coded('chunked, gzip'), 400),
        closed('9112 7.1: chunked twice', coded('chunked, chunked'), 400),
        closed('9112 6.1: an unknown coding', coded('gzip, chunked'), 501),
        closed('9112 6.1: one that sounds like it', coded('xchunked'), 501),
        closed('9112 7: identity is none any more', coded('identity'), 501),
        closed('9112 7.1: chunked has no parameters', coded('chunked;q=1'), 501),
        closed('9112 6.1: quotes', coded('"chunked"'), 501),
        closed('9112 6.1: empty', coded(''), 400),
        closed('9112 6.1: two fields', post('Transfer-Encoding: chunked',
                                            'Transfer-Encoding: chunked'), 400),
        closed('9112 6.1: in HTTP/1.0', publish(case, 'Transfer-Encoding: chunked',
                                                body='0\r\n\r\n', version='HTTP/1.0'), 400),
        closed('9112 6.3: with a length', post('Transfer-Encoding: chunked',
                                               'Content-Length: 15'), 400),
    ]


def chunks(case):
    def post(body):
        return publish(case, 'Transfer-Encoding: chunked', body=body)

    def is_read(what, body):
        return kept(f'9112 {what}', post(body), 201, body='hello')

    def is_400(what, body):
        return closed(f'9112 {what}', post(body), 400)

    rest = '\r\nhello\r\n0\r\n\r\n'
    return [
        is_read('7.1: one chunk', '5' + rest),
        is_read('7.1: many', '1\r\nh\r\n4\r\nello\r\n0\r\n\r\n'),
        is_read('7.1: zeros before the size, and many at the end',
                '0005\r\nhello\r\n0000\r\n\r\n'),
        kept('9112 7.1: digits in either case', post('a\r\n0123456789\r\n0B\r\nabcdefghijk\r\n'
                                                     '0\r\n\r\n'), 201,
             body='0123456789abcdefghijk'),
        kept('9112 7.1: none', post('0\r\n\r\n'), 201, body=''),
        is_400('7.1: no size', rest),
        is_400('7.1: no number', 'xyz' + rest),
        is_400('7.1: 0x', '0x5' + rest),
        is_400('7.1: a plus', '+5' + rest),
        is_400('7.1: a minus', '-5' + rest),
        is_400('7.1: an underscore', '0_5' + rest),
        is_400('7.1: a space before it', ' 5' + rest),
        is_400('7.1: a space behind it', '5 ' + rest),
        is_400('7.1: a tab behind it', '5\t' + rest),
        is_400('7.1: a comma', '5,5' + rest),
        is_400('7.1: beyond 64 bits', '10000000000000005' + rest),
        is_400('7.1: more than it says', '5\r\nhello!\r\n0\r\n\r\n'),
        is_400('7.1: less than it says', '6' + rest),
        is_400('7.1: nothing behind its bytes', '5\r\nhello0\r\n\r\n'),
        is_400('2.2: a bare LF behind its bytes', '5\r\nhello\n0\r\n\r\n'),
        is_400('2.2: a bare CR behind its bytes', '5\r\nhello\r0\r\n\r\n'),
        is_400('2.2: a bare LF behind the size', '5\nhello\r\n0\r\n\r\n'),
        is_400('2.2: a bare CR behind the size', '5\rhello\r\n0\r\n\r\n'),
        is_400('2.2: a bare LF for the end', '5\r\nhello\r\n0\r\n\n'),
        is_read('7.1.1: an extension', '5;a=b' + rest),
        is_read('7.1.1: without a value', '5;a' + rest),
        is_read('7.1.1: many, with white space', '5 ; a\t= b;c ;d="e"' + rest),
        is_read('7.1.1: quoted', '5;a="; \\" \\\\ \xc3\xa4"' + rest),
        is_read('7.1.1: at the end', '5\r\nhello\r\n0;a=b\r\n\r\n'),
        is_400('7.1.1: nothing behind the semicolon', '5;' + rest),
        is_400('7.1.1: no name', '5;=b' + rest),
        is_400('7.1.1: no value', '5;a=' + rest),
        is_400('7.1.1: two words', '5;a b' + rest),
        is_400('7.1.1: a name that is no token', '5;a[=b' + rest),
        is_400('7.1.1: a value that is no token', '5;a=b@' + rest),
        is_400('7.1.1: quotes that do not end', '5;a="b' + rest),
        is_400('7.1.1: more behind the quotes', '5;a="b"c' + rest),
        is_400('7.1.1: NUL', '5;a\0' + rest),
        is_400('7.1.1: a bare CR', '5;a\rb' + rest),
        is_400('7.1.1: a bare LF', '5;a\nb' + rest),
        is_400('7.1.1: a bare LF in quotes', '5;a="\n"' + rest),
        is_400('7.1.1: longer than anybody needs', '5;a=' + 'b' * 300 + rest),
        is_400('7.1.1: far longer', '5;a=' + 'b' * 65536 + rest),
    ]


def trailers(case):
    def post(section):
        return publish(case, 'Transfer-Encoding: chunked', body=f'5\r\nhello\r\n0\r\n{section}')

    def is_dropped(what, *fields):
        return kept(f'9110 6.5.1: {what}', post('\r\n'.join([*fields, '', ''])), 201, body='hello')

    def is_400(what, section):
        return closed(f'9112 7.1.2: {what}', post(section), 400)

    return [
        is_dropped('a trailer is dropped', 'A: b', 'C:', 'D:\te'),
        is_dropped('a length', 'Content-Length: 9'),
        is_dropped('a coding', 'Transfer-Encoding: gzip'),
        is_dropped('a host', 'Host: a b'),
        is_dropped('a type', 'Content-Type: text/plain; charset=latin1'),
        is_dropped('an encoding', 'Content-Encoding: gzip'),
        is_dropped('an origin', 'Origin: http://evil.example'),
        is_dropped('close', 'Connection: close'),
        is_400('no colon', 'nonsense\r\n\r\n'),
        is_400('an empty name', ': b\r\n\r\n'),
        is_400('a space before the colon', 'A : b\r\n\r\n'),
        is_400('a folded line', 'A: b\r\n c\r\n\r\n'),
        is_400('a bare LF', 'A: b\n\r\n'),
        is_400('a bare CR', 'A: b\rc\r\n\r\n'),
        is_400('NUL', 'A: \0\r\n\r\n'),
        is_400('without end', 'A: ' + 'x' * 5000 + '\r\n\r\n'),
    ]


def expectations(case):
    def post(*fields, body='hello', version='HTTP/1.1'):
        return publish(case, *fields, body=body, version=version)

    length, expect = 'Content-Length: 5', 'Expect: 100-continue'
    return [
        kept('9110 10.1.1: none of a body', post(expect, body=''), 201, body=''),
        kept('9110 10.1.1: a body of no bytes', post(expect, 'Content-Length: 0', body=''), 201,
             body=''),
        closed('9110 10.1.1: HTTP/1.0 gets none', post(expect, length, version='HTTP/1.0'), 201,
               body='hello'),
        closed('9110 10.1.1: HTTP/1.0 expects nothing', post('Expect: cake', length,
                                                             version='HTTP/1.0'), 201),
        closed('9110 10.1.1: another expectation', post('Expect: cake', length), 417),
        closed('9110 10.1.1: one more', post('Expect: 100-continue, cake', length), 417),
        closed('9110 10.1.1: in two fields', post(expect, 'Expect: cake', length), 417),
        closed('9110 10.1.1: refused instead', post(expect, 'Content-Length: 9999999'), 413),
        closed('9110 10.1.1: unwanted', request('PUT /t/x HTTP/1.1', 'Host: x', length, expect),
               405),
        closed('9110 10.1.1: unwanted, and here already',
               request('PUT /t/x HTTP/1.1', 'Host: x', length, expect, body='hello'), 405),
    ]


def continued(case):
    """Not for single bytes: then the head is there before the body, and 100 is due."""
    return [
        kept('9110 10.1.1: the body is here', publish(
            case, 'Content-Length: 5', 'Expect: 100-continue', body='hello'), 201, body='hello'),
        kept('9110 10.1.1: so is its beginning', publish(
            case, 'Transfer-Encoding: chunked', 'expect: , 100-Continue',
            body='5\r\nhello\r\n0\r\n\r\n'), 201, body='hello'),
    ]


def connections(case):
    def old(*fields):
        return request('GET /healthz HTTP/1.0', *fields)

    post = publish(case, 'Content-Length: 5', body='hello')
    last = get('Connection: close')
    return [
        kept('9112 9.3: 1.1 stays', GET, 200, fields={'connection': None}),
        kept('9112 9.3: keep-alive changes nothing', get('Connection: keep-alive'), 200),
        closed('9112 9.6: close', last + post, 200),
        closed('9112 9.6: in any case and place', get('Connection: a, CLOSE ,b') + post, 200),
        closed('9110 7.6.1: in any field', get('Connection: a', 'Connection: close') + post, 200),
        closed('9112 9.6: stronger than keep-alive', get('Connection: keep-alive, close'), 200),
        kept('9110 7.6.1: another word', get('Connection: closed, "close'), 200),
        closed('9112 9.3: 1.0 does not stay', old() + post, 200),
        kept('9112 9.3: unless it says so', old('Connection: Keep-Alive'), 200,
             fields={'connection': 'keep-alive'}),
        kept('9112 9.3: among others', old('Connection: x, keep-alive'), 200),
        closed('9112 9.3: and not both', old('Connection: keep-alive, close'), 200),
        kept('9112 9.3.2: many at once', GET * 5, *[200] * 5),
        kept('9112 9.3.2: of many kinds', GET + line('PUT / HTTP/1.1') + post + GET
             + line('GET /nowhere HTTP/1.1'), 200, 405, 201, 200, 404),
        kept('9112 9.3.2: behind bodies', post + post + publish(
            case, 'Transfer-Encoding: chunked', body='2\r\nhi\r\n0\r\n\r\n') + GET,
             201, 201, 201, 200, body='hi'),
        kept('9112 9.3.2: behind a body that nobody wants', get('Content-Length: 5')
             + b'hello' + post, 200, 201),
        closed('9112 9.3.2: behind an error', GET + b'nonsense\r\n\r\n' + post, 200, 400),
        closed('9112 9.3.2: behind faulty chunks', post + publish(
            case, 'Transfer-Encoding: chunked', body='5;\r\n') + post, 201, 400),
        dropped('9112 9.3.2: behind faulty chunks that nobody wants',
                get('Transfer-Encoding: chunked') + b'5;\r\n' + post, 200),
    ]


def test_lengths(case):
    clauses.check_rows(case, lengths(case))


def test_transfer_codings(case):
    clauses.check_rows(case, transfer_codings(case))


def test_chunks(case):
    clauses.check_rows(case, chunks(case))


def test_trailers(case):
    clauses.check_rows(case, trailers(case))


def test_expectations(case):
    clauses.check_rows(case, expectations(case) + continued(case))


def test_connections(case):
    clauses.check_rows(case, connections(case))


@testing.limit(60)
def test_heads_byte_by_byte(case):
    for rows in (REQUEST_LINES, TARGETS, HOSTS, FIELDS, METHODS):
        clauses.check_rows(case, rows, is_bytewise=True)


@testing.limit(60)
def test_bodies_byte_by_byte(case):
    for rows in (lengths, transfer_codings, chunks, trailers, expectations, connections):
        clauses.check_rows(case, rows(case), is_bytewise=True)
