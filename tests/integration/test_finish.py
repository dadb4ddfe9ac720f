"""DELETE: finished topics. Who may, what subscribers still get and how they are told, and that it
is for ever. Other ends of a subscription are in test_drain.py and test_stream_max.py.
"""
import threading

from lib import check, envelope, http, poll, reading, sse, subscriber, testing, websocket

ADMIN = 'adm-5ecret.~'
AS_ADMIN = [('Authorization', f'Bearer {ADMIN}')]
SSE = [('Accept', 'text/event-stream')]
PUSHING = [kind for kind in subscriber.KINDS if kind not in ('poll', 'ndjson')]
STREAMS = [kind for kind in PUSHING if not kind.startswith('websocket')]
SMALL_BUFFER = 4096  # of a subscriber that stalls


def start(case, *flags):
    return case.start('--admin-token', case.file(ADMIN), *flags, threads=3)


def finish(server, topic):
    """Finishes it and returns the end's id."""
    answer = http.ask(server, 'DELETE', f'/t/{topic}', AS_ADMIN)
    check.equal(answer.status, 200, f'status of DELETE ({answer})')
    told = answer.json()
    check.equal((list(told), told['topic']), (['id', 'topic'], topic), 'the answer to DELETE')
    http.cursor(told['id'])
    return told['id']


def expect_end(reader, kind, expected=()):
    """These messages, and then the end as that transport has it."""
    items, ended = reading.to_the_end(reader)
    check.equal([item.data for item in items], list(expected), f'{kind}: what came before the end')
    check.equal(ended, reading.ENDED if kind in STREAMS else 1000, f'{kind}: how it ended')


def each_kind(case, kinds=PUSHING):
    for index, kind in enumerate(kinds):
        yield kind, f'{case.topic}.{index}'


def ask_new(server, topic, fields=(), query='', method='GET', body=None):
    return http.ask(server, method, f'/t/{topic}{query}', fields, body)


def test_without_an_admin_token_nobody_may(case):
    for fields in ([], AS_ADMIN):
        answer = ask_new(case.server, case.topic, fields, method='DELETE')
        http.error(answer, 405)
        check.true(answer.has_token('allow', 'get') and answer.has_token('allow', 'post'), 'Allow')
        check.true(not answer.has_token('allow', 'delete'), f'Allow: {answer.get("allow")}')
    case.peer().echo('it goes on')


def test_a_wrong_token_is_401_and_the_topic_goes_on(case):
    server = start(case, '--publish-token', case.file('pub'), '--subscribe-token',
                   case.file('sub'))
    for token in (None, '', 'x', 'pub', 'sub', ADMIN[:-1], f'{ADMIN}x', ADMIN.upper(), 'y' * 4000):
        given = [([('Authorization', f'Bearer {token}')], ''), ([], f'?token={token}')]
        for fields, query in [([], '')] if token is None else given:
            answer = ask_new(server, case.topic, fields, query, method='DELETE')
            http.error(answer, 401)
            check.contains(answer.get('www-authenticate') or '', 'Bearer', 'WWW-Authenticate')
    http.publish(server, case.topic, b'it goes on', [('Authorization', 'Bearer pub')])


def test_the_token_opens_as_bearer_and_in_the_query(case):
    server = start(case)
    for fields, query in ((AS_ADMIN, ''), ([], f'?token={ADMIN}'),
                          ([('Authorization', f'bearer {ADMIN}')], '?x=y')):
        answer = ask_new(server, case.topic, fields, query, method='DELETE')
        check.equal(answer.status, 200, f'status with {fields} {query}')


def test_405_names_delete_where_it_is_allowed(case):
    answer = ask_new(start(case), case.topic, method='PUT', body=b'x')
    http.error(answer, 405)
    check.true(answer.has_token('allow', 'delete'), f'Allow: {answer.get("allow")}')


def test_a_foreign_origin_is_403(case):
    server = start(case)
    fields = [*AS_ADMIN, ('Origin', 'http://evil.example')]
    http.error(ask_new(server, case.topic, fields, method='DELETE'), 403)
    case.peer(at=server).echo('it goes on')


def test_the_token_is_never_said(case):
    server = start(case)
    for given in (ADMIN, f'wrong-{ADMIN}'):
        ask_new(server, case.topic, [('Authorization', f'Bearer {given}')], method='DELETE')
        ask_new(server, case.topic, [], f'?token={given}', method='DELETE')
    server.stop()
    check.lacks(server.stderr + server.stdout, ADMIN, 'what the server said')


def test_topics_that_are_none_are_400(case):
    server = start(case)
    for topic in ('', 'a..b', '*', 'a.*', 'a.%23', 'a%00', '%ff', 'x' * 256):
        http.error(ask_new(server, topic, AS_ADMIN, method='DELETE'), 400)


def test_the_end_has_its_place_in_the_order(case):
    server = start(case)
    before = http.publish(server, case.topic, b'x')
    end = finish(server, case.topic)
    after = http.publish(server, f'{case.topic}.other', b'x')
    check.true(http.cursor(before) < http.cursor(end) < http.cursor(after),
               f'{before}, {end}, {after}')


def test_subscribers_get_what_came_before_and_then_the_end(case):
    server = start(case)
    for kind, topic in each_kind(case):
        readers = [subscriber.open(case, kind, [topic], at=server) for _ in range(8)]
        http.publish_all(server, [(topic, b'%d' % index) for index in range(20)])
        finish(server, topic)
        for reader in readers:
            expect_end(reader, kind, [str(index) for index in range(20)])


def test_polls_that_wait_are_410(case):
    server = start(case)
    given = http.publish(server, case.topic, b'x')
    wires = [poll.connect(case, server).begin(case.topic, wait=60, **how)
             for how in ({'after': 'now'}, {'after': given}, {'fields': poll.tagged(given)},
                         {'after': given, 'fields': [('Accept', poll.NDJSON)]})
             for _ in range(4)]
    poll.wait_waiting(server, len(wires))
    finish(server, case.topic)
    for wire in wires:
        answer = wire.answer()
        http.error(answer, 410, 'finished')
        check.true(answer.has_token('cache-control', 'no-store'), f'no no-store: {answer}')
        check.equal(wire.ask('GET', '/healthz').status, 200, 'status of the next')


def test_publishes_are_410_from_then_on_on_every_reactor(case):
    server = start(case)
    watcher = case.stream(f'{case.topic}.%23', at=server, query='?format=raw')
    finish(server, case.topic)
    for index in range(24):
        answer = ask_new(server, case.topic, method='POST', body=b'%d' % index)
        http.error(answer, 410, 'finished')
        check.true(answer.has_token('cache-control', 'no-store'), f'no no-store: {answer}')
    http.publish(server, f'{case.topic}.other', b'to another')
    check.equal(watcher.event().data, 'to another', 'the first message')


def is_finished(server, topic):
    """Does whoever asks now get 204, on whichever reactor?"""
    for _ in range(12):
        with http.Connection(server.port) as wire:
            wire.send(http.request_bytes('GET', f'/t/{topic}', SSE, port=server.port))
            if wire.head().status != 204:
                return False
    return True


def finish_everywhere(server, topic):
    """Returns when all reactors know; whoever comes before is told a moment later."""
    end = finish(server, topic)
    check.eventually(lambda: is_finished(server, topic), 'it is 204 everywhere')
    return end


def test_streams_are_204_from_then_on(case):
    """What makes EventSource stop coming back."""
    server = start(case)
    given = http.publish(server, case.topic, b'x')
    end = finish_everywhere(server, case.topic)
    for fields, query in (([], ''), ([], '?after=now'), ([('Last-Event-ID', given)], ''),
                          ([('Last-Event-ID', end)], ''), ([], f'?after={given}'),
                          ([], '?format=json')):
        answer = ask_new(server, case.topic, [*SSE, *fields], query)
        check.equal(answer.status, 204, f'status with {fields} {query}')
        check.true(answer.has_token('cache-control', 'no-store'), f'no no-store: {answer}')
    body = b'{"topics":["%b"]}' % case.topic.encode()
    check.equal(http.ask(server, 'POST', '/t', SSE, body).status, 204, 'status of POST /t')


def test_polls_are_410_from_then_on(case):
    server = start(case)
    given = http.publish(server, case.topic, b'x')
    end = finish_everywhere(server, case.topic)
    for query in ('', '?after=now&wait=60', f'?after={given}&wait=60', f'?after={end}'):
        http.error(ask_new(server, case.topic, [], query), 410, 'finished')


def test_websockets_are_opened_and_closed_with_1000_from_then_on(case):
    server = start(case)
    finish_everywhere(server, case.topic)
    case.peer(at=server).expect_close(1000)
    reader = subscriber.open(case, 'websocket json', [case.topic], at=server)
    expect_end(reader, 'websocket json')


def test_who_resumes_gets_what_is_unread_and_then_the_end(case):
    server = start(case)
    for kind, topic in each_kind(case):
        ids = http.publish_all(server, [(topic, b'%d' % index) for index in range(5)])
        finish_everywhere(server, topic)
        for index in (0, 3):
            reader = subscriber.open(case, kind, [topic], at=server, after=ids[index])
            expect_end(reader, kind, [str(left) for left in range(index + 1, 5)])
        reader = subscriber.open(case, kind, [topic], at=server, after='earliest')
        expect_end(reader, kind, '01234')


def test_a_poll_that_resumes_gets_what_is_unread_and_then_410(case):
    server = start(case)
    ids = http.publish_all(server, [(case.topic, b'%d' % index) for index in range(1500)])
    finish_everywhere(server, case.topic)
    wire = poll.connect(case, server)
    first = wire.poll(case.topic, after=ids[0], wait=60)
    second = wire.poll(case.topic, after=first.cursor, wait=60)
    check.equal(first.data + second.data, [str(index) for index in range(1, 1500)], 'messages')
    http.error(wire.ask('GET', f'/t/{case.topic}?after={second.cursor}&wait=60'), 410, 'finished')


def test_who_resumes_behind_a_gap_is_told_it(case):
    server = start(case, '--history-messages', 10)
    ids = http.publish_all(server, [(case.topic, b'%d' % index) for index in range(20)])
    finish_everywhere(server, case.topic)
    items, ended = reading.to_the_end(subscriber.open(case, 'sse', [case.topic], at=server,
                                                      after=ids[2]))
    check.true(isinstance(items[0], envelope.Gap), f'a gap was due, not {items[0]}')
    got = [item.data for item in items[1:]]
    check.equal((got, ended), ([str(index) for index in range(20 - len(got), 20)], reading.ENDED),
                'what came after the gap, and the end')
    check.true(9 <= len(got) <= 10, f'{len(got)} of ten retained messages')


def test_who_missed_messages_that_nobody_retains_is_told_the_gap_before_the_end(case):
    server = start(case, '--history-messages', 10)
    ids = http.publish_all(server, [(case.topic, b'%d' % index) for index in range(5)])
    finish_everywhere(server, case.topic)
    http.publish_all(server, [(f'{case.topic}.other', b'x')] * 50)
    items, ended = reading.to_the_end(subscriber.open(case, 'sse', [case.topic], at=server,
                                                      after=ids[2]))
    check.equal(([type(item) for item in items], ended), ([envelope.Gap], reading.ENDED),
                'what came, and the end')


def test_it_is_for_ever_whatever_is_trimmed(case):
    server = start(case, '--history-messages', 10)
    given = http.publish(server, case.topic, b'x')
    finish_everywhere(server, case.topic)
    for _ in range(3):
        http.publish_all(server, [(f'{case.topic}.other', b'x')] * 50)
        http.error(ask_new(server, case.topic, method='POST', body=b'x'), 410, 'finished')
        check.equal(ask_new(server, case.topic, SSE).status, 204, 'status of a stream')
        http.error(ask_new(server, case.topic), 410, 'finished')
    answer = ask_new(server, case.topic, [*SSE, ('Last-Event-ID', given)])
    check.equal(answer.status, 204, 'status of who has everything')


def test_a_topic_nobody_ever_used_may_be_finished(case):
    server = start(case)
    finish_everywhere(server, case.topic)
    http.error(ask_new(server, case.topic, method='POST', body=b'x'), 410, 'finished')


def test_finishing_again_changes_nothing(case):
    server = start(case)
    finish_everywhere(server, case.topic)
    answer = ask_new(server, case.topic, AS_ADMIN, method='DELETE')
    check.one_of(answer.status, (200, 410), 'status of the second DELETE')
    http.error(ask_new(server, case.topic, method='POST', body=b'x'), 410, 'finished')
    check.true(is_finished(server, case.topic), 'it is open again')


def test_connections_of_several_topics_or_patterns_go_on(case):
    server = start(case)
    for kind, topic in each_kind(case):
        names = [f'{topic}.a', f'{topic}.b']
        readers = [subscriber.open(case, kind, names, at=server) for _ in range(4)]
        readers += [subscriber.open(case, kind, [f'{topic}.*'], at=server) for _ in range(4)]
        http.publish(server, names[0], b'before')
        finish(server, names[0])
        http.publish(server, names[1], b'after')
        for reader in readers:
            subscriber.expect(reader, ['before', 'after'], kind)


def test_polls_of_several_topics_go_on_waiting(case):
    server = start(case)
    names = [f'{case.topic}.a', f'{case.topic}.b']
    wires = [poll.connect(case, server).begin(*topics, after='now', wait=60)
             for topics in (names, [f'{case.topic}.*']) for _ in range(4)]
    poll.wait_waiting(server, len(wires))
    finish(server, names[0])
    given = http.publish(server, names[1], b'after')
    for wire in wires:
        answer = wire.finish()
        check.equal((answer.status, answer.data, answer.cursor), (200, ['after'], given), 'answer')


def test_other_topics_go_on(case):
    server = start(case)
    names = [f'{case.topic}.sub', case.topic[:-1], f'{case.topic}x', case.topic.upper()]
    peers = [case.peer(name, at=server) for name in names]
    finish(server, case.topic)
    for peer in peers:
        peer.echo('it goes on')


def test_requests_on_one_connection_keep_their_order(case):
    server = start(case)
    wire = case.connection(at=server)
    post = http.request_bytes('POST', f'/t/{case.topic}', [], b'x', port=wire.port)
    wire.send(post + http.request_bytes('DELETE', f'/t/{case.topic}', AS_ADMIN, port=wire.port)
              + post + http.request_bytes('GET', '/healthz', port=wire.port))
    before = http.published(wire.answer('POST'))
    end = wire.answer().json()['id']
    check.true(http.cursor(before) < http.cursor(end), f'{before} is not before {end}')
    http.error(wire.answer('POST'), 410, 'finished')
    check.equal(wire.answer().status, 200, 'status of the last')


def test_a_body_of_delete_is_read_over(case):
    server = start(case)
    wire = case.connection(at=server)
    for index, fields in enumerate(([], [('Transfer-Encoding', 'chunked')])):
        body = http.chunked(b'why not', (3,)) if fields else b'why not'
        answer = wire.ask('DELETE', f'/t/{case.topic}.{index}', [*AS_ADMIN, *fields], body)
        check.equal(answer.status, 200, 'status')
    check.equal(wire.ask('GET', '/healthz').status, 200, 'status of the next')


def publish_until_refused(server, topic, name, accepted):
    """Until it is 410; appends the ids of what was taken, with what it was."""
    with http.Connection(server.port) as wire:
        for index in range(1_000_000):
            body = f'{name} {index}'
            answer = wire.ask('POST', f'/t/{topic}', body=body.encode())
            if answer.status == 410:
                return http.error(answer, 410, 'finished')
            accepted.append((http.published(answer, topic), body))
    return check.fail('a million were taken')


@testing.limit(60)
def test_under_load_everybody_gets_exactly_what_was_accepted(case):
    """The end cuts the order for all alike: publishers, subscribers, those who take it all."""
    server = start(case)
    readers = [(kind, subscriber.open(case, kind, [case.topic], at=server))
               for kind in PUSHING for _ in range(3)]
    ended = [testing.Background(reading.to_the_end, reader) for _, reader in readers]
    witness = subscriber.open(case, 'sse json', [f'{case.topic}.#'], at=server)
    accepted = []
    publishers = [testing.Background(publish_until_refused, server, case.topic, str(index),
                                     accepted) for index in range(3)]
    check.eventually(lambda: len(accepted) > 300, 'publishing is under way')
    end = finish(server, case.topic)
    for publisher in publishers:
        publisher.result()
    accepted.sort(key=lambda pair: http.cursor(pair[0]))
    check.true(http.cursor(accepted[-1][0]) < http.cursor(end), 'accepted behind the end')
    expected = [body for _, body in accepted]
    for (kind, _), reader in zip(readers, ended):
        items, how = reader.result()
        check.equal([item.data for item in items], expected, f'{kind}: what it got')
        check.equal(how, reading.ENDED if kind in STREAMS else 1000, f'{kind}: how it ended')
    subscriber.expect(witness, expected, 'who takes all topics')


@testing.limit(60)
def test_a_websocket_that_publishes_meanwhile_gets_its_own_and_then_1000(case):
    server = start(case)
    peer = case.peer(at=server)
    watcher = subscriber.open(case, 'sse', [case.topic], at=server)
    stop = threading.Event()

    def publish():
        for index in range(100_000):
            if stop.is_set():
                return
            try:
                peer.send_text(str(index))
            except OSError:
                return

    publisher = testing.Background(publish)
    check.equal(peer.text(), '0', 'its own first message')
    finish(server, case.topic)
    got, how = reading.to_the_end(watcher)
    own = 1
    try:
        while True:
            check.equal(peer.text(), str(own), 'its own message')
            own += 1
    except websocket.Closed as closed:
        check.equal(closed.code, 1000, 'close code')
    stop.set()
    peer.reset()
    publisher.result()
    check.equal(([message.data for message in got], how),
                ([str(index) for index in range(own)], reading.ENDED), 'what the stream got')


@testing.limit(60)
def test_who_is_behind_gets_everything_before_the_end(case):
    server = start(case)
    texts = [str(index).ljust(20_000, '.') for index in range(100)]
    for kind, topic in each_kind(case):
        wire = subscriber.KINDS[kind](server.port, receive_buffer=SMALL_BUFFER)
        reader = case.keep(wire).subscribe([topic])
        http.publish_all(server, [(topic, text.encode()) for text in texts])
        finish(server, topic)
        expect_end(reader, kind, texts)


def test_finished_subscriptions_leave_nothing_behind(case):
    server = start(case)
    for kind, topic in each_kind(case):
        readers = [subscriber.open(case, kind, [topic], at=server) for _ in range(6)]
        finish(server, topic)
        for reader in readers:
            expect_end(reader, kind)
            reader.close()
    server.wait_metric(0, 'uproar_subscriptions')
    server.wait_connection_count(1)


def test_a_stream_that_came_by_another_request_is_ended_too(case):
    server = start(case)
    wire = case.keep(sse.Stream(server.port))
    wire.ask('GET', '/healthz')
    wire.open(f'/t/{case.topic}')
    finish(server, case.topic)
    wire.expect_end()
