"""What cannot be resumed exactly is told, on every transport, and nothing else is: after which
cursor, from where it goes on, why. Exact resumes are in test_resume.py, slow ones in test_slow.py.
"""
import contextlib

from lib import check, envelope, http, subscriber, testing, websocket

RETAINED = 40
FLAGS = ['--history-messages', str(RETAINED)]
SSE = [('Accept', 'text/event-stream')]
FOREIGN = 'fedcba9876543210-5'
NAMED_MAX = 64  # how much of an unreadable Last-Event-ID is told back


def publish_count(server, topic, count):
    """Publishes '0', '1', ... and returns their ids."""
    return http.publish_all(server, [(topic, b'%d' % index) for index in range(count)])


def texts(*bounds):
    return [str(index) for index in range(*bounds)]


def push_out(server, topic):
    """Publishes so much that nothing of before is retained."""
    return publish_count(server, f'{topic}.chatty', RETAINED + 5)


def beyond(cursor, distance):
    epoch, seq = http.cursor(cursor)
    return f'{epoch}-{seq + distance}'


def expect_gap(case, reader, kind, topics, gap, at=None):
    """The next is that gap (after, resumed, reason). Returns where to read on."""
    subscriber.expect_gap(reader, *gap, kind)
    if kind != 'websocket raw':
        return reader
    with contextlib.closing(reader):
        reader.send(websocket.close_bytes(4410))
        check.equal(reader.ends(), b'', f'{kind}: bytes after the close frame')
    return subscriber.open(case, kind, topics, at=at, after=gap[1])


def check_goes_on(case, reader, topic, kind, at=None):
    http.publish(at or case.server, topic, b'live')
    subscriber.expect(reader, ['live'], f'{kind}: the live message')


def each_kind(case, kinds=subscriber.KINDS):
    for index, kind in enumerate(kinds):
        yield kind, f'{case.topic}.{index}'


def test_a_trimmed_place_is_a_gap_and_then_all_that_is_retained(case):
    for kind, topic in each_kind(case):
        ids = publish_count(case.server, topic, RETAINED + 20)
        reader = subscriber.open(case, kind, [topic], after=ids[3])
        reader = expect_gap(case, reader, kind, [topic], (ids[3], ids[19], 'trimmed'))
        subscriber.expect(reader, texts(20, RETAINED + 20), kind)
        check_goes_on(case, reader, topic, kind)


def test_a_gap_begins_exactly_where_the_first_own_message_was_trimmed(case):
    for kind, topic in each_kind(case):
        ids = publish_count(case.server, topic, RETAINED + 20)
        reader = subscriber.open(case, kind, [topic], after=ids[18])
        expect_gap(case, reader, kind, [topic], (ids[18], ids[19], 'trimmed'))
        for index in (19, 20, RETAINED + 19):
            reader = subscriber.open(case, kind, [topic], after=ids[index])
            subscriber.expect(reader, texts(index + 1, RETAINED + 20), f'{kind} after {index}')


def test_where_a_gap_resumes_is_exact(case):
    """A second cut right behind the gap is not a second gap."""
    for kind, topic in each_kind(case):
        ids = publish_count(case.server, topic, RETAINED + 5)
        gap = subscriber.open(case, kind, [topic], after=ids[0]).next()
        reader = subscriber.open(case, kind, [topic], after=gap.resumed)
        subscriber.expect(reader, texts(5, RETAINED + 5), kind)


def test_a_foreign_epoch_is_a_gap_and_then_all_that_is_retained(case):
    for kind, topic in each_kind(case):
        ids = publish_count(case.server, topic, RETAINED + 2)
        for after in (FOREIGN, 'fedcba9876543210-0', f'{"f" * 16}-18446744073709551615'):
            reader = subscriber.open(case, kind, [topic], after=after)
            reader = expect_gap(case, reader, kind, [topic], (after, ids[1], 'epoch'))
            subscriber.expect(reader, texts(2, RETAINED + 2), f'{kind} after {after}')


def test_a_future_cursor_is_a_gap_and_then_all_that_is_retained(case):
    for kind, topic in each_kind(case):
        ids = publish_count(case.server, topic, RETAINED + 2)
        for distance in (1, 2, 1000, 1 << 40):
            after = beyond(ids[-1], distance)
            reader = subscriber.open(case, kind, [topic], after=after)
            reader = expect_gap(case, reader, kind, [topic], (after, ids[1], 'epoch'))
            subscriber.expect(reader, texts(2, RETAINED + 2), f'{kind} after {after}')


def test_the_newest_cursor_is_not_a_future_one(case):
    for kind, topic in each_kind(case):
        ids = publish_count(case.server, topic, 3)
        check_goes_on(case, subscriber.open(case, kind, [topic], after=ids[-1]), topic, kind)


def test_an_unreadable_header_is_a_gap_never_an_error(case):
    for kind, topic in each_kind(case, subscriber.RESUMING_BY_HEADER):
        ids = publish_count(case.server, topic, RETAINED + 2)
        for text in ('x', '0', ids[5].upper(), f'{ids[5]}x', 'a"b\\c', '-1', 'y' * 1000):
            reader = subscriber.open(case, kind, [topic], last_event_id=text)
            check.equal(reader.first.id, None, f'{kind}: the id of the first block')
            subscriber.expect_gap(reader, text[:NAMED_MAX], ids[1], 'epoch', kind)
            subscriber.expect(reader, texts(2, RETAINED + 2), f'{kind} after {text[:NAMED_MAX]}')


def test_a_header_in_any_encoding_is_answered_in_utf8(case):
    for text in ('grüße', 'x' * 63 + 'ü' + 'yyy', '🦁' * 20):
        reader = subscriber.open(case, 'sse', [case.topic],
                                 last_event_id=text.encode().decode('latin-1'))
        gap = reader.next()
        check.true(isinstance(gap, envelope.Gap), f'{gap} after {text!r}')
        cut = text.encode()[:NAMED_MAX].decode(errors='ignore')
        check.equal(gap.after.rstrip('\ufffd'), cut, 'after')
    for text in ('\xff\xfe', 'x' * 62 + '\xe2\x82', '\x80'):
        reader = subscriber.open(case, 'sse', [case.topic], last_event_id=text)
        check.true(isinstance(reader.next(), envelope.Gap), f'no gap after {text!r}')


def test_a_gap_told_by_header_is_the_same(case):
    for kind, topic in each_kind(case, subscriber.RESUMING_BY_HEADER):
        ids = publish_count(case.server, topic, RETAINED + 2)
        for after, reason in ((ids[0], 'trimmed'), (FOREIGN, 'epoch'),
                              (beyond(ids[-1], 1), 'epoch')):
            reader = subscriber.open(case, kind, [topic], last_event_id=after)
            subscriber.expect_gap(reader, after, ids[1], reason, kind)
            subscriber.expect(reader, texts(2, RETAINED + 2), f'{kind} after {after}')


def test_an_event_stream_that_is_cut_before_the_gap_is_told_it_again(case):
    """The first block holds the peer's own cursor; only the gap moves it on."""
    for kind, topic in each_kind(case, subscriber.RESUMING_BY_HEADER):
        ids = publish_count(case.server, topic, RETAINED + 2)
        for after, reason in ((ids[0], 'trimmed'), (FOREIGN, 'epoch')):
            reader = subscriber.open(case, kind, [topic], last_event_id=after)
            check.equal(reader.first.id, after, f'{kind}: the id of the first block')
            check.equal(reader.opened.get('uproar-cursor'), ids[1], f'{kind}: Uproar-Cursor')
            reader.reset()
            again = subscriber.open(case, kind, [topic], last_event_id=reader.first.id)
            subscriber.expect_gap(again, after, ids[1], reason, kind)


def test_a_json_websocket_that_is_cut_before_the_gap_is_told_it_again(case):
    for kind, topic in each_kind(case, ('websocket json', 'websocket protocol')):
        ids = publish_count(case.server, topic, RETAINED + 2)
        for after, reason in ((ids[0], 'trimmed'), (FOREIGN, 'epoch')):
            start = subscriber.open(case, kind, [topic], after=after).start
            again = subscriber.open(case, kind, [topic], after=start)
            subscriber.expect_gap(again, after, ids[1], reason, kind)


def test_a_gap_is_an_event_of_its_own_name(case):
    ids = publish_count(case.server, case.topic, RETAINED + 2)
    stream = case.stream(query=f'?after={ids[0]}')
    lines = stream.event().lines
    check.equal((lines[0], lines[-1]), ('event: gap', f'id: {ids[1]}'), 'the lines of a gap')


def test_a_publisher_cannot_pretend_a_gap(case):
    answer = http.ask(case.server, 'POST', f'/t/{case.topic}?event=gap', [], b'x')
    check.equal(answer.status, 400, 'status')
    http.publish(case.server, case.topic, b'x', query='?event=gaps')


def test_earliest_and_last_of_a_trimmed_topic_are_no_gap(case):
    for kind, topic in each_kind(case):
        publish_count(case.server, topic, RETAINED + 20)
        reader = subscriber.open(case, kind, [topic], after='earliest')
        subscriber.expect(reader, texts(20, RETAINED + 20), f'{kind} from the earliest')
        reader = subscriber.open(case, kind, [topic], last=1000)
        subscriber.expect(reader, texts(20, RETAINED + 20), f'{kind}, the last 1000')
        check_goes_on(case, reader, topic, kind)


def test_a_topic_that_had_no_message_has_no_gap_whatever_is_trimmed_beside_it(case):
    for kind, topic in each_kind(case):
        old = push_out(case.server, topic)[0]
        push_out(case.server, topic)
        reader = subscriber.open(case, kind, [topic], after=old)
        check.one_of(reader.start, (old, reader.opened.get('uproar-cursor')), f'{kind}: start')
        check_goes_on(case, reader, topic, kind)


def test_a_topic_whose_messages_were_all_delivered_has_no_gap(case):
    """However long ago, and whatever was trimmed since, its own messages included."""
    for kind, topic in each_kind(case):
        ids = publish_count(case.server, topic, 3)
        for _ in range(3):
            push_out(case.server, topic)
            reader = subscriber.open(case, kind, [topic], after=ids[-1])
        check_goes_on(case, reader, topic, kind)


def test_one_message_that_was_not_delivered_is_a_gap_beside_a_chatty_topic(case):
    for kind, topic in each_kind(case):
        ids = publish_count(case.server, topic, 3)
        others = push_out(case.server, topic)
        reader = subscriber.open(case, kind, [topic], after=ids[1])
        gap = (ids[1], others[4], 'trimmed')
        check_goes_on(case, expect_gap(case, reader, kind, [topic], gap), topic, kind)


def test_a_quiet_subscriber_stays_and_misses_nothing_beside_a_chatty_topic(case):
    """Neither a gap nor a close, whether its topic had a message before or not."""
    for with_message in (True, False):
        readers = []
        for kind, topic in each_kind(case):
            topic += str(with_message)
            readers.append((kind, topic, subscriber.open(case, kind, [topic])))
            if with_message:
                http.publish(case.server, topic, b'first')
                subscriber.expect(readers[-1][2], ['first'], kind)
        for _ in range(4):
            push_out(case.server, case.topic)
        for kind, topic, reader in readers:
            check_goes_on(case, reader, topic, kind)


def test_a_set_has_a_gap_when_any_of_its_topics_has(case):
    for kind, topic in each_kind(case):
        for index, is_exact in enumerate((False, False, True)):
            names = [f'{topic}.{index}.{name}' for name in 'abc']
            ids = http.publish_all(case.server, [(name, b'x') for name in names])
            others = push_out(case.server, topic)
            reader = subscriber.open(case, kind, names, after=ids[index])
            if not is_exact:
                gap = (ids[index], others[4], 'trimmed')
                reader = expect_gap(case, reader, kind, names, gap)
            check_goes_on(case, reader, names[0], kind)


def test_a_pattern_has_a_gap_only_for_what_matches_it(case):
    for kind, topic in each_kind(case):
        own, pattern = f'{topic}.own.x', f'{topic}.own.*'
        ids = publish_count(case.server, own, 2)
        others = push_out(case.server, topic)
        reader = subscriber.open(case, kind, [pattern], after=ids[0])
        reader = expect_gap(case, reader, kind, [pattern], (ids[0], others[4], 'trimmed'))
        check_goes_on(case, reader, own, kind)
        given = http.publish(case.server, own, b'')
        push_out(case.server, topic)
        reader = subscriber.open(case, kind, [pattern], after=given)
        check_goes_on(case, reader, own, kind)


def test_after_a_restart_there_is_a_gap_and_then_all_that_the_new_one_has(case):
    before = case.start()
    ids = publish_count(before, case.topic, 5)
    before.stop()
    server = case.start()
    epoch = check_no_messages_yet(case, server, ids[-1])
    publish_count(server, case.topic, 3)
    for kind in subscriber.KINDS:
        for after in (ids[0], ids[-1]):
            reader = subscriber.open(case, kind, [case.topic], at=server, after=after)
            gap = (after, f'{epoch}-0', 'epoch')
            reader = expect_gap(case, reader, kind, [case.topic], gap, at=server)
            subscriber.expect(reader, texts(3), f'{kind} after {after}')


def check_no_messages_yet(case, server, after):
    """A fresh log tells the gap too. Returns its epoch."""
    for kind in subscriber.KINDS:
        reader = subscriber.open(case, kind, ['unused'], at=server, after=after)
        gap = reader.next()
        check.true(isinstance(gap, envelope.Gap), f'{kind}: {gap} after a restart')
        epoch, seq = http.cursor(gap.resumed)
        check.equal((gap.after, seq), (after, 0), f'{kind}: after and resumed')
    check.true(epoch != http.cursor(after)[0], 'the epoch is the same after a restart')
    return epoch


def gone_after(server, topic, after):
    """Is this no place any more on the reactor that happens to be asked?"""
    return http.ask(server, 'GET', f'/t/{topic}?after={after}').status == 410


def test_messages_leave_by_age(case):
    server = case.start('--history-seconds', 1)
    ids = publish_count(server, case.topic, 3)
    check.eventually(lambda: all(gone_after(server, case.topic, ids[0]) for _ in range(12)),
                     'every reactor has let go of them')
    for kind in subscriber.KINDS:
        reader = subscriber.open(case, kind, [case.topic], at=server, after=ids[0])
        gap = (ids[0], ids[2], 'trimmed')
        expect_gap(case, reader, kind, [case.topic], gap, at=server).close()
        reader = subscriber.open(case, kind, [case.topic], at=server, after=ids[2])
        reader.close()
        check.one_of(reader.start, (ids[2],), f'{kind}: where it begins')
        subscriber.open(case, kind, [case.topic], at=server, after='earliest').close()


def test_messages_leave_by_size(case):
    server = case.start('--history-bytes', 1_000_000)
    bodies = [(b'%02d' % index).ljust(100_000, b'.') for index in range(30)]
    ids = http.publish_all(server, [(case.topic, body) for body in bodies], pipeline=5)
    for kind in subscriber.KINDS:
        reader = subscriber.open(case, kind, [case.topic], at=server, after=ids[0])
        gap = reader.next()
        check.true(isinstance(gap, envelope.Gap), f'{kind}: {gap} where a gap was due')
        check.equal((gap.after, gap.reason or 'trimmed'), (ids[0], 'trimmed'), f'{kind}: gap')
        first = ids.index(gap.resumed) + 1
        check.true(20 <= first <= 25, f'{kind}: {30 - first} messages of 100 kB in 1 MB')
        reader = subscriber.open(case, kind, [case.topic], at=server, after=gap.resumed)
        subscriber.expect(reader, [body.decode() for body in bodies[first:]], kind)


@testing.limit(40)
def test_gaps_are_counted_by_reason(case):
    server = case.start(*FLAGS)
    ids = publish_count(server, case.topic, RETAINED + 2)
    for kind in subscriber.KINDS:
        for after in (ids[0], FOREIGN, beyond(ids[-1], 1), ids[1], ids[-1]):
            subscriber.open(case, kind, [case.topic], at=server, after=after).close()
    for kind in subscriber.RESUMING_BY_HEADER:
        subscriber.open(case, kind, [case.topic], at=server, last_event_id='x').close()
    count = len(subscriber.KINDS)
    server.wait_metric(count, 'uproar_gaps_total', reason='trimmed')
    server.wait_metric(2 * count + len(subscriber.RESUMING_BY_HEADER), 'uproar_gaps_total',
                       reason='epoch')
    server.wait_metric(0, 'uproar_gaps_total', reason='slow')
