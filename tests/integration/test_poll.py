"""Long-polls: what an answer says, how much it holds, who may ask. Which cursors begin where is in
test_resume.py and test_gaps.py, what happens while a poll waits in test_poll_waiting.py.
"""
import base64
import time

from lib import check, http, poll, testing, websocket

ALLOWED = 'https://app.example.org'
FLAGS = ['--allow-origin', ALLOWED]
FOREIGN = 'fedcba9876543210-5'
LINES = [('Accept', poll.NDJSON)]
ANSWER_BYTES_MAX = 1 << 20  # of messages; about


def publish_texts(case, texts, topic=None):
    return http.publish_all(case.server, [(topic or case.topic, text.encode()) for text in texts])


def test_without_a_cursor_it_is_an_empty_array_at_once_whatever_wait_says(case):
    given = http.publish(case.server, case.topic, b'x')
    wire = poll.connect(case)
    for query in ({}, {'wait': 60}, {'wait': 0}):
        answer = wire.poll(case.topic, **query)
        check.equal((answer.status, answer.response.body), (200, b'[]\n'), f'answer to {query}')
        check.equal(answer.cursor, given, 'Uproar-Cursor')


def test_without_a_cursor_there_are_no_lines(case):
    given = http.publish(case.server, case.topic, b'x')
    answer = poll.connect(case).poll(case.topic, fields=LINES, wait=60)
    check.equal((answer.status, answer.response.body, answer.cursor), (200, b'', given), 'answer')


def test_the_head_is_that_of_an_answer_of_its_own(case):
    answer = poll.connect(case).poll(case.topic).response
    check.equal(int(answer.get('content-length')), len(answer.body), 'Content-Length')
    check.equal(answer.get('content-encoding'), None, 'Content-Encoding')
    check.true(answer.has_token('vary', 'origin'), f'no Vary: Origin: {answer}')


def test_what_is_there_is_answered_at_once(case):
    ids = publish_texts(case, '01234')
    wire = poll.connect(case)
    for index, given in enumerate(ids[:-1]):
        answer = wire.poll(case.topic, after=given, wait=60)
        check.equal(answer.data, list('01234'[index + 1:]), f'messages after {index}')
        check.equal([message.id for message in answer.messages], ids[index + 1:], 'ids')
        check.equal(answer.cursor, ids[-1], 'Uproar-Cursor')


def test_an_envelope_holds_what_was_published(case):
    start = http.publish(case.server, case.topic, b'x')
    before = int(time.time() * 1000)
    given = http.publish(case.server, case.topic, 'grüße "\\\n\0🦁'.encode(), query='?event=a%20b')
    message = poll.connect(case).poll(case.topic, after=start).messages[0]
    check.equal((message.id, message.topic, message.event, message.data),
                (given, case.topic, 'a b', 'grüße "\\\n\0🦁'), 'the envelope')
    check.true(before - 2000 < message.time < before + 10_000, f'time {message.time}')


def test_the_bytes_of_an_envelope(case):
    start = http.publish(case.server, case.topic, b'x')
    given = http.publish(case.server, case.topic, b'\x00\xff',
                         [('Content-Type', 'image/png')])
    answer = poll.connect(case).poll(case.topic, after=start)
    expected = '[{"id":"%s","topic":"%s","time":%d,"base64":"%s"}]\n' % (
        given, case.topic, answer.messages[0].time, base64.b64encode(b'\x00\xff').decode())
    check.equal(answer.response.body.decode(), expected, 'the body')


def test_lines_are_asked_for_in_accept(case):
    ids = publish_texts(case, '01\n')
    for accept in (poll.NDJSON, 'Application/X-NDJSON', 'application/x-ndjson, */*;q=0.1',
                   'text/plain;q=0.1, application/x-ndjson;q=0.9'):
        answer = poll.connect(case).poll(case.topic, after=ids[0], fields=[('Accept', accept)])
        check.matches(poll.LINES_TYPE, answer.response.get('content-type'), f'for {accept}')
        check.equal((answer.data, answer.response.body.count(b'\n')), (['1', '\n'], 2), 'lines')


def test_other_accepted_types_get_an_array(case):
    ids = publish_texts(case, '01')
    for accept in ('application/json', '*/*', 'text/html, */*;q=0.8', 'text/html', 'image/png'):
        answer = poll.connect(case).poll(case.topic, after=ids[0], fields=[('Accept', accept)])
        check.matches(poll.JSON_TYPE, answer.response.get('content-type'), f'for {accept}')
        check.equal(answer.data, ['1'], f'messages for {accept}')


def test_a_browser_without_a_place_gets_the_page(case):
    for query, is_page in (('', True), ('?x=y', True), ('?after=now&wait=0', False),
                           ('?wait=0', False), ('?last=1&wait=0', False)):
        answer = http.ask(case.server, 'GET', f'/t/{case.topic}{query}', [('Accept', 'text/html')])
        is_html = (answer.get('content-type') or '').startswith('text/html')
        check.equal(is_html, is_page, f'a page for {query!r}')


def test_when_there_is_nothing_and_no_time_it_is_204(case):
    given = http.publish(case.server, case.topic, b'x')
    wire = poll.connect(case)
    for fields in ([], LINES):
        answer = wire.poll(case.topic, after=given, wait=0, fields=fields)
        check.equal((answer.status, answer.cursor), (204, given), 'status and cursor')


def test_if_none_match_is_a_cursor_and_its_answer_is_304(case):
    given = http.publish(case.server, case.topic, b'x')
    wire = poll.connect(case)
    for tags in (f'"{given}"', f'W/"{given}"'):
        answer = wire.poll(case.topic, wait=0, fields=[('If-None-Match', tags)])
        check.equal((answer.status, answer.cursor), (304, given), f'status and cursor for {tags}')


def test_a_304_says_the_same_however_far_the_log_has_gone_on(case):
    given = http.publish(case.server, case.topic, b'x')
    publish_texts(case, '01', topic=f'{case.topic}.other')
    answer = poll.connect(case).poll(case.topic, wait=0, fields=poll.tagged(given))
    check.equal((answer.status, answer.cursor), (304, given), 'status and cursor')


def test_behind_an_if_none_match_come_messages(case):
    ids = publish_texts(case, '012')
    answer = poll.connect(case).poll(case.topic, wait=60, fields=poll.tagged(ids[0]))
    check.equal((answer.status, answer.data, answer.cursor), (200, ['1', '2'], ids[2]), 'answer')


def test_an_if_none_match_of_others_is_ignored(case):
    given = http.publish(case.server, case.topic, b'x')
    for tags in ('"x"', '*', '', '"', f'"{given}', given, '"-1"', '""', f'"{given}x"', 'W/',
                 '\xff'):
        answer = poll.connect(case).poll(case.topic, wait=60, fields=[('If-None-Match', tags)])
        check.equal((answer.status, answer.data, answer.cursor), (200, [], given), f'for {tags}')


def test_a_gap_is_410_at_once(case):
    given = http.publish(case.server, case.topic, b'x')
    for fields, query in (([], {'after': FOREIGN}), (LINES, {'after': FOREIGN}),
                          (poll.tagged(FOREIGN), {})):
        answer = poll.connect(case).poll(case.topic, wait=60, fields=fields, **query)
        check.equal(answer.status, 410, f'status with {fields} {query}')
        check.equal((answer.gap.after, answer.gap.reason), (FOREIGN, 'epoch'), 'the gap')
        check.true(not poll.is_later(answer.cursor, given), f'resumes behind {given}: {answer}')
        rest = poll.connect(case).poll(case.topic, after=answer.cursor)
        check.equal([message.id for message in rest.messages], [given], 'what follows the gap')


def test_an_answer_has_a_thousand_messages_at_most_and_the_next_goes_on(case):
    texts = [str(index) for index in range(2300)]
    start = http.publish(case.server, case.topic, b'x')
    publish_texts(case, texts)
    for fields in ([], LINES):
        wire, after, got = poll.connect(case), start, []
        for count in (1000, 1000, 300):
            answer = wire.poll(case.topic, after=after, wait=60, fields=fields)
            check.equal(len(answer.messages), count, 'messages of an answer')
            got += answer.data
            after = answer.cursor
        check.equal(got, texts, 'all of them')


def test_an_answer_has_about_a_mebibyte_at_most_and_the_next_goes_on(case):
    texts = [str(index).ljust(60_000, '.') for index in range(40)]
    start = http.publish(case.server, case.topic, b'x')
    publish_texts(case, texts)
    wire, after, got = poll.connect(case), start, []
    while len(got) < len(texts):
        answer = wire.poll(case.topic, after=after, wait=60)
        size = len(answer.response.body)
        check.true(size < ANSWER_BYTES_MAX + 4096, f'{size} bytes')
        got += answer.data
        is_full = size > ANSWER_BYTES_MAX * 9 // 10
        check.true(is_full or len(got) == len(texts), f'only {size} bytes')
        after = answer.cursor
    check.true(got == texts, 'the messages are others')


def test_a_message_beyond_that_comes_alone(case):
    """Escaped it is six times as long."""
    large = '\x01' * (1 << 20)
    start = http.publish(case.server, case.topic, b'x')
    publish_texts(case, ['before', large, large, 'after'])
    wire, after, counts, got = poll.connect(case), start, [], []
    while len(got) < 4:
        answer = wire.poll(case.topic, after=after, wait=60)
        counts.append(len(answer.messages))
        got += answer.data
        after = answer.cursor
    check.true(got == ['before', large, large, 'after'], 'the messages are others')
    check.equal(counts, [1, 1, 1, 1], 'messages of each answer')


def test_many_topics_and_patterns_come_in_log_order_and_once(case):
    base = case.topic
    start = http.publish(case.server, base, b'x')
    published = [(base, '0'), (f'{base}.a', '1'), (f'{base}.b.x', '2'), (f'{base}.no', '-'),
                 (f'{base}.b', '-'), (f'{base}.c', '3'), (f'{base}.c.d.e', '4'), (base, '5')]
    http.publish_all(case.server, [(topic, text.encode()) for topic, text in published])
    topics = [base, f'{base}.a', f'{base}.*.x', f'{base}.c.#', f'{base}.c', f'{base}.a']
    for fields in ([], LINES):
        answer = poll.connect(case).poll(*topics, after=start, fields=fields)
        got = [(message.topic, message.data) for message in answer.messages]
        check.equal(got, [pair for pair in published if pair[1] != '-'], 'messages')


def test_only_what_was_asked_for_is_answered(case):
    start = http.publish(case.server, case.topic, b'x')
    publish_texts(case, '01', topic=f'{case.topic}.other')
    answer = poll.connect(case).poll(case.topic, after=start, wait=0)
    check.equal((answer.status, answer.messages), (204, []), 'answer')
    given = http.publish(case.server, case.topic, b'mine')
    for after in (start, answer.cursor):
        answer = poll.connect(case).poll(case.topic, after=after)
        check.equal([message.id for message in answer.messages], [given], f'after {after}')


def test_a_connection_may_ask_again_and_again(case):
    wire = poll.connect(case)
    after = wire.poll(case.topic).cursor
    for index in range(30):
        given = http.publish(case.server, case.topic, b'%d' % index)
        answer = wire.poll(case.topic, after=after, wait=60)
        check.equal((answer.data, answer.cursor), ([str(index)], given), 'answer')
        check.equal(wire.poll(case.topic, after=given, wait=0).status, 204, 'status')
        check.equal(wire.poll(case.topic, wait=0, fields=poll.tagged(given)).status, 304, 'status')
        after = given


def test_after_connection_close_and_in_http_1_0_it_is_the_last(case):
    ids = publish_texts(case, '01')
    for how in ({'version': 'HTTP/1.0'}, {'fields': [('Connection', 'close')]}):
        for query, status in (({}, 200), ({'after': ids[0]}, 200), ({'after': ids[1]}, 204)):
            wire = poll.connect(case)
            answer = wire.poll(case.topic, wait=0, **how, **query)
            check.equal(answer.status, status, f'status with {how}, {query}')
            check.equal(wire.ends(), b'', 'bytes after the answer')


def test_head_is_answered_at_once_and_without_a_body(case):
    given = http.publish(case.server, case.topic, b'x')
    wire = case.connection()
    for target in (f'/t/{case.topic}', f'/t?topic={case.topic}&topic=b.*',
                   f'/t/{case.topic}?after={given}&wait=60'):
        answer = wire.ask('HEAD', target)
        check.equal((answer.status, answer.get('uproar-cursor')), (200, given), f'HEAD {target}')
    check.equal(wire.ask('GET', '/healthz').body.strip(), b'ok', 'the answer after it')


def test_topics_that_are_none_are_400(case):
    wire = case.connection()
    for target, name in (('/t', None), ('/t?topic=', 'bad_topic'), ('/t?topic=a..b', 'bad_topic'),
                         ('/t?topic=a&topic=%ff', 'bad_topic'), ('/t?wait=1', None),
                         ('/t?' + '&'.join(f'topic=a{n}' for n in range(257)), 'too_many_topics')):
        http.error(wire.ask('GET', target), 400, name)


def test_256_topics_are_taken(case):
    topics = [f'256.{index}' for index in range(256)]  # a longer target is 414
    start = http.publish(case.server, case.topic, b'x')
    publish_texts(case, 'abc', topic=topics[-1])
    answer = poll.connect(case).poll(*topics, after=start)
    check.equal(answer.data, list('abc'), 'messages of the last topic')


def test_answers_that_nobody_reads_have_a_budget_and_then_it_is_503_until_one_has_gone(case):
    budget = 8 << 20
    server = case.start('--body-memory', budget, threads=1)
    start = http.publish(server, case.topic, b'x')
    http.publish(server, case.topic, b'y' * (1 << 20))
    before = server.resident_bytes()
    stalled = [poll.connect(case, server, receive_buffer=4096).begin(case.topic, after=start)
               for _ in range(60)]
    asking = poll.connect(case, server)
    target = f'/t/{case.topic}?after={start}&wait=0'
    check.eventually(lambda: asking.ask('GET', target).status == 503, 'it is refused')
    answer = asking.ask('GET', target)
    http.error(answer, 503, 'no_memory')
    check.equal(answer.get('retry-after'), '1', 'Retry-After')
    grown = server.resident_bytes() - before
    check.true(grown < 2 * budget + case.memory_growth_max(), f'grew by {grown >> 20} MiB')
    for wire in stalled:
        wire.close()
    server.wait_connection_count(2)
    check.equal(len(asking.poll(case.topic, after=start, wait=0).messages), 1, 'messages')


@testing.limit(60)
def test_a_loop_of_polls_has_every_message_once_while_thousands_are_published(case):
    server = case.start(threads=3)
    start = http.publish(server, case.topic, b'x')
    count = 1500
    followers = [testing.Background(poll.follow, poll.connect(case, server), topics, start,
                                    2 * count, is_tagged, fields)
                 for topics in ([case.topic, f'{case.topic}.b'], [f'{case.topic}.#'])
                 for is_tagged in (False, True) for fields in ([], LINES)]
    publishers = [testing.Background(http.publish_all, server,
                                     [(topic, f'{topic} {index}'.encode())
                                      for index in range(count)])
                  for topic in (case.topic, f'{case.topic}.b')]
    given = sorted(http.cursor(id) for publisher in publishers for id in publisher.result())
    for follower in followers:
        check.true([http.cursor(message.id) for message in follower.result()] == given,
                   'its messages are not those that were published')


def test_messages_in_answers_are_counted_as_delivered(case):
    server = case.start()
    start = http.publish(server, case.topic, b'x')
    http.publish_all(server, [(case.topic, b'x')] * 3)
    for fields in ([], LINES):
        poll.connect(case, server).poll(case.topic, after=start, fields=fields)
    server.wait_metric(6, 'uproar_deliveries_total', proto='poll')


def test_a_foreign_origin_is_403(case):
    for topics in ([case.topic], [case.topic, 'b']):
        wire = case.connection()
        wire.send(poll.request(topics, [('Origin', 'http://evil.example')], wire.port, wait=60))
        answer = wire.answer()
        http.error(answer, 403)
        check.equal(answer.get('access-control-allow-origin'), None, 'CORS')


def test_an_allowed_origin_can_read_every_kind_of_answer(case):
    ids = publish_texts(case, '01')
    origin = [('Origin', ALLOWED)]
    for fields, query, status in (([], {'after': ids[0]}, 200), ([], {'after': ids[1]}, 204),
                                  (poll.tagged(ids[1]), {}, 304), ([], {'after': FOREIGN}, 410)):
        answer = poll.connect(case).poll(case.topic, fields=[*origin, *fields], wait=0, **query)
        check.equal(answer.status, status, 'status')
        check_cors(answer.response, f'a {status}')


def check_cors(response, what):
    check.equal(response.get('access-control-allow-origin'), ALLOWED, f'{what}: the origin')
    check.equal(response.get('access-control-allow-credentials'), 'true', f'{what}: credentials')
    for name in ('uproar-cursor', 'etag', 'retry-after'):
        check.true(response.has_token('access-control-expose-headers', name),
                   f'{what}: {name} is not exposed')
    check.true(response.has_token('vary', 'origin'), f'{what}: no Vary: Origin')


def test_a_poll_needs_the_subscribe_token(case):
    server = case.start('--subscribe-token', case.file('5ecret'),
                        '--publish-token', case.file('other'))
    for fields, query in (([], {}), ([('Authorization', 'Bearer other')], {}),
                          ([], {'token': 'wrong'})):
        for topics in (['x'], ['x', 'y']):
            wire = case.connection(at=server)
            wire.send(poll.request(topics, fields, wire.port, wait=60, **query))
            answer = wire.answer()
            http.error(answer, 401)
            check.contains(answer.get('www-authenticate') or '', 'Bearer', 'WWW-Authenticate')
    for fields, query in (([('Authorization', 'Bearer 5ecret')], {}), ([], {'token': '5ecret'})):
        answer = poll.connect(case, server).poll('x', fields=fields, **query)
        check.equal(answer.status, 200, 'status')


def test_an_upgrade_is_no_poll(case):
    peer = case.keep(websocket.Peer(case.server.port))
    check.equal(peer.open(f'/t/{case.topic}?wait=60').opened.status, 101, 'status')
