"""Tables of requests: the bytes that are sent, the answers that are due, and whether the connection
stays. Knows no clause itself, and reads as strictly as lib/http.py does.
"""
import collections
import re

from lib import check, http

BYTEWISE_MAX = 240  # longer rows are not sent byte by byte: each byte takes its time
BYTE_PAUSE_S = 0.0002
IMF_FIXDATE = re.compile(r'^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} '
                         r'\d\d:\d\d:\d\d GMT$')

# clause: what the row is about; statuses: of all answers, in order; then: what comes behind them;
# method: of the request; body: what was published; fields: of the last answer.
Row = collections.namedtuple('Row', 'clause sent statuses then method body fields')


def kept(clause, sent, *statuses, method='GET', body=None, fields=None):
    """Answered, and the next request on the connection is the next one."""
    return Row(clause, sent, statuses, 'next', method, body, fields or {})


def closed(clause, sent, *statuses, method='GET', body=None, fields=None):
    """Answered, the last time with `close`, and then the connection ends without another byte."""
    return Row(clause, sent, statuses, 'close', method, body, fields or {})


def dropped(clause, sent, *statuses):
    """Answered, and then found faulty: it ends without another byte, which nobody has announced."""
    return Row(clause, sent, statuses, 'end', 'GET', None, {})


def request(*lines, body=''):
    """Lines and a body as bytes, just as they are."""
    return '\r\n'.join([*lines, '', body]).encode('latin-1')


def varies_by_origin(response):
    listed = ','.join(response.all('vary')).lower().split(',')
    return 'origin' in [name.strip() for name in listed]


def check_answer(response, status, method):
    """What holds for every answer."""
    check.equal(response.status, status, f'status ({response})')
    if status < 200:
        return
    check.equal(response.minor, 1, 'minor version of the answer')
    check.matches(IMF_FIXDATE, response.get('date'), 'Date')
    check.true(varies_by_origin(response), f'no Vary: Origin: {response}')
    if status == 405:
        check.true(response.get('allow'), f'no Allow: {response}')
    if status >= 400 and method != 'HEAD':
        http.error(response, status)


def check_rest(row, connection, last):
    """The next request, or the end."""
    if row.then == 'next':
        check.true(not last.has_token('connection', 'close'), f'close is announced: {last}')
        check.equal(connection.ask('HEAD', '/healthz').status, 200, 'status of the next request')
        return
    if row.then == 'close':
        check.true(last.has_token('connection', 'close'), f'close is not announced: {last}')
    check.equal(connection.ends(), b'', 'bytes behind the last answer')


def send(row, connection, is_bytewise):
    pieces = [row.sent[at:at + 1] for at in range(len(row.sent))] if is_bytewise else [row.sent]
    try:
        connection.send_pieces(pieces, BYTE_PAUSE_S if is_bytewise else 0)
    except ConnectionError:
        check.true(row.then != 'next', 'the server closed while it was to read on')


def check_published(case, answer, text):
    """The topic's newest message is that text, and the one that was answered, if it was."""
    newest = http.ask(case.server, 'GET', f'/t/{case.topic}?last=1').json()[-1]
    check.equal(newest['data'], text, 'what was published')
    if answer.status == 201:
        check.equal(newest['id'], http.published(answer), 'id of what was published')


def run(case, row, is_bytewise):
    with http.Connection(case.server.port) as connection:
        send(row, connection, is_bytewise)
        last = None
        for status in row.statuses:
            last = connection.answer(row.method)
            check_answer(last, status, row.method)
        for name, value in row.fields.items():
            check.equal(last.get(name), value, f'field {name} of {last}')
        check_rest(row, connection, last)
    if row.body is not None:
        check_published(case, last, row.body)


def check_rows(case, rows, is_bytewise=False, and_then=None):
    """All of them, each on a connection of its own. and_then: looked at behind each."""
    for row in rows:
        if is_bytewise and len(row.sent) > BYTEWISE_MAX:
            continue
        try:
            run(case, row, is_bytewise)
            if and_then:
                and_then()
        except (check.Failed, http.Ended, OSError) as problem:
            raise check.Failed(f'{row.clause}: {problem}') from problem
