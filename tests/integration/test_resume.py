"""Where a subscriber begins, on every transport: now, earliest, the newest N, after a cursor.
Nothing is lost and nothing comes twice. What cannot be resumed exactly is in test_gaps.py.
"""
from lib import check, http, subscriber, testing, websocket

PUSHING = [kind for kind in subscriber.KINDS if kind not in ('poll', 'ndjson')]
SSE = [('Accept', 'text/event-stream')]
UPGRADE = websocket.handshake_fields(websocket.new_key())
EPOCH = '0123456789abcdef'
UNREADABLE = ('x', '0', '-1', EPOCH, f'{EPOCH}-', f'{EPOCH}-01', f'{EPOCH}-1x', f'{EPOCH}--1',
              f'{EPOCH}-%2B1', f'%20{EPOCH}-1', f'{EPOCH}-1%20', f'{EPOCH[1:]}-1', f'0{EPOCH}-1',
              f'{EPOCH.upper()}-1', f'{EPOCH}-18446744073709551616', f'{EPOCH}-0x1', 'Earliest',
              'latest', 'now%00', 'y' * 5000)


def each_kind(case, kinds=subscriber.KINDS):
    """Every transport with a topic that nobody else has."""
    for index, kind in enumerate(kinds):
        yield kind, f'{case.topic}.{index}'


def publish_texts(server, topic, texts):
    return http.publish_all(server, [(topic, text.encode()) for text in texts])


def check_goes_on(case, reader, topic, kind):
    """What is published now is the next, so nothing else was under way."""
    http.publish(case.server, topic, b'live')
    subscriber.expect(reader, ['live'], f'{kind}: the live message')


def test_the_opening_cursor_makes_a_reconnect_before_the_first_message_exact(case):
    for kind, topic in each_kind(case):
        http.publish(case.server, topic, b'before')
        first = subscriber.open(case, kind, [topic])
        first.reset()
        http.cursor(first.start)
        publish_texts(case.server, topic, '123')
        again = subscriber.open(case, kind, [topic], after=first.start)
        subscriber.expect(again, '123', kind)
        check_goes_on(case, again, topic, kind)


def test_the_opening_cursor_covers_what_was_acknowledged_and_nothing_more(case):
    for kind, topic in each_kind(case):
        given = http.publish(case.server, topic, b'before')
        reader = subscriber.open(case, kind, [topic])
        check.equal(reader.start, given, f'{kind}: where it begins')
        check.equal(reader.opened.get('uproar-cursor'), given, f'{kind}: Uproar-Cursor')


def test_after_any_message_comes_the_rest(case):
    for kind, topic in each_kind(case):
        ids = publish_texts(case.server, topic, '012345')
        for index, given in enumerate(ids):
            reader = subscriber.open(case, kind, [topic], after=given)
            got = subscriber.expect(reader, '012345'[index + 1:], f'{kind} after {index}')
            told = [message.id for message in got if message.id]
            check.true(told in ([], ids[index + 1:]), f'{kind}: ids {told}')


def test_a_resumed_stream_goes_on_with_what_is_published_later(case):
    for kind, topic in each_kind(case):
        ids = publish_texts(case.server, topic, '012')
        readers = [subscriber.open(case, kind, [topic], after=given) for given in ids]
        http.publish(case.server, topic, b'live')
        for index, reader in enumerate(readers):
            subscriber.expect(reader, [*'012'[index + 1:], 'live'], f'{kind} after {index}')


def test_a_resumed_stream_says_that_it_begins_where_it_was_asked_to(case):
    for kind, topic in each_kind(case, PUSHING):
        ids = publish_texts(case.server, topic, '012')
        for given in ids:
            reader = subscriber.open(case, kind, [topic], after=given)
            check.equal(reader.start, given, f'{kind}: where it begins')
            check.equal(reader.opened.get('uproar-cursor'), given, f'{kind}: Uproar-Cursor')


def test_a_cursor_of_any_topic_is_a_place_in_the_order_of_all(case):
    for kind, topic in each_kind(case):
        other = f'{topic}.other'
        ids = http.publish_all(case.server, [(topic, b'0'), (other, b'1'), (topic, b'2'),
                                             (other, b'3'), (topic, b'4')])
        for given, rest in zip(ids, ('24', '24', '4', '4', '')):
            reader = subscriber.open(case, kind, [topic], after=given)
            subscriber.expect(reader, rest, f'{kind} after {given}')
        check_goes_on(case, reader, topic, kind)


def test_a_head_request_tells_where_the_log_is(case):
    given = http.publish(case.server, case.topic, b'0')
    for target in (f'/t/{case.topic}', f'/t?topic={case.topic}&topic=other'):
        answer = http.ask(case.server, 'HEAD', target)
        check.equal((answer.status, answer.get('uproar-cursor')), (200, given), f'HEAD {target}')
    publish_texts(case.server, case.topic, '12')
    reader = subscriber.open(case, 'sse', [case.topic], after=given)
    subscriber.expect(reader, '12', 'after the cursor of HEAD')


def test_a_header_resumes_an_event_stream_and_wins_over_the_query(case):
    for kind, topic in each_kind(case, subscriber.RESUMING_BY_HEADER):
        ids = publish_texts(case.server, topic, '01234')
        for query in ({}, {'after': ids[0]}, {'after': 'earliest'}, {'last': '4'}):
            reader = subscriber.open(case, kind, [topic], last_event_id=ids[2], **query)
            check.equal(reader.start, ids[2], f'{kind} with {query}: where it begins')
            subscriber.expect(reader, '34', f'{kind} with {query}')


def test_a_header_understands_earliest_and_now(case):
    for kind, topic in each_kind(case, subscriber.RESUMING_BY_HEADER):
        ids = publish_texts(case.server, topic, '01')
        reader = subscriber.open(case, kind, [topic], last_event_id='earliest')
        subscriber.expect(reader, '01', kind)
        reader = subscriber.open(case, kind, [topic], last_event_id='now', after=ids[0])
        check.equal(reader.start, ids[1], f'{kind}: where it begins')
        check_goes_on(case, reader, topic, kind)


def test_an_empty_header_is_none(case):
    ids = publish_texts(case.server, case.topic, '01')
    reader = subscriber.open(case, 'sse', [case.topic], last_event_id='')
    check.equal(reader.start, ids[1], 'without a query: now')


def test_event_streams_know_the_names_that_polyfills_use(case):
    ids = publish_texts(case.server, case.topic, '012')
    for name in ('after', 'lastEventId', 'last_event_id'):
        for kind in ('sse', 'sse 1.0', 'sse json'):
            reader = subscriber.open(case, kind, [case.topic], **{name: ids[0]})
            subscriber.expect(reader, '12', f'{kind} with {name}')
            reader = subscriber.open(case, kind, [case.topic], **{name: 'earliest'})
            subscriber.expect(reader, '012', f'{kind} with {name}=earliest')


def test_an_empty_one_of_those_names_is_none(case):
    ids = publish_texts(case.server, case.topic, '012')
    for name in ('lastEventId', 'last_event_id'):
        reader = subscriber.open(case, 'sse', [case.topic], **{name: ''})
        check.equal(reader.start, ids[2], f'{name}: now')
        reader = subscriber.open(case, 'sse', [case.topic], **{name: '', 'after': ids[0]})
        subscriber.expect(reader, '12', f'{name} beside after')


def test_earliest_is_everything_retained(case):
    for kind, topic in each_kind(case):
        publish_texts(case.server, topic, '012')
        reader = subscriber.open(case, kind, [topic], after='earliest')
        subscriber.expect(reader, '012', kind)
        check_goes_on(case, reader, topic, kind)


def test_earliest_on_a_topic_without_messages_waits_for_the_first(case):
    for kind, topic in each_kind(case):
        check_goes_on(case, subscriber.open(case, kind, [topic], after='earliest'), topic, kind)


def test_now_is_nothing_of_before(case):
    for kind, topic in each_kind(case):
        publish_texts(case.server, topic, '012')
        for query in ({}, {'after': 'now'}, {'after': 'now', 'last': 2}):
            reader = subscriber.open(case, kind, [topic], **query)
            check_goes_on(case, reader, topic, f'{kind} with {query}')


def test_last_is_the_newest_so_many_of_its_own(case):
    for kind, topic in each_kind(case):
        http.publish_all(case.server, [(topic, b'0'), (f'{topic}.x', b'x'), (topic, b'1'),
                                       (topic, b'2'), (f'{topic}.x', b'x'), (f'{topic}.x', b'x')])
        for count, texts in ((0, ''), (1, '2'), (2, '12'), (3, '012'), (4, '012'), (1000, '012')):
            reader = subscriber.open(case, kind, [topic], last=count)
            subscriber.expect(reader, texts, f'{kind} with last={count}')
        check_goes_on(case, reader, topic, kind)


def test_last_zero_and_last_of_nothing_begin_now(case):
    for kind, topic in each_kind(case):
        check_goes_on(case, subscriber.open(case, kind, [topic], last=3), topic, kind)
        check_goes_on(case, subscriber.open(case, kind, [topic], last=0), topic, kind)


def test_a_cut_before_the_first_of_the_last_resumes_exactly(case):
    for kind, topic in each_kind(case, PUSHING):
        publish_texts(case.server, topic, '0123')
        for query, texts in (({'last': 2}, '23'), ({'last': 9}, '0123'),
                             ({'after': 'earliest'}, '0123')):
            start = subscriber.open(case, kind, [topic], **query).start
            again = subscriber.open(case, kind, [topic], after=start)
            subscriber.expect(again, texts, f'{kind} with {query}, then after={start}')
            check.equal(again.start, start, f'{kind}: where it begins')


def test_a_cursor_wins_over_last(case):
    for kind, topic in each_kind(case):
        ids = publish_texts(case.server, topic, '01234')
        reader = subscriber.open(case, kind, [topic], after=ids[1], last=1)
        subscriber.expect(reader, '234', kind)


def refusals(case, query):
    """(how it was asked, answer) of each way to subscribe by GET."""
    target = f'/t/{case.topic}?{query}'
    for what, fields in (('a stream', SSE), ('a WebSocket', UPGRADE), ('a poll', [])):
        yield f'{what} with ?{query[:60]}', http.ask(case.server, 'GET', target, fields)


def check_refused(case, query, code):
    for what, answer in refusals(case, query):
        check.equal(answer.status, 400, f'status of {what}')
        http.error(answer, 400, code)


def test_an_unreadable_cursor_in_a_query_is_400(case):
    for text in UNREADABLE:
        check_refused(case, f'after={text}', 'bad_cursor')


def test_an_unreadable_cursor_under_its_other_names_is_400(case):
    for name in ('lastEventId', 'last_event_id'):
        answer = http.ask(case.server, 'GET', f'/t/{case.topic}?{name}=x', SSE)
        http.error(answer, 400, 'bad_cursor')


def test_an_unreadable_cursor_in_a_body_is_400(case):
    for text in ('x', EPOCH, f'{EPOCH}-01', ''):
        answer = http.ask(case.server, 'POST', '/t', [*SSE, ('Content-Type', 'application/json')],
                          b'{"topics":["%s"],"after":"%s"}' % (case.topic.encode(), text.encode()))
        check.equal(answer.status, 400, f'after {text!r} in a body')


def test_other_unreadable_members_of_a_query_are_400(case):
    for text in ('', 'x', '-1', '1001', '1.5', '1x', '99999999999999999999', '0x1'):
        check_refused(case, f'last={text}', 'bad_last')
    for text in ('', 'x', 'JSON', 'raw2', 'xml'):
        check_refused(case, f'format={text}', 'bad_format')
    for text in ('x', '-1', '61', '1.5', '99999999999999999999'):
        answer = http.ask(case.server, 'GET', f'/t/{case.topic}?after=now&wait={text}')
        http.error(answer, 400, 'bad_wait')


def test_after_a_refusal_the_connection_goes_on(case):
    connection = case.connection()
    check.equal(connection.ask('GET', f'/t/{case.topic}?after=x', SSE).status, 400, 'status')
    check.equal(connection.ask('GET', f'/t/{case.topic}').status, 200, 'status')


@testing.limit(60)
def test_thousands_behind_catch_up_and_then_live_ones_follow(case):
    texts = [f'{index}' + '.' * (index % 300) for index in range(2500)]
    ids = publish_texts(case.server, case.topic, texts)
    for kind in subscriber.KINDS:
        reader = subscriber.open(case, kind, [case.topic], after=ids[9])
        subscriber.expect(reader, texts[10:], kind)
        check_goes_on(case, reader, case.topic, kind)
        texts.append('live')


def test_a_stream_may_be_resumed_by_any_other_transport(case):
    """One cursor everywhere."""
    kinds = [kind for kind in subscriber.KINDS if kind != 'websocket raw']
    publish_texts(case.server, case.topic, [str(index) for index in range(len(kinds))])
    after = 'earliest'
    for index, kind in enumerate(kinds):
        reader = subscriber.open(case, kind, [case.topic], after=after)
        after = subscriber.expect(reader, [str(index)], kind)[0].id
        reader.reset()
