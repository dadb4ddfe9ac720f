"""/tab/KEY: connections that gave a key may be asked about and cut by whoever knows it, and nobody
else's are.
"""
import json

from lib import check, http

BAD_KEYS = ['', 'short', 'x' * 15, 'x' * 65, 'x' * 400, 'sixteen%20letters', 'sixteen/letters/x',
            'sixteen.letters.x', '%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4']
LONGEST = 'Az09-_' * 10 + 'last'
NOBODY = 'nobody-has-ever-given-this'


def key_of(case):
    return f'{case.topic}{"-" * 64}'.replace('.', '-')[:64]


def ask(server, method, key, *fields):
    answer = http.ask(server, method, f'/tab/{key}', list(fields))
    check.equal(answer.status, 200, f'status ({answer})')
    check.true(answer.has_token('cache-control', 'no-store'), f'no no-store: {answer}')
    return answer.json()


def count(server, key, *fields):
    told = ask(server, 'GET', key, *fields)
    check.equal(list(told), ['connections', 'bytes'], 'what is told')
    check.true(64 * told['connections'] <= told['bytes'] <= 200 * told['connections'],
               f'bytes: {told}')
    return told['connections']


def cut(server, key, *fields):
    told = ask(server, 'DELETE', key, *fields)
    check.equal(list(told), ['cut'], 'what is told')
    return told['cut']


def expect_reset(wire):
    try:
        check.true(wire.socket.recv(1) != b'', 'a polite end, by FIN')
        check.fail('something came')
    except ConnectionResetError:
        pass


def test_streams_of_a_key_are_counted_and_cut_and_nobody_elses(case):
    key, other = key_of(case), LONGEST
    mine = [case.peer(query=f'?tab={key}'), case.stream(query=f'?tab={key}'),
            case.stream(query=f'?format=json&tab={key}')]
    theirs = [case.peer(query=f'?tab={other}'), case.stream(query=f'?tab={other}')]
    strangers = [case.peer(), case.stream()]
    check.equal((count(case.server, key), count(case.server, other)), (3, 2), 'connections')
    check.equal(cut(case.server, key), 3, 'how many were cut')
    for wire in mine:
        expect_reset(wire)
    check.equal((count(case.server, key), count(case.server, other)), (0, 2), 'connections after')
    theirs[0].echo('still here')
    for stream in (theirs[1], strangers[1]):
        check.equal(stream.event().data, 'still here', 'what they get')
    check.equal(strangers[0].text(), 'still here', 'what a stranger gets')


def test_a_stream_that_was_asked_for_by_post_can_be_cut(case):
    key = key_of(case)
    stream = case.keep(http.Connection(case.server.port))
    body = json.dumps({'topics': [case.topic]}).encode()
    stream.send(http.request_bytes('POST', f'/t?tab={key}', [('Accept', 'text/event-stream')],
                                   body, port=stream.port))
    check.equal(stream.head().status, 200, 'status')
    stream.take_until(b'\n\n')
    check.equal(cut(case.server, key), 1, 'how many were cut')
    check.equal(b'', stream.ends().strip(b'\r\n'), 'what came behind the opening')


def test_who_comes_back_resumes_and_can_be_cut_again(case):
    key = key_of(case)
    stream = case.stream(query=f'?tab={key}')
    for turn in range(20):
        last = stream.first.id
        check.equal(cut(case.server, key), 1, f'how many were cut in turn {turn}')
        expect_reset(stream)
        http.publish(case.server, case.topic, b'%d' % turn)
        stream = case.stream(query=f'?tab={key}', fields=[('Last-Event-ID', last)])
        check.equal(stream.event().data, str(turn), 'what was missed')
        stream.first.id = http.ask(case.server, 'HEAD', f'/t/{case.topic}').get('uproar-cursor')
    check.equal(count(case.server, key), 1, 'connections at the end')


def test_who_has_left_is_not_counted(case):
    key = key_of(case)
    case.peer(query=f'?tab={key}').leave()
    stream = case.stream(query=f'?tab={key}')
    stream.close()
    check.eventually(lambda: count(case.server, key) == 0, 'nobody is left')
    check.equal(cut(case.server, key), 0, 'how many were cut')


def test_hundreds_of_keys_are_kept_apart(case):
    server = case.start()
    keys = [f'{index:-<16}' for index in range(300)]
    streams = {key: case.stream(at=server, query=f'?tab={key}') for key in keys}
    check.equal([count(server, key) for key in keys], [1] * len(keys), 'connections of each')
    for key in keys[::3]:
        check.equal(cut(server, key), 1, f'how many of {key} were cut')
        expect_reset(streams[key])
    check.equal([count(server, key) for key in keys],
                [0 if index % 3 == 0 else 1 for index in range(len(keys))], 'who is left')


def test_more_than_are_remembered_disturb_nobody(case):
    """A table of bounded size: the ones it has forgotten cannot be cut, and go on."""
    key = key_of(case)
    server = case.start()
    streams = [case.stream(at=server, query=f'?tab={key}') for _ in range(40)]
    found = count(server, key)
    check.true(8 <= found <= 16, f'{found} of 40 are remembered')
    check.equal(cut(server, key), found, 'how many were cut')
    server.wait_metric(40 - found, 'uproar_connections', proto='sse')
    http.publish(server, case.topic, b'for the rest')
    alive = 0
    for stream in streams:
        try:
            check.equal(stream.event().data, 'for the rest', 'what the rest gets')
            alive += 1
        except ConnectionResetError:
            pass
    check.equal(alive, 40 - found, 'those that go on')


def test_a_long_poll_is_not_cut(case):
    """Its connection may carry somebody else's request next."""
    key = key_of(case)
    connection = case.connection()
    answer = connection.ask('GET', f'/t/{case.topic}?wait=0&tab={key}')
    check.equal(answer.status, 200, f'status of the poll ({answer})')
    check.equal(cut(case.server, key), 0, 'how many were cut')
    check.equal(connection.ask('GET', '/healthz').status, 200, 'the next request')


def test_what_is_no_key_is_refused(case):
    for key in BAD_KEYS:
        for method in ('GET', 'DELETE'):
            http.error(http.ask(case.server, method, f'/tab/{key}'), 400, 'bad_tab')
        for fields in ([], [('Accept', 'text/event-stream')]):
            answer = http.ask(case.server, 'GET', f'/t/{case.topic}?wait=0&tab={key}', fields)
            http.error(answer, 400, 'bad_tab')
    check.equal(count(case.server, NOBODY), 0, 'connections of a key that nobody gave')
    check.equal(cut(case.server, NOBODY), 0, 'those that were cut')


def test_methods_tokens_and_origins(case):
    server = case.start('--subscribe-token', case.file('s3cret'))
    token = ('Authorization', 'Bearer s3cret')
    key = key_of(case)
    stream = case.stream(at=server, query=f'?tab={key}&token=s3cret')
    for method in ('GET', 'DELETE'):
        http.error(http.ask(server, method, f'/tab/{key}'), 401)
        foreign = [token, ('Origin', 'https://elsewhere.example')]
        http.error(http.ask(server, method, f'/tab/{key}', foreign), 403, 'foreign_origin')
    refused = http.ask(server, 'POST', f'/tab/{key}', [token], b'x')
    http.error(refused, 405)
    check.true(refused.has_token('allow', 'delete'), f'Allow: {refused.get("allow")}')
    check.equal(http.ask(server, 'HEAD', f'/tab/{key}', [token]).status, 200, 'status of HEAD')
    check.true(stream.is_open(), 'it was cut')
    check.equal(cut(server, key, token), 1, 'how many were cut')
    expect_reset(stream)
