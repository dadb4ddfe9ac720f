"""Who subscribes to an event stream, unchanged: libraries of npm and Python, curl; and a loop of
long-polls, which is told the same messages. A row of CLIENTS each.
"""
import base64
import functools
import json
import pathlib
import re

from lib import check, clients, http

HERE = pathlib.Path(__file__).resolve().parent
TYPES = ['message', 'greeting', 'Grüße', 'binary', 'gap']
TEXTS = ['plain', 'Grüße, 世界', '🦁 👩‍👩‍👧', 'two\nlines', 'a\r\nb\rc\n\rd', 'an end\n',
         '\na beginning', '\n\n', '', ' one space', '  two', ': colon',
         'data: field', 'id:', '"quoted" \\', 'tab\t', '\ufeffmark', 'nul \0 inside',
         'x' * (256 << 10), '🦁' * (64 << 10), '\n' * 2000]
BYTES = [b'', bytes(range(256)), b'\xff' * (256 << 10)]
MANY = 10000
ADMIN = 'let-me-in'


def by_lines(text):
    """What the specification says: whatever ends a line arrives as LF."""
    return re.sub('\r\n|\r', '\n', text)


def by_fetch_event_source(text):
    """It takes a first empty line for no line, and decodes each line apart, without its mark."""
    return re.sub('^\ufeff', '', by_lines(text).lstrip('\n'), flags=re.M)


def row(program, needs=None, **differences):
    return clients.Row(HERE / program, needs, **differences)


# reads: what it makes of a text.
# never_stops: it takes 204, which has no body, for an error, and comes back for ever.
# opening: what it makes of the first block, which has an id and no data. The specification: the id
#   is its place from then on. 'ignored': cut before the first message, it begins anew; 'shown': it
#   is a message without data besides.
CLIENTS = {
    'eventsource': row('node/eventsource.mjs', opening='ignored'),
    'eventsource_client': row('node/eventsource_client.mjs', opening='ignored'),
    'undici': row('node/undici_eventsource.mjs'),
    'polyfill_by_fetch': row('node/polyfill_fetch.mjs', opening='ignored', never_stops=True),
    'polyfill_by_xhr': row('node/polyfill_xhr.mjs', opening='ignored'),
    # To it an id counts when its line is there, not when its event is: the server sends it last.
    'fetch_event_source': row('node/fetch_event_source_get.mjs', opening='shown',
                              reads=by_fetch_event_source),
    'fetch_event_source_by_post': row('node/fetch_event_source_post.mjs', opening='shown',
                                      reads=by_fetch_event_source),
    'aiohttp': row('python/with_aiohttp_stream.py', 'aiohttp'),
    'curl': row('python/with_curl_stream.py', 'curl'),
    'curl_polling': row('python/with_curl_poll.py', 'curl', reads=str,
                        lacks=['is_not_disturbed_by_heartbeats', 'takes_two_kilobytes_first',
                               'comes_back_after_being_refused']),
}


class Listener:
    """A client that is connected, and what it has to have seen."""

    def __init__(self, scene, at, **how):
        self.scene = scene
        self.expected = []
        self.client = scene.client(at, *TYPES, **how)

    def expect(self, text, given, name='message'):
        read = self.scene.row.get('reads', by_lines)
        self.expected.append({'type': name, 'data': read(text), 'id': given})

    def publish(self, server, text, name=None):
        query = f'?event={name}' if name else ''
        self.expect(text, self.scene.publish(server, text, query), name or 'message')

    def publish_binary(self, server, data):
        """It arrives as base64."""
        given = self.scene.publish(server, data,
                                   fields=[('Content-Type', 'application/octet-stream')])
        self.expect(base64.b64encode(data).decode(), given, 'binary')

    def finish(self, server):
        """Publishes what ends it, and judges all that it has seen."""
        self.publish(server, clients.LAST)
        self.client.wait('stopped')
        self.judge()

    def events(self):
        """What it shows of openings is not counted."""
        events = self.client.said('event')
        if self.scene.row.get('opening') == 'shown':
            shown = [event for event in events if is_opening(event) and event not in self.expected]
            events = [event for event in events if event not in shown]
        return events

    def judge(self):
        events = self.events()
        if self.scene.row.get('opening') == 'shown':
            check.equal(len(self.client.said('event')) - len(events),
                        len(self.client.said('open')), 'openings shown as messages')
        for at, (got, expected) in enumerate(zip(events, self.expected)):
            check.equal(got, expected, f'event {at}')
        check.equal(len(events), len(self.expected), 'events')

    def wait_events(self):
        check.eventually(lambda: len(self.events()) >= len(self.expected), 'it has seen all')


def is_opening(event):
    return event['type'] == 'message' and event['data'] == ''


# --- what arrives ---------------------------------------------------------------------------------

def receives_text_names_and_binary(scene):
    server = scene.server
    listener = Listener(scene, server)
    for text in TEXTS:
        listener.publish(server, text)
    listener.publish(server, 'hello', 'greeting')
    listener.publish(server, 'hello', 'Gr%C3%BC%C3%9Fe')
    listener.expected[-1]['type'] = 'Grüße'
    for data in BYTES:
        listener.publish_binary(server, data)
    listener.finish(server)
    check.equal(len(listener.client.said('open')), 1, 'times that it connected')


@functools.cache
def published_once(server, topic):
    """Many messages, for all clients: where they begin, and their ids."""
    before = http.publish(server, topic, b'before')
    bodies = [str(index) for index in range(MANY)] + [clients.LAST]
    ids = http.publish_all(server, [(topic, body.encode()) for body in bodies])
    return before, list(zip(bodies, ids))


def receives_ten_thousand_messages_in_order(scene):
    topic = f'{scene.case.topic}-many'
    before, messages = scene.on_main(lambda: published_once(scene.server, topic))
    listener = Listener(scene, scene.server, topic=topic, query=f'?after={before}')
    for text, given in messages:
        listener.expect(text, given)
    listener.client.wait('stopped')
    listener.judge()


def takes_two_kilobytes_first(scene):
    """What old clients ask for disturbs nobody."""
    listener = Listener(scene, scene.server, query='?padding=true&evs_preamble=2056')
    listener.publish(scene.server, 'hello')
    listener.finish(scene.server)


def is_not_disturbed_by_heartbeats(scene):
    server = scene.start_server('--heartbeat', 1)
    proxy = scene.proxy(server)
    listener = Listener(scene, proxy)
    listener.publish(server, 'before')
    check.eventually(lambda: len(re.findall(rb'^:\r?\n', proxy.down, re.M)) >= 3, '3 heartbeats')
    listener.finish(server)
    check.equal(len(listener.client.said('open')), 1, 'times that it connected')


# --- what is cut ----------------------------------------------------------------------------------

def resumes(scene, by_reset):
    proxy = scene.proxy(scene.server)
    listener = Listener(scene, proxy)
    listener.publish(scene.server, 'before')
    listener.wait_events()
    proxy.cut_behind(b'first half', by_reset)
    listener.publish(scene.server, 'a first half, and a second')
    proxy.wait_cut()
    for index in range(3):
        listener.publish(scene.server, f'missed {index}')
    proxy.let_in()
    listener.finish(scene.server)


def resumes_after_a_reset_in_a_message(scene):
    resumes(scene, by_reset=True)


def resumes_after_an_end_in_a_message(scene):
    resumes(scene, by_reset=False)


def keeps_its_place_before_the_first_message(scene):
    """Cut behind the first block: whoever keeps its id misses nothing."""
    proxy = scene.proxy(scene.server)
    proxy.cut_behind(b'"}' if scene.row.get('reads') is str else b'\n\n')
    listener = Listener(scene, proxy)
    if scene.row.get('reads') is str:
        listener.publish(scene.server, 'cut')
    proxy.wait_cut()
    listener.publish(scene.server, 'missed')
    if scene.row.get('opening') == 'ignored':
        listener.expected.clear()
    proxy.let_in()
    listener.client.wait('open', 2)
    listener.finish(scene.server)


def comes_back_after_being_refused(scene):
    """Full: it gets a retry and the end, and tries again until there is room."""
    server = scene.start_server('--max-connections', 2)
    publisher, peer = [scene.on_main(lambda: scene.case.peer(scene.topic, at=server))
                       for _ in range(2)]
    client = scene.client(server, *TYPES, waits_for='lost')
    peer.leave()

    def publish_and_look():
        publisher.echo('are you there?')
        return [event for event in client.said('event') if not is_opening(event)]
    seen = check.eventually(publish_and_look, 'it is let in and receives', clients.PATIENCE_S)
    check.equal(seen[0]['data'], 'are you there?', 'the first event')


# --- what ends ------------------------------------------------------------------------------------

def stops_when_the_topic_is_finished(scene):
    server = scene.start_server('--admin-token', scene.file(ADMIN))
    listener = Listener(scene, server)
    listener.publish(server, 'before')
    listener.wait_events()
    answer = http.ask(server, 'DELETE', f'/t/{scene.topic}',
                      [('Authorization', f'Bearer {ADMIN}')])
    check.true(answer.status in (200, 204), f'the topic is not finished: {answer}')
    if scene.row.get('never_stops'):
        listener.client.wait('lost', 2)
    else:
        listener.client.wait('stopped')
    listener.judge()


def learns_of_a_restart_by_a_gap(scene):
    server = scene.start_server('--drain', 1)
    listener = Listener(scene, server)
    listener.publish(server, 'before')
    listener.wait_events()
    had = listener.expected[-1]['id']
    server.stop()
    listener.client.wait('lost')
    server = scene.start_server(listen=f'127.0.0.1:{server.port}')
    given = http.cursor(scene.publish(server, 'after it'))
    listener.client.wait('event', len(listener.client.said('event')) + 1)
    scene.publish(server, clients.LAST)
    listener.client.wait('stopped')
    gap, *events = listener.events()[1:]
    check.equal(gap['type'], 'gap', 'what comes first')
    told = json.loads(gap['data'])
    check.equal((told['after'], told['reason']), (had, 'epoch'), 'the gap')
    check.equal(told['resumed'], gap['id'], 'where it goes on')
    check.equal([event['data'] for event in events], ['after it', clients.LAST], 'what is retained')
    check.equal(http.cursor(events[0]['id']), given, 'id')


globals().update(clients.tests(
    CLIENTS, receives_text_names_and_binary, receives_ten_thousand_messages_in_order,
    takes_two_kilobytes_first, is_not_disturbed_by_heartbeats,
    resumes_after_a_reset_in_a_message, resumes_after_an_end_in_a_message,
    keeps_its_place_before_the_first_message, comes_back_after_being_refused,
    stops_when_the_topic_is_finished, learns_of_a_restart_by_a_gap))
