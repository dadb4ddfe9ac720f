"""Server-Sent Events (WHATWG HTML, 9.2): heads, framing, the first block, events, heartbeats, ends.
Who may subscribe is in test_origin.py and test_tokens.py.
"""
import base64
import os

from lib import check, http, sse


def directives(value):
    return {item.strip().lower() for item in (value or '').split(',')}


def check_head(stream):
    caching = directives(stream.opened.get('cache-control'))
    check.true({'no-store', 'no-transform'} <= caching, f'Cache-Control: {caching}')
    check.equal(stream.opened.get('x-accel-buffering'), 'no', 'X-Accel-Buffering')
    check.equal(stream.opened.get('content-encoding'), None, 'Content-Encoding')
    check.true('origin' in directives(','.join(stream.opened.all('vary'))), 'no Vary: Origin')


def check_close_delimited(stream):
    check.true(not stream.is_chunked, 'the stream is chunked')
    check.true(stream.opened.has_token('connection', 'close'), f'not said: {stream.opened}')


def test_the_head_keeps_caches_and_proxies_away(case):
    check_head(case.stream())


def test_the_first_block_has_retry_and_id_and_nothing_else(case):
    stream = case.stream()
    check.equal(len(stream.first.lines), 2, f'lines of the first block: {stream.first}')
    check.true(stream.first.data is None and not stream.first.named, f'{stream.first}')
    check.true(2000 <= stream.first.retry <= 4000, f'retry: {stream.first.retry}')
    http.cursor(stream.first.id)
    check.equal(stream.opened.get('uproar-cursor'), stream.first.id, 'Uproar-Cursor')


def test_old_clients_are_sent_two_kilobytes_before_the_first_block(case):
    """Without them XMLHttpRequest of old browsers shows nothing."""
    for version in ('HTTP/1.1', 'HTTP/1.0'):
        for query in ('padding=true', 'lastEventId=&padding=true', 'evs_preamble=2056'):
            stream = case.keep(sse.Stream(case.server.port))
            stream.open(f'/t/{case.topic}?{query}', version=version)
            check.equal(len(''.join(stream.comments)), 2047, f'the comment for {query}')
            check.equal(len(stream.first.lines), 2, f'lines of the first block: {stream.first}')
            given = http.publish(case.server, case.topic, b'hello')
            check.equal(stream.event().id, given, f'the first event after {query}')


def test_nobody_else_is_sent_anything_before_the_first_block(case):
    for query in ('', '?padding=false', '?padding', '?topic=evs_preamble'):
        stream = case.keep(sse.Stream(case.server.port)).open(f'/t/{case.topic}{query}')
        check.equal(stream.comments, [], f'comments with {query!r}')


def test_retry_is_jittered(case):
    values = {case.stream().first.retry for _ in range(12)}
    check.true(len(values) > 3, f'twelve streams were told {values}')


def test_the_first_id_is_at_least_the_last_publish(case):
    before = http.cursor(http.publish(case.server, case.topic, b'x'))
    first = http.cursor(case.stream().first.id)
    check.equal(first[0], before[0], 'epoch')
    check.true(first >= before, f'{first} is before {before}')


def test_an_event_has_the_id_of_the_publish_and_its_data(case):
    stream = case.stream()
    given = http.publish(case.server, case.topic, b'hello')
    event = stream.event()
    check.equal(event.lines, ['data: hello', f'id: {given}'], 'the lines of the event')


def test_ids_increase_in_log_order(case):
    stream = case.stream()
    given = [http.publish(case.server, case.topic, b'%d' % index) for index in range(20)]
    got = [stream.event() for _ in given]
    check.equal([event.id for event in got], given, 'ids')
    check.equal([int(event.data) for event in got], list(range(20)), 'data')
    cursors = [http.cursor(stream.first.id)] + [http.cursor(event.id) for event in got]
    check.equal(cursors, sorted(set(cursors)), 'cursors')
    check.equal(len({epoch for epoch, _ in cursors}), 1, 'epochs')


def test_each_line_of_a_message_is_a_data_line(case):
    stream = case.stream()
    for text, lines in ((b'a\nb', ['a', 'b']), (b'a\r\nb\rc\nd', ['a', 'b', 'c', 'd']),
                        (b'\n', ['', '']), (b'a\n\n\nb', ['a', '', '', 'b']),
                        (b'end\n', ['end', '']), (b'\r\r\n', ['', '', ''])):
        http.publish(case.server, case.topic, text)
        got = stream.event()
        check.equal(got.lines[:-1], [f'data: {line}' for line in lines], f'lines of {text}')


def test_spaces_and_colons_survive(case):
    stream = case.stream()
    for text in (' leading', '  two', 'trailing ', ': not a comment', 'id: not an id',
                 'data: x', 'retry: 1', '\ttab', '"', '\\n', '\0'):
        http.publish(case.server, case.topic, text.encode())
        check.equal(stream.event().data, text, 'data')


def test_utf8_survives(case):
    stream = case.stream()
    for text in ('Grüße, 世界', '🦁 and 👩‍👩‍👧', '\ufeffBOM', 'line\u2028separator'):
        http.publish(case.server, case.topic, text.encode())
        check.equal(stream.event().data, text, 'data')


def test_an_empty_message_is_an_event_with_empty_data(case):
    stream = case.stream()
    given = http.publish(case.server, case.topic, b'')
    check.equal(stream.event().lines, ['data: ', f'id: {given}'], 'the lines of the event')


def test_a_large_message_is_one_event(case):
    stream = case.stream()
    lines = [f'{index:06d} ' + 'x' * 90 for index in range(5000)]
    http.publish(case.server, case.topic, '\n'.join(lines).encode())
    check.true(stream.event().data.split('\n') == lines, 'the message is another')


def test_an_event_name_is_sent_and_does_not_stick(case):
    stream = case.stream()
    http.publish(case.server, case.topic, b'one', query='?event=greeting')
    http.publish(case.server, case.topic, b'two')
    first, second = stream.event(), stream.event()
    check.equal((first.name, first.data), ('greeting', 'one'), 'the named event')
    check.equal((second.named, second.data), (False, 'two'), 'the next one')


def test_an_event_name_is_decoded_as_a_query(case):
    stream = case.stream()
    http.publish(case.server, case.topic, b'x', query='?event=gr%C3%BC%C3%9Fe+an%20alle')
    check.equal(stream.event().name, 'grüße an alle', 'event')


def test_binary_is_base64_and_named_so(case):
    stream = case.stream()
    binary = [('Content-Type', 'application/octet-stream')]
    for data in (b'', b'\0', b'\xff\xfe', bytes(range(256)), os.urandom(100000)):
        http.publish(case.server, case.topic, data, binary)
        event = stream.event()
        check.equal(event.name, 'binary', 'event')
        check.true(event.binary == data, f'the message is another: {event}')
        check.equal(event.data, base64.b64encode(data).decode(), 'one line of base64')


def test_a_name_given_to_binary_is_kept(case):
    stream = case.stream()
    http.publish(case.server, case.topic, b'\xff', [('Content-Type', 'image/png')],
                 query='?event=picture')
    event = stream.event()
    check.equal((event.name, event.binary), ('picture', b'\xff'), 'the event')


def test_a_websocket_peers_messages_arrive_too(case):
    stream, peer = case.stream(), case.peer()
    peer.send_text('text')
    peer.send_binary(b'\x00\xff')
    check.equal((stream.event().data), 'text', 'the text message')
    event = stream.event()
    check.equal((event.name, event.binary), ('binary', b'\x00\xff'), 'the binary message')


def test_http_1_1_is_chunked_or_announces_its_close(case):
    stream = case.stream()
    if not stream.is_chunked:
        check_close_delimited(stream)
    http.publish(case.server, case.topic, b'x')
    check.equal(stream.event().data, 'x', 'data')


def test_a_chunk_holds_whole_lines(case):
    """Proxies forward chunk by chunk: half an event would wait for the next one."""
    stream = case.stream()
    if not stream.is_chunked:
        return
    for text in (b'one', b'two\nlines', b'x' * 5000):
        http.publish(case.server, case.topic, text)
    check.equal((stream.decoded, len(stream.whole_lines)), (b'', 0), 'left behind the first block')
    got = b''
    while got.count(b'\n\n') < 3:
        got += stream.chunk()
        check.true(got.endswith(b'\n\n'), f'a chunk ends in {got[-20:]}')


def test_http_1_0_is_close_delimited(case):
    stream = case.stream(version='HTTP/1.0')
    check.true(not stream.is_chunked, 'chunks for HTTP/1.0')
    check_head(stream)
    http.publish(case.server, case.topic, b'one\ntwo')
    check.equal(stream.event().data, 'one\ntwo', 'data')


def test_connection_close_is_close_delimited(case):
    stream = case.stream(fields=[('Connection', 'close')])
    check_close_delimited(stream)
    http.publish(case.server, case.topic, b'x')
    check.equal(stream.event().data, 'x', 'data')


def test_both_framings_carry_the_same_events(case):
    streams = [case.stream(), case.stream(version='HTTP/1.0')]
    bodies = [b'', b'x', b'a\nb\n', b'y' * 70000] * 5
    for body in bodies:
        http.publish(case.server, case.topic, body)
    first, second = ([stream.event().lines for _ in bodies] for stream in streams)
    check.true(first == second, 'the framings differ')


def test_a_stream_among_other_accepted_types_is_a_stream(case):
    connection = case.connection()
    connection.send(http.request_bytes('GET', f'/t/{case.topic}',
                                       [('Accept', 'text/html;q=0.1, TEXT/Event-Stream')],
                                       port=connection.port))
    check.contains(connection.head().get('content-type'), 'text/event-stream', 'Content-Type')


def test_a_stream_may_follow_other_requests_on_its_connection(case):
    stream = case.keep(sse.Stream(case.server.port))
    check.equal(stream.ask('GET', '/healthz').status, 200, 'status')
    stream.open(f'/t/{case.topic}')
    http.publish(case.server, case.topic, b'x')
    check.equal(stream.event().data, 'x', 'data')


def test_an_unreadable_last_event_id_never_ends_an_event_source(case):
    for value in ('nonsense', '0', 'ffffffffffffffff-1', '-1', 'x' * 1000):
        stream = case.stream(fields=[('Last-Event-ID', value)])
        check.equal(stream.event().name, 'gap', 'the event before all others')
        stream.close()


def test_bad_topics_are_400(case):
    accept = [('Accept', 'text/event-stream')]
    for path in ('/t/', '/t/a..b', '/t/%ff', '/t/%zz', '/t/a%00'):
        http.error(http.ask(case.server, 'GET', path, accept), 400)


def test_heartbeats_are_comments_that_dispatch_nothing(case):
    server = case.start('--heartbeat', 1)
    streams = [case.stream(at=server), case.stream(at=server, version='HTTP/1.0')]
    for stream in streams:
        comments = [stream.comment() for _ in range(3)]
        check.equal(comments, [':'] * 3, 'heartbeats')
        check.equal(stream.lines, [], 'lines beside the heartbeats')
    http.publish(server, case.topic, b'after')
    check.equal([stream.event().data for stream in streams], ['after'] * 2, 'the event after them')


def test_a_subscriber_that_leaves_is_gone_from_the_gauge(case):
    server = case.start()
    before = server.connection_count()
    streams = [case.stream(at=server) for _ in range(6)]
    server.wait_metric(6, 'uproar_connections', proto='sse')
    for index, stream in enumerate(streams):
        if index % 2:
            stream.close()
        else:
            stream.reset()
    server.wait_connection_count(before)


def test_what_a_subscriber_sends_is_not_taken_for_requests(case):
    stream, peer = case.stream(), case.peer()
    stream.send(http.request_bytes('POST', f'/t/{case.topic}', body=b'smuggled',
                                   port=stream.port))
    peer.echo('not smuggled')
    event = stream.event()
    check.equal(event.data, 'not smuggled', 'the first event')


def test_curl_shows_a_stream(case):
    """As people try it: curl -N, and a publish beside it."""
    output = case.start_command('curl', '-sN', '-H', 'Accept: text/event-stream',
                                f'{case.server.url}/t/{case.topic}')
    check.eventually(lambda: b'\n\n' in output.read_bytes(), 'curl shows the first block')
    given = http.publish(case.server, case.topic, b'seen')
    check.eventually(lambda: f'data: seen\nid: {given}\n\n'.encode() in output.read_bytes(),
                     'curl shows the event')


def test_a_stream_over_a_named_host_is_the_same(case):
    connection = case.connection()
    connection.send(http.request_bytes('GET', f'/t/{case.topic}',
                                       [('Accept', 'text/event-stream'),
                                        ('Host', 'localhost:1')]))
    check.equal(connection.head().status, 200, 'status')
