"""WebSocket, EventSource and fetch of a real browser, as JavaScript in a page sees them.
The server's own page is test_page.py's business.
"""
import base64

from lib import check, http, pages, proxy, testing

TEXTS = ['plain', 'Grüße, 世界', '🦁 👩‍👩‍👧', 'two\nlines', '', ' leading', 'x' * (256 << 10)]


def ws(url):
    return url.replace('http', 'ws', 1)


def own_page(case, *flags):
    """A browser, a server that allows its page's origin, that page, and the topic's URL."""
    at = pages.Browser(case)
    server = case.start('--allow-origin', at.origin, *flags)
    return at.page(), server, f'{server.url}/t/{case.topic}'


def open_both(page, url):
    page.call('source', 'sse', url, ['greeting'])
    page.call('socket', 'ws', ws(url))
    for name in ('sse', 'ws'):
        page.wait_state(name, 'open')


def texts(events):
    return [event[1] for event in events]


@testing.limit(120)
def test_both_receive_a_thousand_messages_in_order_in_the_servers_own_origin(case):
    page = pages.Browser(case).page(f'{case.server.url}/healthz')
    open_both(page, f'/t/{case.topic}')
    expected = [f'{index}' for index in range(1000)]
    ids = http.publish_all(case.server, [(case.topic, text.encode()) for text in expected])
    sse = page.wait_events('sse', 1000)
    check.equal(texts(sse), expected, 'data of the event stream')
    check.equal([event[2] for event in sse], ids, 'ids of the event stream')
    check.equal(texts(page.wait_events('ws', 1000)), expected, 'data of the WebSocket')


@testing.limit(120)
def test_both_show_texts_names_and_binary_whole(case):
    page, server, url = own_page(case)
    open_both(page, url)
    for text in TEXTS:
        http.publish(server, case.topic, text.encode())
    http.publish(server, case.topic, b'one\r\ntwo\rthree')
    http.publish(server, case.topic, b'hello', query='?event=greeting')
    octets = bytes(range(256))
    http.publish(server, case.topic, octets, [('Content-Type', 'image/png')])
    encoded = base64.b64encode(octets).decode()
    sse = page.wait_events('sse', len(TEXTS) + 3)
    check.true(texts(sse) == [*TEXTS, 'one\ntwo\nthree', 'hello', encoded], 'event data differ')
    check.equal([event[0] for event in sse], ['message'] * (len(TEXTS) + 1)
                + ['greeting', 'binary'], 'types')
    received = page.wait_events('ws', len(TEXTS) + 3)
    check.true(texts(received) == [*TEXTS, 'one\r\ntwo\rthree', 'hello', encoded],
               'WebSocket data differ')
    check.equal([event[0] for event in received], ['text'] * (len(TEXTS) + 2) + ['binary'], 'kinds')


def cut_and_miss(case, function, by_reset, mark):
    """What is published while a stream is cut arrives once, behind what was there before."""
    page, server, _ = own_page(case)
    between = case.keep(proxy.Proxy(server.port))
    url = f'{between.url}/t/{case.topic}'
    page.call(function, 'stream', ws(url) if function == 'resuming' else url)
    page.wait_state('stream', 'open')
    ids = [http.publish(server, case.topic, b'before')]
    page.wait_events('stream', 1)
    between.cut_behind(mark, by_reset)
    ids.append(http.publish(server, case.topic, b'cut HERE in its midst'))
    page.wait_state('stream', 'again')
    between.wait_cut()
    missed = [f'missed {index}' for index in range(20)]
    ids += http.publish_all(server, [(case.topic, text.encode()) for text in missed])
    between.let_in()
    page.wait_events('stream', 22)
    ids.append(http.publish(server, case.topic, b'after'))
    events = page.wait_events('stream', 23)
    check.equal(texts(events), ['before', 'cut HERE in its midst', *missed, 'after'], 'data')
    check.equal([event[2] for event in events], ids, 'ids')


@testing.limit(120)
def test_eventsource_misses_nothing_when_it_is_reset(case):
    cut_and_miss(case, 'source', True, b'HERE')


@testing.limit(120)
def test_eventsource_misses_nothing_when_an_event_ends_in_its_midst(case):
    cut_and_miss(case, 'source', False, b'HERE')


@testing.limit(120)
def test_a_websocket_that_resumes_by_envelopes_misses_nothing(case):
    cut_and_miss(case, 'resuming', True, b'HERE')


@testing.limit(120)
def test_eventsource_is_told_a_gap_by_a_restarted_server(case):
    at = pages.Browser(case)
    first = case.start('--allow-origin', at.origin, '--drain', 0)
    page = at.page()
    page.call('source', 'sse', f'{first.url}/t/{case.topic}')
    page.wait_state('sse', 'open')
    http.publish(first, case.topic, b'before')
    page.wait_events('sse', 1)
    first.stop()
    second = case.start('--allow-origin', at.origin, listen=f'127.0.0.1:{first.port}')
    http.publish(second, case.topic, b'between')
    page.wait_events('sse', 3)
    http.publish(second, case.topic, b'after')
    events = page.wait_events('sse', 4)
    check.equal([event[0] for event in events], ['message', 'gap', 'message', 'message'], 'types')
    check.contains(events[1][1], '"reason":"epoch"', 'the gap')
    check.equal(texts(events[2:]), ['between', 'after'], 'what was published since')


@testing.limit(120)
def test_eventsource_tries_until_a_full_server_has_room(case):
    at = pages.Browser(case)
    server = case.start('--allow-origin', at.origin, '--max-connections', 2, threads=1)
    publisher, peer = case.peer(at=server), case.peer(at=server)
    page = at.page()
    page.call('source', 'sse', f'{server.url}/t/{case.topic}')
    page.wait_state('sse', 'again')
    check.equal(page.events('sse'), [], 'events while there is no room')
    peer.leave()
    check.eventually(lambda: publisher.echo('are you there?') or page.events('sse'), 'it is let in',
                     pages.PATIENCE_S)
    check.equal(page.events('sse')[0][1], 'are you there?', 'what it receives')
