"""uproar-cat as a subscriber, by either transport: what it prints, how it resumes, how it ends.
What it publishes is in test_cat_publish.py.
"""
import json
import re
import shutil
import signal

from lib import cat, check, http, proxy, testing

TEXTS = ['plain', 'Grüße, 世界 🦁', 'two\nlines', 'CR\rand CR LF\r\n', '', ' leading', '"quoted"',
         'a\0b', 'x' * 300000]
VERSION = re.compile(r'^uproar-cat \d+\.\d+\.\d+\n$')


def each_scheme(case):
    for scheme in cat.SCHEMES:
        yield scheme, f'{case.topic}-{scheme}'


@testing.limit(60)
def test_it_prints_each_message_and_a_line_end(case):
    for scheme, topic in each_scheme(case):
        subscriber = cat.follow(case, case.server, '-n', len(TEXTS) + 1, scheme=scheme, topic=topic)
        for text in TEXTS:
            http.publish(case.server, topic, text.encode())
        http.publish(case.server, topic, b'\xff\0\n', [('Content-Type', 'image/png')])
        subscriber.end()
        wanted = b''.join(text.encode() + b'\n' for text in TEXTS) + b'\xff\0\n\n'
        check.true(subscriber.printed == wanted, f'{scheme}: {check.shown(subscriber.printed)}')
        check.equal(subscriber.said, '', f'what it says over {scheme}')


@testing.limit(60)
def test_json_is_an_envelope_a_line_as_the_server_wrote_it(case):
    for scheme, topic in each_scheme(case):
        subscriber = cat.follow(case, case.server, '--json', '-n', 3, scheme=scheme, topic=topic)
        ids = [http.publish(case.server, topic, b'one'),
               http.publish(case.server, topic, 'zwei\n🦁'.encode(), query='?event=named'),
               http.publish(case.server, topic, b'\xfe\xff', [('Content-Type', 'a/b')])]
        lines = [json.loads(line) for line in subscriber.end().printed.decode().splitlines()]
        check.equal([line['id'] for line in lines], ids, 'ids')
        check.equal([line.get('data') for line in lines], ['one', 'zwei\n🦁', None], 'data')
        check.equal([line.get('event') for line in lines], [None, 'named', None], 'events')
        check.equal((lines[2]['base64'], lines[2]['topic']), ('/v8=', topic), 'the binary one')


@testing.limit(60)
def test_many_topics_and_patterns_come_in_the_order_of_the_log(case):
    at = case.start()
    for scheme in cat.SCHEMES:
        for topic in ('a/b c', 'logs.x.y', 'ünï', 'not this'):
            http.ask(at, 'POST', f'/t/{http_path(topic)}', [], topic.encode())
        subscriber = cat.Cat(case, cat.url_of(at, scheme), 'logs.#', 'a/b c', 'ünï', '--last', 3,
                             '-n', 3)
        check.equal(subscriber.end().printed.decode(), 'a/b c\nlogs.x.y\nünï\n', 'what is printed')


def http_path(topic):
    return ''.join(f'%{byte:02X}' if byte in b' ' or byte > 127 else chr(byte)
                   for byte in topic.encode())


@testing.limit(60)
def test_after_says_where_to_begin(case):
    ids = [http.publish(case.server, case.topic, b'%d' % index) for index in range(5)]
    for scheme in cat.SCHEMES:
        for arguments, wanted in ((['--after', ids[1], '-n', 3], b'2\n3\n4\n'),
                                  (['--after', 'earliest', '-n', 2], b'0\n1\n'),
                                  (['--last', 2, '-n', 2], b'3\n4\n')):
            run = cat.Cat(case, cat.url_of(case.server, scheme), case.topic, *arguments)
            check.equal(run.end().printed, wanted, f'{arguments} over {scheme}')


@testing.limit(90)
def test_after_a_cut_it_goes_on_by_itself_and_prints_each_once(case):
    for scheme, topic in each_scheme(case):
        between = case.keep(proxy.Proxy(case.server.port))
        subscriber = cat.Cat(case, cat.url_of(between, scheme), topic, '-n', 60, '--after', 'now',
                             '--json')
        case.server.wait_metric(1, 'uproar_subscriptions', cat.PATIENCE_S)
        for turn in range(3):
            between.cut_behind(b'"data":"%d' % (20 * turn + 9), by_reset=turn == 1)
            for index in range(20 * turn, 20 * turn + 20):
                http.publish(case.server, topic, b'%d and some more' % index)
            check.eventually(lambda: between.cuts == turn + 1, 'it is cut')
            between.let_in()
            if turn < 2:
                check.eventually(lambda: subscriber.printed.count(b'\n') == 20 * turn + 20,
                                 lambda: f'it catches up over {scheme}: {subscriber.said}')
        lines = [json.loads(line) for line in subscriber.end().printed.decode().splitlines()]
        check.equal([line['data'] for line in lines], [f'{i} and some more' for i in range(60)],
                    f'what is printed over {scheme}')
        check.true(subscriber.said.count('again in') >= 3, f'what it says: {subscriber.said}')
        check.true('goes on after' in subscriber.said, f'what it says: {subscriber.said}')


@testing.limit(90)
def test_a_cut_before_the_first_message_loses_nothing(case):
    """The opening told the place already."""
    for scheme, topic in each_scheme(case):
        between = case.keep(proxy.Proxy(case.server.port))
        between.cut_behind(b'"cursor":' if scheme == 'ws' else b'\nid: ')
        subscriber = cat.Cat(case, cat.url_of(between, scheme), topic, '-n', 2, '-q')
        between.wait_cut()
        between.let_in()
        case.server.wait_metric(1, 'uproar_subscriptions', cat.PATIENCE_S)
        between.cut_behind(b'"topic"')
        http.publish(case.server, topic, b'one')
        check.eventually(lambda: between.cuts == 2, 'it is cut again')
        http.publish(case.server, topic, b'two')
        between.let_in()
        check.equal(subscriber.end().printed, b'one\ntwo\n', f'what is printed over {scheme}')
        check.equal(subscriber.said, '', 'what a quiet one says')


@testing.limit(90)
def test_a_restart_is_a_gap_and_status_3(case):
    for scheme in cat.SCHEMES:
        first = case.start('--drain', 0)
        subscriber = cat.follow(case, first, '-n', 2, scheme=scheme)
        in_json = cat.follow(case, first, '-n', 2, '--json', scheme=scheme)
        http.publish(first, case.topic, b'before')
        subscriber.wait_printed(b'before\n')
        first.stop()
        subscriber.wait_said('again in')
        second = case.start(listen=f'127.0.0.1:{first.port}')
        http.publish(second, case.topic, b'after')
        check.equal(subscriber.end(3).printed, b'before\nafter\n', f'over {scheme}')
        check.contains(subscriber.said, 'a gap', 'what it says')
        lines = [json.loads(line) for line in in_json.end(3).printed.decode().splitlines()]
        check.equal([list(line)[0] for line in lines], ['id', 'gap', 'id'], f'JSON over {scheme}')
        check.equal(lines[1]['gap']['reason'], 'epoch', 'the reason of the gap')


def test_a_finished_topic_is_status_0(case):
    at = case.start('--admin-token', case.file('adm'))
    for scheme, topic in each_scheme(case):
        subscriber = cat.follow(case, at, scheme=scheme, topic=topic)
        http.publish(at, topic, b'the last one')
        answer = http.ask(at, 'DELETE', f'/t/{topic}', [('Authorization', 'Bearer adm')])
        check.equal(answer.status, 200, 'status of DELETE')
        check.equal(subscriber.end().printed, b'the last one\n', f'what is printed over {scheme}')
        cat.Cat(case, cat.url_of(at, scheme), topic, given=b'').end()  # 204, 1000 at once


def test_who_is_refused_is_told_why_with_status_1(case):
    at = case.start('--subscribe-token', case.file('s3cret'))
    for scheme in cat.SCHEMES:
        refused = cat.Cat(case, cat.url_of(at, scheme), 'x').end(1)
        check.contains(refused.said, '401: a token is needed', 'what it says')
        wrong = cat.Cat(case, cat.url_of(at, scheme), 'x', '--after', 'nowhere', '--token',
                        's3cret').end(1)
        check.contains(wrong.said, '400', 'what it says')
        cat.follow(case, at, '--token-file', case.file('s3cret\n'), scheme=scheme).process.kill()
        let_in = cat.Cat(case, cat.url_of(at, scheme), 'x', '--last', 0, '-n', 1,
                         environment={'UPROAR_TOKEN': 's3cret'})
        check.eventually(lambda: http.publish(at, 'x', b'welcome') and let_in.printed,
                         'it is let in')
        let_in.end()


def test_a_server_that_is_not_there_is_given_up_at_once_or_as_asked(case):
    at = case.start()
    at.stop()
    for scheme in cat.SCHEMES:
        gone = cat.Cat(case, cat.url_of(at, scheme), 'x').end(1)
        check.true('connect' in gone.said and 'again' not in gone.said, f'says {gone.said}')
        patient = cat.Cat(case, cat.url_of(at, scheme), 'x', '--retry', 1).end(1)
        check.contains(patient.said, 'again in', 'what a patient one says')
    waiting = cat.Cat(case, cat.url_of(at), case.topic, '--retry', 60, '-n', 1, '--after',
                      'earliest')
    waiting.wait_said('again in')
    http.publish(case.start(listen=f'127.0.0.1:{at.port}'), case.topic, b'there you are')
    check.equal(waiting.end().printed, b'there you are\n', 'what it prints in the end')


def test_a_full_server_is_waited_for(case):
    for scheme in cat.SCHEMES:
        at = case.start('--max-connections', 1, threads=1)
        peer = case.peer(at=at)
        waiting = cat.Cat(case, cat.url_of(at, scheme), case.topic, '--last', 1, '-n', 1)
        waiting.wait_said('again in')
        peer.echo('so full')
        peer.leave()
        check.equal(waiting.end().printed, b'so full\n', f'what it prints over {scheme}')


@testing.limit(60)
def test_a_silent_server_is_given_up(case):
    at = case.start('--heartbeat', 600, '--ping', 600)
    for scheme in cat.SCHEMES:
        cat.Cat(case, cat.url_of(at, scheme), 'x', '--silence', 1).wait_said('nothing was heard')


@testing.limit(60)
def test_heartbeats_and_pings_keep_it(case):
    at = case.start('--heartbeat', 1, '--ping', 1)
    subscribers = [cat.follow(case, at, '--silence', 3, '-n', 1, scheme=scheme)
                   for scheme in cat.SCHEMES]
    for proto, enough in (('sse', 8), ('ws', 10)):
        sent = at.metrics().sum('uproar_sent_bytes_total', proto=proto)
        check.eventually(lambda: at.metrics().sum('uproar_sent_bytes_total', proto=proto)
                         >= sent + enough, f'some are sent over {proto}', 30)
    http.publish(at, case.topic, b'still there?')
    for subscriber in subscribers:
        check.equal(subscriber.end().printed, b'still there?\n', 'what is printed')
        check.equal(subscriber.said, '', 'what it says')


def test_it_works_in_pipes(case):
    http.publish_all(case.server, [(case.topic, b'%d' % index) for index in range(2000)])
    first = cat.Cat(case, cat.url_of(case.server), case.topic, '--after', 'earliest',
                    shell='| head -n 1; exit ${PIPESTATUS[0]}').end(128 + signal.SIGPIPE)
    check.equal((first.printed, first.said), (b'0\n', ''), 'through head')
    if not shutil.which('jq'):
        raise check.Skipped('jq is not installed')
    through = cat.Cat(case, cat.url_of(case.server), case.topic, '--last', 3, '-n', 3, '--json',
                      shell='| jq -r .data; exit ${PIPESTATUS[0]}').end()
    check.equal(through.printed, b'1997\n1998\n1999\n', 'through jq')


def test_ctrl_c_ends_it_as_a_shell_expects(case):
    subscriber = cat.follow(case, case.server)
    http.publish(case.server, case.topic, b'seen')
    subscriber.wait_printed(b'seen\n')
    subscriber.process.send_signal(signal.SIGINT)
    subscriber.end(-signal.SIGINT)
    check.equal(subscriber.printed, b'seen\n', 'what was printed')


def test_mistakes_are_status_2_and_one_line(case):
    for arguments in ([], ['http://127.0.0.1:1'], ['nowhere', 'x'], ['--frob', 'http://h', 'x'],
                      ['-n', 'many', 'http://h', 'x'], ['-p', 'http://h', 'x', 'y']):
        wrong = cat.Cat(case, *arguments).end(2)
        check.equal((wrong.printed, wrong.said.count('\n')), (b'', 1), f'{arguments}')
    told = cat.Cat(case, '--help').end()
    check.contains(told.printed.decode(), 'usage: uproar-cat', '--help')
    check.matches(VERSION, cat.Cat(case, '--version').end().printed.decode(), '--version')
