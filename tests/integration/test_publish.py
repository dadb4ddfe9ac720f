"""Publishing by POST: what is accepted, as which kind, to which topic, and what is refused.
Bodies' framing is in test_http_framing.py, the order of many publishers in test_order.py.
"""
from lib import check, http
from lib.websocket import BINARY, TEXT


def post(case, target, body=b'x', fields=()):
    return http.ask(case.server, 'POST', target, fields, body)


def test_a_publish_is_201_with_id_and_topic(case):
    http.published(post(case, f'/t/{case.topic}'), case.topic)


def test_ids_increase_and_share_an_epoch(case):
    ids = [http.cursor(http.publish(case.server, case.topic, b'x')) for _ in range(10)]
    check.equal(ids, sorted(set(ids)), 'ids')
    check.equal(len({epoch for epoch, _ in ids}), 1, 'epochs')


def test_sequences_are_those_of_one_log_for_all_topics(case):
    server = case.start()
    ids = [http.cursor(http.publish(server, f'topic-{index % 3}', b'x'))[1] for index in range(9)]
    check.equal(ids, list(range(ids[0], ids[0] + 9)), 'sequences over three topics')


def test_two_servers_have_two_epochs(case):
    one, two = (http.cursor(http.publish(case.start(), 'x', b'x'))[0] for _ in range(2))
    check.true(one != two, f'both have epoch {one}')


def check_kind(case, fields, body, opcode):
    """Publishes and looks at how a WebSocket subscriber gets it."""
    peer = case.peer()
    http.publish(case.server, case.topic, body, fields)
    check.equal(peer.message(), (opcode, body), f'the message published with {fields}')
    peer.close()


def test_text_types_are_text(case):
    for kind in ('text/plain', 'text/plain; charset=utf-8', 'text/plain;charset="UTF-8"',
                 'text/html', 'application/json', 'Application/JSON; charset=utf-8',
                 'application/x-www-form-urlencoded', 'text/plain; charset=utf8'):
        check_kind(case, [('Content-Type', kind)], 'grüße=a+b%20c'.encode(), TEXT)


def test_other_types_are_binary(case):
    for kind in ('application/octet-stream', 'image/png', 'application/vnd.x'):
        check_kind(case, [('Content-Type', kind)], b'looks like text', BINARY)


def test_without_a_type_utf8_is_text_and_the_rest_binary(case):
    check_kind(case, [], 'Grüße 🦁'.encode(), TEXT)
    check_kind(case, [], b'\xff\xfe', BINARY)
    check_kind(case, [], b'cut \xe4\xb8', BINARY)
    check_kind(case, [], b'', TEXT)


def test_text_that_is_not_utf8_is_400(case):
    for kind in ('text/plain', 'application/json', 'application/x-www-form-urlencoded'):
        for body in (b'\xff', b'cut \xe4\xb8', b'\xed\xa0\x80'):
            http.error(post(case, f'/t/{case.topic}', body, [('Content-Type', kind)]), 400)


def test_other_charsets_are_415(case):
    for charset in ('iso-8859-1', '"latin1"', 'utf-16'):
        fields = [('Content-Type', f'text/plain; charset={charset}')]
        http.error(post(case, f'/t/{case.topic}', b'x', fields), 415)


def test_content_codings_are_415(case):
    for coding in ('gzip', 'br', 'deflate'):
        fields = [('Content-Encoding', coding)]
        http.error(post(case, f'/t/{case.topic}', b'x', fields), 415)


def test_a_body_over_max_message_is_413(case):
    server = case.start('--max-message', 1000)
    http.publish(server, case.topic, b'x' * 1000)
    http.error(http.ask(server, 'POST', f'/t/{case.topic}', body=b'x' * 1001), 413)
    chunked = [('Transfer-Encoding', 'chunked')]
    http.error(http.ask(server, 'POST', f'/t/{case.topic}', chunked,
                        http.chunked(b'x' * 1001, (500,))), 413)
    http.error(http.ask(server, 'POST', f'/t/{case.topic}',
                        [('Content-Length', str(2**64 - 1))]), 413)


def test_refused_publishes_reach_nobody(case):
    peer = case.peer()
    refused = [('?event=gap', []), ('', [('Content-Encoding', 'gzip')]),
               ('', [('Content-Type', 'text/plain; charset=latin1')])]
    for query, fields in refused:
        response = post(case, f'/t/{case.topic}{query}', b'refused', fields)
        check.one_of(response.status, (400, 415), 'status')
    peer.echo('accepted')


def test_empty_bodies_are_fine(case):
    peer = case.peer()
    http.publish(case.server, case.topic, b'')
    http.publish(case.server, case.topic, None)
    check.equal([peer.text(), peer.text()], ['', ''], 'messages')


def check_topic(case, path, topic, reaches=None):
    """A publish to path is one to topic, and arrives at a subscriber of `reaches`."""
    peer = case.peer(reaches or path)
    http.published(post(case, f'/t/{path}', path.encode()), topic)
    check.equal(peer.text(), path, f'what arrived for {path}')
    peer.close()


def test_topics_may_have_slashes_escaped_or_not(case):
    check_topic(case, 'a/b/c', 'a/b/c', reaches='a%2Fb%2fc')
    check_topic(case, 'a%2Fb', 'a/b', reaches='a/b')
    check_topic(case, 'a//b/', 'a//b/')


def test_topics_may_have_any_characters(case):
    check_topic(case, 'gr%C3%BC%C3%9Fe', 'grüße')
    check_topic(case, '%F0%9F%A6%81.cub', '🦁.cub')
    check_topic(case, 'with%20space', 'with space')
    check_topic(case, 'a%22b%5C', 'a"b\\')
    check_topic(case, 'a*b.c%23', 'a*b.c#')
    check_topic(case, '~!$&\'()=:@,;-_', '~!$&\'()=:@,;-_')


def test_a_plus_in_a_topic_is_a_plus(case):
    check_topic(case, 'a+b', 'a+b', reaches='a%2Bb')


def test_dots_in_a_path_are_not_resolved(case):
    http.error(post(case, '/t/a/../b'), 400)  # "..": empty levels
    check_topic(case, 'a/b.c', 'a/b.c')


def test_levels_may_be_deep(case):
    topic = '.'.join('abcdefghij' * 10)
    check_topic(case, topic, topic)


def test_a_topic_has_at_most_255_bytes(case):
    check_topic(case, 'x' * 255, 'x' * 255)
    check_topic(case, '%C3%BC' * 127 + 'x', 'ü' * 127 + 'x')
    http.error(post(case, '/t/' + 'x' * 256), 400)
    http.error(post(case, '/t/' + '%C3%BC' * 128), 400)


def test_bad_topics_are_400(case):
    bad = {
        'empty': '', 'an empty level': 'a..b', 'an empty first level': '.a',
        'an empty last level': 'a.', 'only a dot': '.', 'an escaped dot': 'a%2E',
        'a star': '*', 'a star level': 'a.*.b', 'a hash level': 'a.%23', 'only a hash': '%23',
        'an escaped star': 'a.%2A', 'NUL': 'a%00', 'LF': 'a%0Ab', 'TAB': '%09', 'DEL': 'a%7F',
        'a lone continuation byte': 'a%80', 'an overlong NUL': '%C0%80', 'a surrogate': '%ED%A0%80',
    }
    for what, path in bad.items():
        try:
            http.error(post(case, f'/t/{path}'), 400)
        except check.Failed as problem:
            check.fail(f'{what}: {problem}')


def test_event_gap_is_reserved(case):
    http.error(post(case, f'/t/{case.topic}?event=gap'), 400)
    http.error(post(case, f'/t/{case.topic}?event=%67ap'), 400)


def test_event_names_that_break_the_stream_are_400(case):
    for name in ('a%0Ab', 'a%0Db', 'a%00', '%ff', '%', 'a%0A%0Adata:%20forged'):
        http.error(post(case, f'/t/{case.topic}?event={name}'), 400)


def test_a_post_with_accept_or_upgrade_still_publishes(case):
    for fields in ([('Accept', 'text/event-stream')], [('Accept', 'text/html')],
                   [('Upgrade', 'websocket'), ('Connection', 'Upgrade')]):
        http.published(post(case, f'/t/{case.topic}', b'x', fields), case.topic)


def test_the_topic_is_json_in_the_answer(case):
    response = post(case, '/t/%22%5C%2F%E2%80%A8')
    http.published(response, '"\\/\u2028')


def test_publishes_are_counted_by_source(case):
    server = case.start()
    peer = case.peer(at=server)
    peer.echo('from websocket')
    http.publish(server, case.topic, b'from http')
    peer.text()
    for source in ('ws', 'http'):
        server.wait_metric(1, 'uproar_messages_published_total', source=source)
    server.wait_metric(2, 'uproar_deliveries_total', proto='ws')


def test_rejected_publishes_are_counted(case):
    server = case.start()
    before = server.metrics().sum('uproar_publish_rejected_total')
    http.error(http.ask(server, 'POST', '/t/a..b', body=b'x'), 400)
    server.wait_metric(before + 1, 'uproar_publish_rejected_total')
