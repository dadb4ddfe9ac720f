"""Sets of topics and patterns on one connection: who gets what, once each, in log order.
Where such a stream resumes is in test_resume.py and test_gaps.py too, for one topic.
"""
import json
import os
import random
import urllib.parse

from lib import check, envelope, http, sse, subscriber, testing, websocket

TOPICS_MAX = 256
SSE = [('Accept', 'text/event-stream')]
UPGRADE = websocket.handshake_fields(websocket.new_key())


def each_kind(case, kinds=subscriber.KINDS):
    for index, kind in enumerate(kinds):
        yield kind, f'{case.topic}.{index}'


def publish_each(server, topics):
    """One message to each topic, in this order; its text is its number. Returns their ids."""
    return http.publish_all(server, [(urllib.parse.quote(topic, safe=''), b'%d' % index)
                                     for index, topic in enumerate(topics)], is_escaped=True)


def check_set(reader, topics, given, wanted, what):
    """Exactly those of the published are the next, in their order, with their ids and topics."""
    numbers = [index for index, topic in enumerate(topics) if wanted(topic)]
    got = subscriber.expect(reader, [str(index) for index in numbers], what)
    ids = [message.id for message in got if message.id]
    check.true(ids in ([], [given[index] for index in numbers]), f'{what}: ids {ids}')
    named = [message.topic for message in got if message.topic]
    check.true(named in ([], [topics[index] for index in numbers]), f'{what}: topics {named}')


def shuffled(items, seed):
    items = list(items)
    random.Random(seed).shuffle(items)
    return items


def test_a_set_has_the_messages_of_all_its_topics_in_log_order(case):
    for kind, topic in each_kind(case):
        names = [f'{topic}.{name}' for name in ('a', 'b', 'c', 'unasked')]
        reader = subscriber.open(case, kind, names[:3])
        topics = shuffled(names * 20, 1)
        given = publish_each(case.server, topics)
        check_set(reader, topics, given, lambda name: name in names[:3], kind)


def test_a_set_resumes_after_any_message_of_any_topic(case):
    for kind, topic in each_kind(case):
        names = [f'{topic}.{name}' for name in ('a', 'b', 'c', 'unasked')]
        topics = shuffled(names * 3, 2)
        given = publish_each(case.server, topics)
        for index, after in enumerate(given):
            reader = subscriber.open(case, kind, names[:3], after=after)
            rest = [f'{number}' for number in range(index + 1, len(topics))
                    if topics[number] in names[:3]]
            subscriber.expect(reader, rest, f'{kind} after {index}')
        http.publish(case.server, names[0], b'live')
        subscriber.expect(reader, ['live'], kind)


def test_last_counts_over_the_whole_set(case):
    for kind, topic in each_kind(case):
        names = [f'{topic}.{name}' for name in 'abc']
        topics = [names[0]] * 3 + [names[1]] * 2 + [names[2], names[0]]
        publish_each(case.server, topics)
        for count, texts in ((2, '46'), (3, '346'), (100, '012346'), (0, '')):
            reader = subscriber.open(case, kind, names[:2], last=count)
            subscriber.expect(reader, texts, f'{kind} with last={count}')
        for count, texts in ((2, '56'), (100, '0123456')):
            reader = subscriber.open(case, kind, [f'{topic}.*'], last=count)
            subscriber.expect(reader, texts, f'{kind}, a pattern with last={count}')


def test_the_order_of_the_names_does_not_matter(case):
    names = [f'{case.topic}.{name}' for name in ('a', 'b', 'c.*', 'd.#', 'e')]
    topics = shuffled([f'{case.topic}.{name}' for name in ('a', 'b', 'c.x', 'd', 'e', 'f')] * 5, 3)
    readers = [subscriber.open(case, kind, shuffled(names, seed))
               for kind in subscriber.KINDS for seed in range(3)]
    given = publish_each(case.server, topics)
    for reader in readers:
        check_set(reader, topics, given, lambda name: not name.endswith('.f'), type(reader))


def test_a_name_given_twice_is_delivered_once(case):
    for kind, topic in each_kind(case):
        reader = subscriber.open(case, kind, [topic, f'{topic}.b', topic, topic])
        topics = [topic, f'{topic}.b', topic]
        check_set(reader, topics, publish_each(case.server, topics), lambda _: True, kind)


def test_overlapping_subscriptions_deliver_once(case):
    for kind, topic in each_kind(case):
        names = [topic, f'{topic}.#', f'{topic}.*', f'{topic}.a', '#', f'{topic}.*.b',
                 f'{topic}.a.#']
        reader = subscriber.open(case, kind, names)
        topics = shuffled([topic, f'{topic}.a', f'{topic}.a.b', f'{topic}.c'] * 5, 4)
        check_set(reader, topics, publish_each(case.server, topics), lambda _: True, kind)


PATTERNS = {  # pattern: the topics below that it matches
    '*': ['a', 'b', 'A', 'a*', 'a#b', '**'],
    'a.*': ['a.b', 'a.c', 'a.*b'],
    '*.b': ['a.b', 'b.b'],
    'a.*.c': ['a.b.c', 'a.c.c'],
    '*.*.c': ['a.b.c', 'a.c.c', 'b.b.c'],
    'a.#': ['a', 'a.b', 'a.c', 'a.*b', 'a.b.c', 'a.c.c', 'a.b.c.d'],
    'a.b.#': ['a.b', 'a.b.c', 'a.b.c.d'],
    '*.#': ['a', 'b', 'A', 'a*', 'a#b', '**', 'a.b', 'a.c', 'a.*b', 'b.b', 'a.b.c', 'a.c.c',
            'b.b.c', 'a.b.c.d'],
    '*.b.#': ['a.b', 'b.b', 'a.b.c', 'b.b.c', 'a.b.c.d'],
    '*.*.*.*': ['a.b.c.d'],
    'a.*.*.#': ['a.b.c', 'a.c.c', 'a.b.c.d'],
    'a.b.c.d.e.#': [],
    'a.b.c.d.*': [],
    'ab.*': [],
}
MATCHED = sorted({topic for topics in PATTERNS.values() for topic in topics})


def test_patterns_match_what_they_should(case):
    for kind, base in each_kind(case, ('sse json', 'websocket json', 'poll')):
        readers = {pattern: subscriber.open(case, kind, [f'{base}.{pattern}'])
                   for pattern in PATTERNS}
        topics = [f'{base}.{name}' for name in MATCHED] + [f'{base}', f'{base}x.a']
        given = publish_each(case.server, topics)
        http.publish(case.server, f'{base}.a.b.c.d.e', b'end')
        for pattern, reader in readers.items():
            own = {f'{base}.{name}' for name in PATTERNS[pattern]}
            check_set(reader, topics, given, own.__contains__, f'{kind}: {pattern}')


def test_the_pattern_of_everything_matches_everything(case):
    for kind, topic in each_kind(case):
        reader = subscriber.open(case, kind, ['#'])
        topics = [topic, f'{topic}.a', f'{topic}.a.b', f'x{topic}']
        check_set(reader, topics, publish_each(case.server, topics), lambda _: True, kind)


def test_a_pattern_has_topics_that_appear_later(case):
    for kind, topic in each_kind(case):
        reader = subscriber.open(case, kind, [f'{topic}.*', f'{topic}.x.#'])
        for round in range(3):
            topics = [f'{topic}.new{round}', f'{topic}.x.{round}', f'{topic}.no.{round}']
            given = publish_each(case.server, topics)
            check_set(reader, topics, given, lambda name: '.no.' not in name, kind)


def test_a_pattern_resumes_over_topics_that_appeared_meanwhile(case):
    for kind, topic in each_kind(case):
        start = http.publish(case.server, f'{topic}.elsewhere.x', b'')
        topics = [f'{topic}.{index}' for index in range(8)] + [f'{topic}.x.y']
        publish_each(case.server, topics)
        reader = subscriber.open(case, kind, [f'{topic}.*'], after=start)
        subscriber.expect(reader, '01234567', kind)


def test_stars_and_hashes_inside_a_level_are_plain(case):
    for kind, topic in each_kind(case):
        names = [f'{topic}.a*b', f'{topic}.*x', f'{topic}.#y', f'{topic}.z#.b', f'{topic}.**']
        reader = subscriber.open(case, kind, names)
        topics = [*names, f'{topic}.aab', f'{topic}.xx', f'{topic}.y', f'{topic}.z1.b',
                  f'{topic}.q.q', *names]
        check_set(reader, topics, publish_each(case.server, topics), names.__contains__, kind)


def test_a_topic_is_no_prefix_of_another(case):
    for kind, topic in each_kind(case):
        names = [f'{topic}.a', f'{topic}.B']
        reader = subscriber.open(case, kind, names)
        topics = [f'{topic}.a', f'{topic}.ab', f'{topic}.a.b', f'{topic}.A', f'{topic}.b', topic,
                  f'{topic}.B']
        check_set(reader, topics, publish_each(case.server, topics), names.__contains__, kind)


@testing.limit(40)
def test_as_many_topics_as_are_allowed_keep_log_order(case):
    for kind, topic in each_kind(case):
        names = [f'{topic[-8:]}.{index}' for index in range(TOPICS_MAX)]
        reader = subscriber.open(case, kind, names)
        topics = shuffled(names * 2 + [f'{topic}.unasked'] * 20, 5)
        given = publish_each(case.server, topics)
        check_set(reader, topics, given, names.__contains__, kind)
        again = subscriber.open(case, kind, names, after=given[99])
        rest = [f'{number}' for number in range(100, len(topics)) if topics[number] in names]
        subscriber.expect(again, rest, f'{kind}, resumed')


def test_one_topic_too_many_is_refused(case):
    names = [f't{index}' for index in range(TOPICS_MAX + 1)]
    target = subscriber.target(names, {})
    for fields in (SSE, UPGRADE, []):
        http.error(http.ask(case.server, 'GET', target, fields), 400, 'too_many_topics')
    body = json.dumps({'topics': names}).encode()
    answer = http.ask(case.server, 'POST', '/t', [*SSE, ('Content-Type', 'application/json')], body)
    check.equal(answer.status, 400, 'status of a POST with too many topics')


ILL_FORMED = ('', '.', 'a.', '.a', 'a..b', '#.a', 'a.#.b', '#.#', 'a\0', 'a\nb', '\x7f', 'x' * 256)


def test_ill_formed_topics_and_patterns_are_refused(case):
    for topic in ILL_FORMED:
        for others in ([], ['fine']):
            query = urllib.parse.urlencode([('topic', name) for name in [*others, topic]])
            for fields in (SSE, UPGRADE, []):
                answer = http.ask(case.server, 'GET', f'/t?{query}', fields)
                check.equal(answer.status, 400, f'status with topic {topic!r}')
                http.error(answer, 400, 'bad_topic')
    for query in ('', '?', '?topics=a', '?after=now'):
        check.equal(http.ask(case.server, 'GET', f'/t{query}', SSE).status, 400, f'/t{query}')
    http.error(http.ask(case.server, 'GET', '/t?topic=%ff', SSE), 400, 'bad_topic')


def test_the_longest_topics_are_fine(case):
    names = [(case.topic + '.' + 'x' * 255)[:255], ('ü' * 127 + case.topic)[:128]]
    check.equal([len(name.encode()) for name in names], [255, 255], 'lengths')
    for kind in subscriber.KINDS:
        reader = subscriber.open(case, kind, names)
        check_set(reader, names, publish_each(case.server, names), lambda _: True, kind)


def test_publishing_to_a_pattern_is_refused(case):
    for topic in ('*', '%23', 'a.*', 'a.%23', '*.a', 'a.%23.b'):
        http.error(http.ask(case.server, 'POST', f'/t/{topic}', [], b'x'), 400, 'bad_topic')


def test_names_are_decoded_alike_in_paths_and_queries(case):
    """A plus sign is a space only in a query."""
    for topic, path, query in (('a b', 'a%20b', 'a+b'), ('a+b', 'a+b', 'a%2Bb'),
                               ('a/b', 'a/b', 'a/b'), ('a/b', 'a%2Fb', 'a%2fb'),
                               ('ü', '%c3%bc', '%C3%BC'), ('a&b=c', 'a&b=c', 'a%26b%3Dc'),
                               ('a?b', 'a%3Fb', 'a?b'), ('a%b', 'a%25b', 'a%25b')):
        escaped = urllib.parse.quote(topic, safe='')
        streams = [case.keep(sse.Stream(case.server.port)).open(target)
                   for target in (f'/t/{path}', f'/t?topic={query}',
                                  f'/t?topic={escaped}&after=now')]
        answer = http.ask(case.server, 'POST', f'/t/{path}', [], b'x')
        http.published(answer, topic)
        for stream in streams:
            check.equal(stream.event().data, 'x', f'{topic!r} as {path} and {query}')


def test_one_plain_topic_is_raw_and_all_else_json(case):
    plain, pattern = [case.topic], [f'{case.topic}.#']
    for names, is_json in ((plain, False), (pattern, True), ([*plain, 'other'], True)):
        query = urllib.parse.urlencode([('topic', name) for name in names])
        stream = case.keep(sse.Stream(case.server.port)).open(f'/t?{query}')
        peer = case.keep(websocket.Peer(case.server.port)).open(f'/t?{query}')
        if is_json:
            check.contains(peer.text(), '"open"', 'the first message of a JSON WebSocket')
        http.publish(case.server, case.topic, b'bare')
        for text in (stream.event().data, peer.text()):
            data = envelope.message_from(text).data if is_json else text
            check.equal(data, 'bare', f'the message of {names}')


def test_a_pattern_in_the_path_is_a_pattern(case):
    for kind, topic in each_kind(case):
        reader = subscriber.open(case, kind, [f'{topic}.*'])
        http.publish(case.server, f'{topic}.a', b'a')
        subscriber.expect(reader, ['a'], kind)


def test_a_websocket_of_one_topic_publishes_whatever_its_format(case):
    for query in ('', '&format=raw', '&format=json'):
        peer = case.keep(websocket.Peer(case.server.port)).open(f'/t?topic={case.topic}{query}')
        if 'json' in query:
            check.contains(peer.text(), '"open"', 'the first message of a JSON WebSocket')
        stream = case.stream()
        peer.send_text('{"open":1}')
        peer.send_binary(b'\xff')
        check.equal(stream.event().data, '{"open":1}', 'the text')
        check.equal(stream.event().binary, b'\xff', 'the binary message')
        own = [peer.message()[1] for _ in range(2)]
        if 'json' in query:
            own = [envelope.message_from(text.decode()).data for text in own]
            own[0] = own[0].encode()
        check.equal(own, [b'{"open":1}', b'\xff'], 'its own messages come back')


def test_publishing_on_a_websocket_of_several_topics_or_a_pattern_is_1008(case):
    watcher = subscriber.open(case, 'sse json', ['#'])
    for names in ([f'{case.topic}.a', f'{case.topic}.b'], [f'{case.topic}.*'], ['#']):
        for form in ({}, {'format': 'raw'}, {'format': 'json'}):
            for frame in (websocket.frame_bytes(websocket.TEXT, b'lost'),
                          websocket.frame_bytes(websocket.BINARY, b''),
                          websocket.frame_bytes(websocket.TEXT, b'lo', fin=False) +
                          websocket.frame_bytes(websocket.CONTINUATION, b'st')):
                peer = case.keep(websocket.Peer(case.server.port))
                peer.open(subscriber.target(names, form))
                peer.send(frame)
                peer.expect_close(1008, skip=(websocket.TEXT,))
    http.publish(case.server, case.topic, b'the first')
    check.equal(watcher.next().data, 'the first', 'the first message of all')


def test_a_websocket_of_several_topics_still_answers_pings(case):
    reader = subscriber.open(case, 'websocket json', [f'{case.topic}.a', f'{case.topic}.b'])
    reader.send(websocket.frame_bytes(websocket.PING, b'?'))
    reader.expect_pong(b'?')
    http.publish(case.server, f'{case.topic}.b', b'x')
    subscriber.expect(reader, ['x'], 'after the ping')
    reader.leave()


def test_sets_are_forgotten_and_made_again(case):
    names = [f'{case.topic}.{index}' for index in range(20)]
    for round in range(3):
        readers = [subscriber.open(case, kind, [*shuffled(names, round), f'{case.topic}.*.x'])
                   for kind in ('sse', 'websocket json', 'websocket raw') for _ in range(3)]
        topics = shuffled([*names, f'{case.topic}.y.x'], round)
        given = publish_each(case.server, topics)
        for reader in readers:
            check_set(reader, topics, given, lambda _: True, f'round {round}')
            reader.reset()


def matches(pattern, topic):
    """As the contract says it, told another way than by a trie."""
    if pattern == topic or pattern == ['#']:
        return True
    return bool(pattern and topic) and pattern[0] in ('*', topic[0]) \
        and matches(pattern[1:], topic[1:])


def random_names(chance, base):
    """A few topics and patterns over a small alphabet, so that they overlap."""
    names = []
    for _ in range(chance.choice((1, 2, 3, 10))):
        levels = [chance.choice('ab**') for _ in range(chance.randrange(1, 4))]
        names.append('.'.join([base, *levels, *chance.choice(([], [], ['#']))]))
    return names


@testing.limit(60)
def test_many_sets_that_overlap_each_have_their_own(case):
    seed = int.from_bytes(os.urandom(4), 'big')
    chance = random.Random(seed)
    server = case.start(threads=3)
    readers = []
    for index in range(90):
        names = random_names(chance, case.topic)
        readers.append((names, subscriber.open(case, list(subscriber.KINDS)[index % 9], names,
                                               at=server)))
    topics = ['.'.join([case.topic, *(chance.choice('abc') for _ in range(chance.randrange(4)))])
              for _ in range(300)]
    given = publish_each(server, topics)
    http.publish_all(server, [(f'{case.topic}.{name}', b'') for name in ('a', 'b')])
    for names, reader in readers:
        patterns = [name.split('.') for name in names]
        check_set(reader, topics, given,
                  lambda topic: any(matches(each, topic.split('.')) for each in patterns),
                  f'seed {seed}, {type(reader).__name__} of {names}')
