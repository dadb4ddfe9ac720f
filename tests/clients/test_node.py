"""npm's ws and eventsource, each in a program of node/.
What they leave unseen is tested on raw sockets elsewhere.
"""
import base64
import pathlib

from lib import check, http, node, testing

PROGRAMS = pathlib.Path(__file__).resolve().parent / 'node'
TEXTS = ['plain', 'Grüße, 世界', '🦁 👩‍👩‍👧', 'two\nlines', '', ' leading', '"quoted"', 'x' * 100000]
CONNECTING = 0


def websocket_client(case, server, count, *texts):
    client = node.Client(case, PROGRAMS / 'websocket.mjs',
                         f'ws://127.0.0.1:{server.port}/t/{case.topic}', count, *texts)
    client.wait_line('open')
    return client


def event_source(case, server, count, *types):
    return node.Client(case, PROGRAMS / 'eventsource.mjs', f'{server.url}/t/{case.topic}', count,
                       *types)


def publish_many(case, count):
    """Over one connection, in pipelines; returns the ids."""
    ids = []
    connection = case.connection()
    for first in range(0, count, 50):
        connection.send(b''.join(http.request_bytes('POST', f'/t/{case.topic}', [], b'%d' % index,
                                                    port=connection.port)
                                 for index in range(first, first + 50)))
        ids += [http.published(connection.answer('POST'), case.topic) for _ in range(50)]
    return ids


@testing.limit(240)
def test_ws_receives_a_thousand_messages_in_order_and_closes_cleanly(case):
    client = websocket_client(case, case.server, 1000)
    publish_many(case, 1000)
    report = client.report()
    got = [base64.b64decode(message['base64']).decode() for message in report['messages']]
    check.equal(got, [str(index) for index in range(1000)], 'messages')
    check.true(not any(message['isBinary'] for message in report['messages']), 'binary ones')
    check.equal(report['code'], 1000, 'the code of the clean close')


@testing.limit(240)
def test_eventsource_receives_a_thousand_events_in_order(case):
    client = event_source(case, case.server, 1000, 'message')
    client.wait_line('open')
    ids = publish_many(case, 1000)
    events = client.report()['events']
    check.equal([event['data'] for event in events], [str(index) for index in range(1000)], 'data')
    check.equal([event['id'] for event in events], ids, 'ids')


@testing.limit(240)
def test_ws_and_uproar_agree_on_text_and_binary(case):
    client = websocket_client(case, case.server, len(TEXTS) + 3)
    for text in TEXTS:
        http.publish(case.server, case.topic, text.encode())
    binaries = [b'', bytes(range(256)), b'\xff' * 70000]
    for data in binaries:
        http.publish(case.server, case.topic, data, [('Content-Type', 'application/octet-stream')])
    messages = client.report()['messages']
    check.equal([message['isBinary'] for message in messages], [False] * len(TEXTS) + [True] * 3,
                'kinds')
    got = [base64.b64decode(message['base64']) for message in messages]
    check.true(got == [text.encode() for text in TEXTS] + binaries, 'the messages differ')


@testing.limit(240)
def test_eventsource_and_uproar_agree_on_lines_names_and_binary(case):
    client = event_source(case, case.server, len(TEXTS) + 2, 'message', 'greeting', 'binary')
    client.wait_line('open')
    # EventSource says "open" when the head is there; the subscription is as old as the head.
    for text in TEXTS:
        http.publish(case.server, case.topic, text.encode())
    http.publish(case.server, case.topic, b'hello', query='?event=greeting')
    http.publish(case.server, case.topic, b'\xff\0', [('Content-Type', 'image/png')])
    events = client.report()['events']
    check.true([event['data'] for event in events]
               == [*TEXTS, 'hello', base64.b64encode(b'\xff\0').decode()], 'data differ')
    check.equal([event['type'] for event in events],
                ['message'] * len(TEXTS) + ['greeting', 'binary'], 'types')


@testing.limit(240)
def test_ws_publishes_what_it_sends(case):
    stream = case.stream()
    texts = [text for text in TEXTS if '\n' not in text]
    client = websocket_client(case, case.server, len(texts), *texts)
    check.equal([stream.event().data for _ in texts], texts, 'what a stream got')
    got = [base64.b64decode(message['base64']).decode() for message in client.report()['messages']]
    check.equal(got, texts, 'what came back')


@testing.limit(240)
def test_ws_sees_1001_when_the_server_drains(case):
    server = case.start('--drain', 1)
    client = websocket_client(case, server, 1)
    server.stop()
    check.equal(client.report()['code'], 1001, 'the code')


@testing.limit(240)
def test_eventsource_comes_back_after_being_refused(case):
    """Full: it gets a retry and the end, and tries again by itself until there is room."""
    server = case.start('--max-connections', 2, threads=1)
    publisher, peer = case.peer(at=server), case.peer(at=server)
    client = event_source(case, server, 1, 'message')
    client.wait_line(f'error {CONNECTING}')
    check.true(not any(line.startswith('{') for line in client.lines), 'it has seen an event')
    peer.leave()

    def publish_and_look():
        publisher.echo('are you there?')
        return any(line.startswith('{') for line in client.lines)
    check.eventually(publish_and_look, 'it is let in and receives', 20)
    check.equal(client.report()['events'][0]['data'], 'are you there?', 'the event')
