"""The envelope, byte for byte where the contract fixes it, alike on every transport that has it:
members and their order, texts, binary, names of events, topics that need escaping.
"""
import base64
import json
import os
import re
import time
import urllib.parse

from lib import check, envelope, http, subscriber, websocket

KINDS = ('sse json', 'websocket json', 'websocket protocol', 'poll', 'ndjson')
BINARY = [('Content-Type', 'application/octet-stream')]
TEXTS = ('', 'plain', ' spaces  ', '"quoted"', 'back\\slash', '\\u0041', '/', '</script>',
         'line\nfeed', 'cr\rlf\r\n', 'tab\t\b\f', '\0', ''.join(map(chr, range(32))), '\x7f\x80',
         'Grüße, 世界', '🦁 and 👩‍👩‍👧', '\ufeffBOM', 'line\u2028and\u2029paragraph', '\uffff\ufffe',
         '\U0010ffff', '{"json":["inside",1,null]}', '[', "it's", 'x' * 125, 'x' * 126, 'x' * 65536,
         '"' * 70000, '\0' * 70000, '🦁' * 40000)
BINARIES = (b'', b'\0', b'\xff', b'\xff\xfe', b'abc', b'abcd', bytes(range(256)), os.urandom(70001))


def open_each(case, topics, kinds=KINDS):
    return [(kind, subscriber.open(case, kind, topics)) for kind in kinds]


def check_each(readers, data, what, **members):
    """Each has that message next. Returns one of them."""
    for kind, reader in readers:
        message = subscriber.expect(reader, [data], f'{kind}: {what}')[0]
        for name, value in members.items():
            check.equal(getattr(message, name), value, f'{kind}: {name} of {what}')
    return message


def raw_envelopes(case, topic, after):
    """The text of the next envelope on every transport."""
    stream = subscriber.open(case, 'sse json', [topic], after=after)
    peer = subscriber.open(case, 'websocket json', [topic], after=after)
    lines = http.ask(case.server, 'GET', f'/t/{topic}?after={after}',
                     [('Accept', 'application/x-ndjson')]).body.decode()
    listed = http.ask(case.server, 'GET', f'/t/{topic}?after={after}').body.decode()
    event = stream.event()
    check.equal([line for line in event.lines if not line.startswith(('id:', 'event:'))],
                [f'data: {event.data}'], 'the envelope is one line')
    return {'SSE': event.data, 'WebSocket': peer.text(), 'lines': lines.removesuffix('\n'),
            'array': listed.strip().removeprefix('[').removesuffix(']')}


def test_the_envelope_is_the_same_text_on_every_transport(case):
    before = http.publish(case.server, case.topic, b'before')
    for body, fields, query in ((b'"text"\n\xc3\xbc', [], ''), (b'x', [], '?event=named'),
                                (b'\xff\0', BINARY, ''), (b'\xff', BINARY, '?event=named')):
        given = http.publish(case.server, case.topic, body, fields, query)
        found = raw_envelopes(case, case.topic, before)
        check.equal(len(set(found.values())), 1, f'different envelopes: {found}')
        envelope.message_from(found['SSE'])
        before = given


def test_its_members_stand_in_the_agreed_order(case):
    before = http.publish(case.server, case.topic, b'before')
    payloads = ((b'x', [], '', '"data":"x"'), (b'\xff', BINARY, '', '"base64":"/w=="'),
                (b'x', [], '?event=e', '"event":"e","data":"x"'),
                (b'\xff', BINARY, '?event=e', '"event":"e","base64":"/w=="'))
    for body, fields, query, rest in payloads:
        given = http.publish(case.server, case.topic, body, fields, query)
        text = raw_envelopes(case, case.topic, before)['WebSocket']
        check.equal(re.sub(r'"time":[1-9]\d{12},', '"time":T,', text),
                    f'{{"id":"{given}","topic":"{case.topic}","time":T,{rest}}}', 'the envelope')
        before = given


def test_any_text_survives(case):
    readers = open_each(case, [case.topic])
    for text in TEXTS:
        given = http.publish(case.server, case.topic, text.encode())
        check_each(readers, text, check.shown(text, 40), id=given, topic=case.topic, event=None)


def test_any_binary_survives(case):
    readers = open_each(case, [case.topic])
    for data in BINARIES:
        given = http.publish(case.server, case.topic, data, BINARY)
        check_each(readers, data, check.shown(data, 40), id=given, topic=case.topic, event=None)


def test_text_or_binary_is_what_the_publisher_said(case):
    readers = open_each(case, [case.topic])
    for kind, body, expected in (('text/plain', b'x', 'x'), ('application/json', b'{}', '{}'),
                                 ('application/octet-stream', b'x', b'x'),
                                 ('image/png', b'', b''), ('text/html; charset=utf-8', b'', '')):
        http.publish(case.server, case.topic, body, [('Content-Type', kind)])
        check_each(readers, expected, kind)
    for body, expected in ((b'x', 'x'), (b'\xff', b'\xff'), (b'', '')):
        http.publish(case.server, case.topic, body)
        check_each(readers, expected, 'without a type')


def test_base64_is_the_plain_alphabet_with_padding(case):
    before = http.publish(case.server, case.topic, b'before')
    for data in (b'\xfb\xff\xbf', b'\xfb', b'\xfb\xff'):
        given = http.publish(case.server, case.topic, data, BINARY)
        text = raw_envelopes(case, case.topic, before)['WebSocket']
        check.contains(text, f'"base64":"{base64.b64encode(data).decode()}"', 'the envelope')
        before = given


def test_a_websocket_peers_messages_have_envelopes_too(case):
    readers = open_each(case, [case.topic])
    peer = case.peer()
    peer.send_text('tëxt "quoted"')
    peer.send_binary(b'\0\xff')
    check_each(readers, 'tëxt "quoted"', 'the text message', topic=case.topic, event=None)
    check_each(readers, b'\0\xff', 'the binary message', topic=case.topic, event=None)


def test_a_json_websocket_publishes_what_it_sends_as_it_is(case):
    """An envelope that is sent is no envelope: what comes back has it as its data."""
    for kind in ('websocket json', 'websocket protocol'):
        peer = subscriber.open(case, kind, [case.topic])
        plain = case.peer()
        sent = json.dumps({'id': 'x', 'topic': 'elsewhere', 'data': 'ü'}, ensure_ascii=False)
        peer.send_text(sent)
        peer.send_binary(sent.encode())
        check.equal([peer.next().data for _ in range(2)], [sent, sent.encode()], 'its own')
        check.equal((plain.text(), plain.binary()), (sent, sent.encode()), 'the raw ones')


def test_the_name_of_an_event_is_a_member_and_the_streams_event(case):
    readers = open_each(case, [case.topic])
    for name in ('greeting', 'grüße an alle', 'with "quotes" \\', 'message', 'binary', 'open',
                 '🦁', 'a:b', ' led by a space'):
        query = f'?event={urllib.parse.quote(name)}'
        for body, fields, data in ((b'x', [], 'x'), (b'\xff', BINARY, b'\xff')):
            http.publish(case.server, case.topic, body, fields, query)
            check_each(readers, data, f'event {name!r}', event=name)
        http.publish(case.server, case.topic, b'unnamed')
        check_each(readers, 'unnamed', 'the next one', event=None)


TOPICS = ('Grüße', '世界', '🦁.👩‍👩‍👧', 'with "quotes"', 'back\\slash', 'a/b/c', 'a b', 'a+b', '%41',
          "it's", '<&>', '{}', 'ü' * 120, '\ufeff', 'a\u2028b')


def test_any_topic_survives(case):
    for topic in TOPICS:
        name = f'{case.topic[-14:]}.{topic}'
        path = urllib.parse.quote(name, safe='')
        readers = open_each(case, [name]) + open_each(case, [name, 'other'])
        given = http.published(http.ask(case.server, 'POST', f'/t/{path}', [], b'x'), name)
        check_each(readers, 'x', f'topic {topic!r}', id=given, topic=name)
        for _, reader in readers:
            reader.close()


def test_time_is_when_it_was_published(case):
    readers = open_each(case, [case.topic])
    before = int(time.time() * 1000)
    http.publish_all(case.server, [(case.topic, b'x')] * 5)
    after = int(time.time() * 1000)
    for kind, reader in readers:
        times = [message.time for message in subscriber.expect(reader, 'xxxxx', kind)]
        check.equal(times, sorted(times), f'{kind}: times')
        check.true(before - 50 <= times[0] and times[-1] <= after + 50,
                   f'{kind}: {times} between {before} and {after}')


def test_a_json_stream_may_be_close_delimited(case):
    stream = case.stream(version='HTTP/1.0', query='?format=json')
    http.publish(case.server, case.topic, 'zwölf\n'.encode())
    check.equal(envelope.message_from(stream.event().data).data, 'zwölf\n', 'data')


def test_raw_and_json_subscribers_of_one_topic_have_the_same_messages(case):
    readers = open_each(case, [case.topic], subscriber.KINDS)
    for body, fields, expected in ((b'text', [], 'text'), (b'\xff', BINARY, b'\xff'),
                                   (b'', [], ''), (b'x' * 70000, [], 'x' * 70000)):
        http.publish(case.server, case.topic, body, fields)
        check_each(readers, expected, check.shown(body, 40))


def test_the_subprotocol_chooses_json(case):
    """It is named in the answer, the first that the server knows, and wins over the query."""
    offers = ('uproar.json', 'unknown, uproar.json', 'uproar.json, v99.unknown')
    for query in ('', '?format=raw', '?format=json'):
        for offer in offers:
            peer = case.peer(fields=[('Sec-WebSocket-Protocol', offer)], query=query)
            check.equal(peer.opened.get('sec-websocket-protocol'), 'uproar.json', 'the answer')
            check.contains(peer.text(), '"open"', f'the first message with {offer} and {query}')


def test_without_a_subprotocol_none_is_answered(case):
    """A client that is told one it did not offer fails the connection (RFC 6455, 4.1)."""
    topics = [case.topic]
    for target in (subscriber.target(topics, {}), subscriber.target(topics, {'format': 'json'}),
                   subscriber.target([*topics, 'other'], {}), subscriber.target(['a.*'], {})):
        peer = case.keep(websocket.Peer(case.server.port)).open(target)
        check.equal(peer.opened.get('sec-websocket-protocol'), None, f'the answer to {target}')


def test_unknown_subprotocols_are_400_and_ours_are_named(case):
    for offer in ('unknown', 'uproar', 'UPROAR.JSON', 'json, xml'):
        fields = [('Sec-WebSocket-Protocol', offer)]
        answer = http.ask(case.server, 'GET', f'/t/{case.topic}',
                          websocket.handshake_fields(websocket.new_key(), fields))
        check.contains(http.error(answer, 400), 'uproar.json', f'the message for {offer}')
