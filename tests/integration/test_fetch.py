"""POST /t: event streams for clients that send a body (fetch), which bodies are taken, and what is
refused. Where a stream begins is in test_resume.py, the stream itself in test_sse.py.
"""
import contextlib
import json

from lib import check, http, sse, testing

ALLOWED = 'https://app.example.org'
FLAGS = ['--allow-origin', ALLOWED]
SSE = [('Accept', 'text/event-stream')]
JSON = [('Content-Type', 'application/json')]
UNREASONABLE = 20 << 20  # of a body


def request(port, body, fields=(), accept='text/event-stream', **how):
    """body: bytes, or what becomes JSON."""
    fields = [*JSON, *fields] + ([('Accept', accept)] if accept else [])
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return http.request_bytes('POST', '/t', fields, data, port=port, **how)


def ask(case, body, fields=(), at=None, **how):
    """A stream, past its first block."""
    stream = case.keep(sse.Stream((at or case.server).port))
    return stream.open_with(request(stream.port, body, fields, **how))


def refused(case, body, status=400, name=None, fields=(), at=None, **how):
    wire = case.connection(at=at)
    wire.send(request(wire.port, body, fields, **how))
    answer = wire.head()
    check.equal(answer.status, status, f'status for {check.shown(body, 80)}')
    answer.body = wire.body(answer.get('content-length'), None)
    http.error(answer, status, name)
    return answer


def check_receives(case, stream, topic, at=None):
    """What is published to that topic is the next event."""
    given = http.publish(at or case.server, topic, b'hello')
    event = stream.event()
    check.equal((event.id, 'hello' in event.data), (given, True), f'the event of {topic}: {event}')


def test_one_plain_topic_is_a_raw_stream(case):
    stream = ask(case, {'topics': [case.topic]})
    check.equal(stream.opened.get('uproar-cursor'), stream.first.id, 'Uproar-Cursor')
    check.true(2000 <= stream.first.retry <= 4000, f'retry: {stream.first.retry}')
    given = http.publish(case.server, case.topic, b'hello')
    check.equal(stream.event().lines, ['data: hello', f'id: {given}'], 'the lines of the event')


def test_it_has_the_head_of_any_event_stream(case):
    posted = ask(case, {'topics': [case.topic]}).opened
    gotten = case.stream().opened
    changing = ('date', 'uproar-cursor')
    check.equal([field for field in posted.fields if field[0] not in changing],
                [field for field in gotten.fields if field[0] not in changing], 'the head')


def test_several_topics_and_patterns_are_envelopes(case):
    base = case.topic
    stream = ask(case, {'topics': [base, f'{base}.*', f'{base}.a.#']})
    for topic in (base, f'{base}.b', f'{base}.a', f'{base}.a.b.c'):
        given = http.publish(case.server, topic, b'hello')
        event = stream.event()
        envelope = json.loads(event.data)
        check.equal((envelope['id'], envelope['topic'], event.id), (given, topic, given), topic)
    http.publish(case.server, f'{base}.b.c', b'not asked for')
    check_receives(case, stream, base)


def test_a_format_may_be_named(case):
    topics = [case.topic, f'{case.topic}.b']
    raw = ask(case, {'topics': topics, 'format': 'raw'})
    enveloped = ask(case, {'format': 'json', 'topics': topics[:1]})
    http.publish(case.server, case.topic, b'hello')
    check.equal(raw.event().data, 'hello', 'raw')
    check.equal(json.loads(enveloped.event().data)['data'], 'hello', 'the envelope')


def test_members_may_come_in_any_order_and_with_any_white_space(case):
    first = http.publish(case.server, case.topic, b'first')
    http.publish(case.server, case.topic, b'second')
    topic = case.topic.encode()
    for body in (b' \t\r\n{ "after" : "%b" , "topics":[ "%b" ] }\n ' % (first.encode(), topic),
                 b'{"format":"raw","last":1,"topics":["%b"]}' % topic,
                 b'{"topics":["%b"],"last":1,"after":"%b"}' % (topic, first.encode())):
        check.equal(ask(case, body).event().data, 'second', f'the first event for {body}')


def test_topics_may_be_escaped(case):
    for escaped, topic in ((r'gr\u00fc\u00dfe', 'gr%C3%BC%C3%9Fe'), ('grüße', 'gr%C3%BC%C3%9Fe'),
                           (r'\ud83e\udd81', '%F0%9F%A6%81'), (r'a\"b\\c\/d', 'a%22b%5Cc/d'),
                           (r'\u0061\u002Eb', 'a.b'), (r'\u20AC', '%E2%82%AC')):
        stream = ask(case, f'{{"topics":["{escaped}"]}}'.encode())
        http.ask(case.server, 'POST', f'/t/{topic}', body=b'hello')
        check.equal(stream.event().data, 'hello', f'the event of {escaped}')
        stream.close()


def test_members_may_be_escaped(case):
    stream = ask(case, b'{"\\u0074opics":["%b"]}' % case.topic.encode())
    check_receives(case, stream, case.topic)


def test_a_topic_named_twice_is_delivered_once(case):
    stream = ask(case, {'topics': [case.topic, case.topic, f'{case.topic}.#'], 'format': 'json'})
    for _ in range(3):
        check_receives(case, stream, case.topic)


def test_256_topics_are_taken_and_one_more_is_not(case):
    topics = [f'{case.topic}.{index:03}.{"x" * 180}' for index in range(257)]
    check_receives(case, ask(case, {'topics': topics[1:]}), topics[-1])
    refused(case, {'topics': topics}, 400, 'too_many_topics')


def test_topics_of_any_allowed_length_are_taken(case):
    check_receives(case, ask(case, {'topics': ['y' * 255]}), 'y' * 255)
    refused(case, {'topics': ['y' * 256]}, 400, 'bad_topic')


def test_topics_that_are_none_are_400(case):
    for topic in ('', 'a..b', '.a', 'a.', 'a\nb', '\x7f'):
        refused(case, {'topics': [topic]}, 400, 'bad_topic')
        refused(case, {'topics': ['a', topic, 'b']}, 400, 'bad_topic')
    refused(case, {'topics': ['a\0b']}, 400)
    refused(case, {'topics': []}, 400)


def test_what_is_no_object_of_ours_is_400(case):
    for body in (b'', b' ', b'x', b'{', b'}', b'[]', b'["a"]', b'null', b'"a"', b'1', b'{}',
                 b'{"topics"}', b'{"topics":}', b'{"topics":["a"]', b'{"topics":["a"',
                 b'{"topics":["a]}', b'{"topics":["a",]}', b'{"topics":["a"],}', b'{,}',
                 b'{"topics":["a"]}x', b'{"topics":["a"]}{}', b"{'topics':['a']}",
                 b'{topics:["a"]}', b'{"topics":["a" "b"]}', b'{"topics":[,"a"]}',
                 b'{"topics":["a\nb"]}', b'{"topics":["a\\x"]}', b'{"topics":["\\u12"]}',
                 b'{"topics":["\\u00zz"]}', b'\xef\xbb\xbf{"topics":["a"]}',
                 b'/**/{"topics":["a"]}',
                 b'topics=a', b'{"topics":["a"]}\0', b'{"topics" ["a"]}', b'{"topics":["a"];}'):
        refused(case, body, 400)


def test_members_of_another_type_are_400(case):
    bad = {
        'topics': ('a', None, 1, True, {}, {'a': 'b'}, [1], [None], [['a']], [{}], ['a', 2]),
        'after': (1, None, True, [], {}, ['now']),
        'last': ('1', 1.5, -1, 1001, None, True, [], 1e3, 10 ** 30),
        'format': (1, None, True, [], 'xml', '', 'JSON'),
    }
    for member, values in bad.items():
        for value in values:
            refused(case, {'topics': ['a'], member: value}, 400)


def test_members_that_nobody_knows_are_400(case):
    for member in ('topic', 'Topics', 'wait', '', 'token', 'a' * 1000, 'topics\0'):
        refused(case, {'topics': ['a'], member: 1}, 400, 'bad_body')
        refused(case, {member: {'deep': [{}]}, 'topics': ['a']}, 400, 'bad_body')


def test_text_that_is_not_utf8_is_400(case):
    for text in (b'\xff', b'\xc0\x80', b'\xe4\xb8', b'\xed\xa0\x80', rb'\ud800', rb'\udc00',
                 rb'\ud83e', rb'\ud83ex', rb'\udd81\ud83e'):
        refused(case, b'{"topics":["%b"]}' % text, 400)


@testing.limit(40)
def test_nested_garbage_is_400_and_harmless(case):
    for body in (b'[' * 250_000, b'{"topics":' + b'[' * 250_000, b'{"a":' * 50_000,
                 b'{"topics":[' + b'{"a":[' * 40_000, b'"' * 250_001, b'\\' * 250_000,
                 b'{"topics":["' + b'\\u0061' * 40_000 + b'"]}',
                 b'{"topics":[' + b'"a",' * 60_000 + b'"a"]}', b'{' + b'"a":1,' * 40_000,
                 b'{"last":' + b'9' * 250_000 + b'}', b'\0' * 250_000, bytes(range(256)) * 1000):
        refused(case, body, 400)
    case.peer().echo('others are served')


def test_the_largest_sensible_body_is_taken(case):
    """256 topics of 255 bytes, with letters of two bytes that become escapes of six."""
    names = [f'{index:03}' + '\u0436' * 126 for index in range(255)]
    check.equal(len(names[0].encode()), 255, 'length of a name')
    stream = ask(case, json.dumps({'topics': [*names, case.topic]}, ensure_ascii=True).encode())
    check_receives(case, stream, case.topic)


@testing.limit(40)
def test_a_body_beyond_reason_is_refused_and_not_kept(case):
    """White space is JSON, and 1 MB of it may be taken or not; 20 MB are not."""
    server = case.start()
    before = server.resident_bytes()
    for size, allowed in ((1_000_000, (200, 400, 413)), (UNREASONABLE, (400, 413))):
        for _ in range(3):
            wire = case.connection(at=server)
            with contextlib.suppress(OSError):
                wire.send(request(wire.port, b'{"topics":["a"]' + b' ' * size + b'}'))
            with contextlib.suppress(OSError, http.Ended):
                check.one_of(wire.head().status, allowed, f'status for {size} bytes')
    grown = server.resident_bytes() - before
    check.true(grown < case.memory_growth_max(), f'grew by {grown >> 20} MiB')
    case.peer(at=server).echo('others are served')


def test_a_chunked_body_is_the_same(case):
    body = json.dumps({'topics': [case.topic]}).encode()
    for sizes in ((), (1,), (5, 1, 1, 7)):
        wire = case.keep(sse.Stream(case.server.port))
        fields = [*SSE, *JSON, ('Transfer-Encoding', 'chunked')]
        wire.open_with(http.request_bytes('POST', '/t', fields, http.chunked(body, sizes),
                                          port=wire.port))
        check_receives(case, wire, case.topic)


def test_a_request_may_come_in_pieces(case):
    for how in ({}, {'fields': [('Last-Event-ID', 'now')]}):
        wire = case.keep(sse.Stream(case.server.port))
        body = {'topics': [case.topic, f'{case.topic}.b'], 'format': 'raw'}
        whole = request(wire.port, body, **how)
        wire.send_pieces([bytes([byte]) for byte in whole[:-1]])
        check.true(wire.is_open() and not wire.buffer, 'answered before its end')
        wire.open_with(whole[-1:])
        check_receives(case, wire, f'{case.topic}.b')


def test_expect_100_continue_is_answered_before_the_body(case):
    body = json.dumps({'topics': [case.topic]}).encode()
    for fields, sent in (([('Content-Length', str(len(body)))], body),
                         ([('Transfer-Encoding', 'chunked')], http.chunked(body, (3,)))):
        wire = case.keep(sse.Stream(case.server.port))
        wire.send(http.request_bytes('POST', '/t', [*SSE, *JSON, *fields,
                                                    ('Expect', '100-continue')], port=wire.port))
        check.equal(wire.answer().status, 100, 'the interim status')
        check_receives(case, wire.open_with(sent), case.topic)


def test_what_is_not_said_in_accept_may_be_a_stream(case):
    for accept in (None, '*/*', 'text/event-stream', 'Text/Event-Stream; charset=utf-8',
                   'application/json, text/event-stream;q=0.5', 'image/png, */*;q=0.1'):
        check_receives(case, ask(case, {'topics': [case.topic]}, accept=accept), case.topic)


def test_who_accepts_only_other_types_gets_406(case):
    for accept in ('application/json', 'text/html', 'application/x-ndjson',
                   'text/html,application/xhtml+xml', 'image/*'):
        refused(case, {'topics': [case.topic]}, 406, accept=accept)


def test_last_event_id_wins_over_the_body(case):
    ids = http.publish_all(case.server, [(case.topic, b'%d' % index) for index in range(4)])
    for members in ({'after': ids[0]}, {'after': 'earliest'}, {'last': 3}, {'after': 'now'}):
        stream = ask(case, {'topics': [case.topic], **members}, [('Last-Event-ID', ids[2])])
        check.equal((stream.first.id, stream.event().data), (ids[2], '3'), f'with {members}')


def test_an_unreadable_cursor_is_400_in_the_body_and_a_gap_in_the_header(case):
    for text in ('x', '', 'Earliest', '0123456789abcdef-01'):
        refused(case, {'topics': [case.topic], 'after': text}, 400, 'bad_cursor')
    stream = ask(case, {'topics': [case.topic]}, [('Last-Event-ID', 'x')])
    check.equal(stream.event().name, 'gap', 'the first event')


def test_a_body_that_is_refused_is_refused_whatever_the_header_says(case):
    refused(case, {'topics': []}, 400, fields=[('Last-Event-ID', 'x')])


def test_heartbeats_follow(case):
    server = case.start('--heartbeat', 1)
    stream = ask(case, {'topics': [case.topic]}, at=server)
    check.equal([stream.comment() for _ in range(2)], [':'] * 2, 'heartbeats')
    check_receives(case, stream, case.topic, at=server)


def test_http_1_0_is_close_delimited(case):
    stream = ask(case, {'topics': [case.topic]}, version='HTTP/1.0')
    check.true(not stream.is_chunked, 'chunks for HTTP/1.0')
    check_receives(case, stream, case.topic)


def test_what_comes_behind_the_body_is_not_mixed_into_the_stream(case):
    """It is ignored, or the stream ends; it is neither answered nor published."""
    watcher = case.peer()
    smuggled = http.request_bytes('POST', f'/t/{case.topic}', body=b'smuggled')
    for together in (True, False):
        wire = case.keep(sse.Stream(case.server.port))
        whole = request(wire.port, {'topics': [case.topic]})
        wire.open_with(whole + smuggled if together else whole)
        if not together:
            wire.send(smuggled)
        watcher.echo('nothing came before this')
        with contextlib.suppress(http.Ended, OSError):
            check.equal(wire.event().data, 'nothing came before this', 'the event')


def test_it_may_follow_other_requests_and_a_refusal(case):
    wire = case.keep(sse.Stream(case.server.port))
    check.equal(wire.ask('GET', '/healthz').status, 200, 'status')
    for body in (b'x', b'{"topics":[]}'):
        http.error(wire.ask('POST', '/t', [*SSE, *JSON], body), 400)
    http.error(wire.ask('POST', '/t', [('Accept', 'text/html')], b'{"topics":["a"]}'), 406)
    http.published(wire.ask('POST', f'/t/{case.topic}', body=b'x'), case.topic)
    wire.open_with(request(wire.port, {'topics': [case.topic]}))
    check_receives(case, wire, case.topic)


def test_it_may_stand_behind_a_publish_in_one_segment(case):
    wire = case.keep(sse.Stream(case.server.port))
    wire.send(http.request_bytes('POST', f'/t/{case.topic}', body=b'x', port=wire.port)
              + request(wire.port, {'topics': [case.topic]}))
    given = http.published(wire.answer('POST'), case.topic)
    check.equal(wire.open_with(b'').first.id, given, 'where the stream begins')
    check_receives(case, wire, case.topic)


def test_other_methods_are_405(case):
    for method in ('PUT', 'PATCH', 'DELETE'):
        answer = http.ask(case.server, method, '/t', body=b'{"topics":["a"]}')
        http.error(answer, 405)
        for allowed in ('GET', 'POST', 'HEAD'):
            check.true(answer.has_token('allow', allowed), f'{allowed} is not in Allow: {answer}')


def test_a_foreign_origin_is_403_and_an_allowed_one_has_cors_headers(case):
    body = {'topics': [case.topic]}
    refused(case, body, 403, fields=[('Origin', 'http://evil.example')])
    opened = ask(case, body, [('Origin', ALLOWED)]).opened
    check.equal(opened.get('access-control-allow-origin'), ALLOWED, 'the origin, echoed')
    check.true(opened.has_token('access-control-expose-headers', 'uproar-cursor'), 'exposed')
    problem = refused(case, b'x', 400, fields=[('Origin', ALLOWED)])
    check.equal(problem.get('access-control-allow-origin'), ALLOWED, 'the origin, of a 400')


def test_preflights_succeed(case):
    answer = http.ask(case.server, 'OPTIONS', '/t', [
        ('Origin', ALLOWED), ('Access-Control-Request-Method', 'POST'),
        ('Access-Control-Request-Headers', 'content-type, last-event-id, authorization')])
    check.one_of(answer.status, (200, 204), 'status')
    check.equal(answer.get('access-control-allow-origin'), ALLOWED, 'the origin, echoed')
    check.true(answer.has_token('access-control-allow-methods', 'post'), f'methods: {answer}')
    for name in ('content-type', 'last-event-id', 'authorization'):
        check.true(answer.has_token('access-control-allow-headers', name), f'{name}: {answer}')


def test_it_needs_the_subscribe_token_and_no_other(case):
    server = case.start('--subscribe-token', case.file('sub'), '--publish-token',
                        case.file('pub'))
    body = {'topics': [case.topic]}
    for fields in ([], [('Authorization', 'Bearer pub')]):
        answer = refused(case, body, 401, fields=fields, at=server)
        check.contains(answer.get('www-authenticate') or '', 'Bearer', 'WWW-Authenticate')
    ask(case, body, [('Authorization', 'Bearer sub')], at=server)


def test_its_subscribers_are_counted_as_streams(case):
    server = case.start()
    streams = [ask(case, {'topics': [case.topic]}, at=server) for _ in range(5)]
    server.wait_metric(5, 'uproar_connections', proto='sse')
    for stream in streams:
        stream.close()
    server.wait_metric(0, 'uproar_connections', proto='sse')
    server.wait_connection_count(1)


def test_who_leaves_in_the_middle_of_the_body_is_forgotten(case):
    server = case.start()
    for index in range(12):
        wire = case.connection(at=server)
        wire.send(request(wire.port, {'topics': ['x' * 200] * 100})[:-1 - index * 700])
        (wire.reset if index % 2 else wire.close)()
    server.wait_connection_count(1)


@testing.limit(60)
def test_a_crowd_of_streams_with_bodies_receives_everything(case):
    server = case.start(threads=3)
    topics = [f'{case.topic}.{index}' for index in range(60)]
    streams = [(first, ask(case, {'topics': topics[first:first + 50]}, at=server))
               for first in range(10) for _ in range(8)]
    http.publish_all(server, [(topic, topic.encode()) for topic in topics] * 3)
    for first, stream in streams:
        expected = topics[first:first + 50] * 3
        got = [json.loads(stream.event().data)['data'] for _ in expected]
        check.equal(got, expected, f'what it got from {first} on')
