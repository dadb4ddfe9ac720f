"""Who subscribes over a WebSocket, unchanged: libraries of npm and Python. A row of CLIENTS each.
Those that offer compression get it; the others do not.
"""
import base64
import json
import pathlib
import re

from lib import check, clients, http

HERE = pathlib.Path(__file__).resolve().parent
TEXTS = ['plain', 'Grüße, 世界', '🦁 👩‍👩‍👧', 'two\nlines', 'a\r\nb\rc', 'an end\n', '\n', '',
         ' leading', '"quoted" \\', '\ufeffmark', 'nul \0 inside',
         'x' * (256 << 10), '🦁' * (64 << 10)]
BYTES = [b'', bytes(range(256)), b'\xff' * (256 << 10)]
MANY = 10000
ADMIN = 'let-me-in'
JSON = '?format=json'


def row(program, needs=None, **differences):
    return clients.Row(HERE / program, needs, scheme='ws', **differences)


def without_mark(text):
    return text.removeprefix('\ufeff')


# reads: what it makes of a text; the specification: the text.
CLIENTS = {
    'ws': row('node/ws.mjs'),
    'undici': row('node/undici_websocket.mjs', reads=without_mark),
    'websockets': row('python/with_websockets.py', 'websockets'),
    'websocket_client': row('python/with_websocket_client.py', 'websocket'),
    'aiohttp': row('python/with_aiohttp_websocket.py', 'aiohttp'),
}


def raw(message):
    """The bytes of a binary message, the text of another."""
    return base64.b64decode(message['base64']) if 'base64' in message else message['text']


def envelopes(client):
    return [json.loads(message['text']) for message in client.said('message')]


def messages(client):
    """(text, id) of the JSON form."""
    return [(item['data'], item['id']) for item in envelopes(client) if 'id' in item]


def finish(scene, server, client, expected):
    """Publishes what ends it, and judges all that it has seen in the JSON form."""
    expected = [*expected, (clients.LAST, scene.publish(server, clients.LAST))]
    check.equal(client.wait('stopped'), ['1000'], 'the code of its clean close')
    check.equal(messages(client), expected, 'messages')


def wait_message(client, text):
    check.eventually(lambda: text in [data for data, _ in messages(client)], f'it has {text!r}')


# --- what arrives ---------------------------------------------------------------------------------

def receives_exactly_what_was_published(scene):
    client = scene.client(scene.server)
    for text in TEXTS:
        scene.publish(scene.server, text)
    for data in BYTES:
        scene.publish(scene.server, data, fields=[('Content-Type', 'application/octet-stream')])
    scene.publish(scene.server, clients.LAST)
    check.equal(client.wait('stopped'), ['1000'], 'the code of its clean close')
    got = [raw(message) for message in client.said('message')]
    read = scene.row.get('reads', str)
    for at, expected in enumerate([*map(read, TEXTS), *BYTES, clients.LAST]):
        check.equal(got[at], expected, f'message {at}')
    check.equal(len(got), len(TEXTS) + len(BYTES) + 1, 'messages')


def publishes_what_it_sends(scene):
    texts = [text for text in TEXTS if '\0' not in text and len(text) < 1000]
    stream = scene.on_main(lambda: scene.case.stream(scene.topic))
    client = scene.client(scene.server, *texts, clients.LAST)
    expected = [re.sub('\r\n|\r', '\n', text) for text in [*texts, clients.LAST]]
    check.equal([stream.event().data for _ in expected], expected, 'what a stream got')
    client.wait('stopped')
    check.equal([raw(message) for message in client.said('message')],
                list(map(scene.row.get('reads', str), [*texts, clients.LAST])), 'what came back')


def receives_ten_thousand_messages_in_order(scene):
    client = scene.client(scene.server, query=JSON)
    texts = [str(index) for index in range(MANY)]
    ids = http.publish_all(scene.server, [(scene.topic, text.encode()) for text in texts])
    finish(scene, scene.server, client, list(zip(texts, ids)))


def answers_pings(scene):
    server = scene.start_server('--ping', 1)
    proxy = scene.proxy(server)
    client = scene.client(proxy, query=JSON)
    expected = [('before', scene.publish(server, 'before'))]
    check.eventually(lambda: proxy.down.count(b'\x89\x00') >= 3, '3 pings')
    check.eventually(lambda: proxy.up.count(b'\x8a\x80') >= 3, '3 pongs')
    finish(scene, server, client, expected)
    check.equal(len(client.said('open')), 1, 'times that it connected')


# --- what is cut ----------------------------------------------------------------------------------

def resumes(scene, by_reset):
    proxy = scene.proxy(scene.server)
    client = scene.client(proxy, query=JSON)
    texts = ['before', 'a first half, and a second', 'missed 0', 'missed 1']
    ids = [scene.publish(scene.server, texts[0])]
    wait_message(client, 'before')
    proxy.cut_behind(b'first half', by_reset)
    ids.append(scene.publish(scene.server, texts[1]))
    proxy.wait_cut()
    ids += [scene.publish(scene.server, text) for text in texts[2:]]
    proxy.let_in()
    finish(scene, scene.server, client, list(zip(texts, ids)))


def resumes_after_a_reset_in_a_message(scene):
    resumes(scene, by_reset=True)


def resumes_after_an_end_in_a_message(scene):
    resumes(scene, by_reset=False)


def keeps_its_place_before_the_first_message(scene):
    proxy = scene.proxy(scene.server)
    proxy.cut_behind(b'"}}')
    client = scene.client(proxy, query=JSON)
    proxy.wait_cut()
    expected = [('missed', scene.publish(scene.server, 'missed'))]
    proxy.let_in()
    client.wait('open', 2)
    finish(scene, scene.server, client, expected)


# --- what ends ------------------------------------------------------------------------------------

def sees_1000_when_the_topic_is_finished(scene):
    server = scene.start_server('--admin-token', scene.file(ADMIN))
    client = scene.client(server)
    scene.publish(server, 'before')
    http.ask(server, 'DELETE', f'/t/{scene.topic}', [('Authorization', f'Bearer {ADMIN}')])
    check.equal(client.wait('stopped'), ['1000'], 'the code')
    check.equal([raw(message) for message in client.said('message')], ['before'], 'messages')


def sees_1001_then_learns_of_the_restart_by_a_gap(scene):
    server = scene.start_server('--drain', 1)
    client = scene.client(server, query=JSON)
    had = scene.publish(server, 'before')
    wait_message(client, 'before')
    server.stop()
    check.equal(client.wait('lost')[0], '1001', 'the code')
    server = scene.start_server(listen=f'127.0.0.1:{server.port}')
    given = scene.publish(server, 'after it')
    finish(scene, server, client, [('before', had), ('after it', given)])
    gaps = [item['gap'] for item in envelopes(client) if 'gap' in item]
    check.equal([(gap['after'], gap['reason']) for gap in gaps], [(had, 'epoch')], 'gaps')


globals().update(clients.tests(
    CLIENTS, receives_exactly_what_was_published, publishes_what_it_sends,
    receives_ten_thousand_messages_in_order, answers_pings, resumes_after_a_reset_in_a_message,
    resumes_after_an_end_in_a_message, keeps_its_place_before_the_first_message,
    sees_1000_when_the_topic_is_finished, sees_1001_then_learns_of_the_restart_by_a_gap))
