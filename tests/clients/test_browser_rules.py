"""What a real browser lets a page do with a server of another origin, how streams end there, and
what it does by itself: compression, pongs. What arrives is test_browser.py's business.
"""
import json

from lib import check, http, pages, testing
from test_browser import open_both, own_page, ws

ADMIN = 'adm-5ecret'


def check_refused(page, server, url):
    page.call('source', 'sse', url)
    page.call('socket', 'ws', ws(url))
    check.eventually(lambda: page.states('sse') == ['closed'], 'EventSource ends', 40)
    check.eventually(lambda: page.states('ws') == ['error', 1006], 'WebSocket ends', 40)
    for init in ({}, {'headers': {'Content-Type': 'application/json'}}):
        got = page.call('ask', url, {'method': 'POST', 'body': '"no"', **init})
        check.equal(got, {'error': 'TypeError'}, f'fetch with {init}')
    opaque = page.call('ask', url, {'method': 'POST', 'body': 'no', 'mode': 'no-cors'})
    check.equal(opaque['type'], 'opaque', 'fetch without CORS')
    check.equal(server.metrics().sum('uproar_messages_published_total'), 0, 'messages published')


@testing.limit(120)
def test_a_page_of_another_origin_can_do_nothing(case):
    page, server = pages.Browser(case).page(), case.start()
    url = f'{server.url}/t/{case.topic}'
    check_refused(page, server, url)
    check.equal(page.call('sandboxed', url),
                {'source': 2, 'socket': 1006, 'fetch': 'TypeError'}, 'a page without an origin')
    check.equal(server.metrics().sum('uproar_messages_published_total'), 0, 'messages published')


@testing.limit(120)
def test_an_allowed_origin_can_do_all_and_a_third_nothing(case):
    at = pages.Browser(case)
    server = case.start('--allow-origin', at.origin, '--publish-token', case.file('s3cret'))
    url, page = f'{server.url}/t/{case.topic}', at.page()
    check_refused(at.page(at.third), server, url)
    page.call('source', 'sse', url, [], {'withCredentials': True})
    page.call('socket', 'ws', ws(url))
    for name in ('sse', 'ws'):
        page.wait_state(name, 'open')
    headers = {'Content-Type': 'application/json', 'Authorization': 'Bearer s3cret'}
    posted = page.call('ask', url, {'method': 'POST', 'body': '"yes"', 'headers': headers,
                                    'credentials': 'include'})
    check.equal(posted['status'], 201, f'status of {posted}')
    for name in ('sse', 'ws'):
        check.equal(page.wait_events(name, 1)[0][1], '"yes"', name)
    polled = page.call('ask', f'{url}?after=earliest', {'credentials': 'include'})
    check.equal(json.loads(polled['text'])[0]['data'], '"yes"', 'long-poll')
    check.equal(polled['headers']['etag'], f'"{polled["headers"]["uproar-cursor"]}"', 'ETag')


@testing.limit(120)
def test_a_finished_topic_ends_both_and_a_drain_says_so(case):
    page, server, url = own_page(case, '--admin-token', case.file(ADMIN), '--drain', 1)
    open_both(page, url)
    page.call('socket', 'other', ws(f'{url}-other'))
    page.wait_state('other', 'open')
    http.ask(server, 'DELETE', f'/t/{case.topic}', [('Authorization', f'Bearer {ADMIN}')])
    page.wait_state('ws', 1000)
    page.wait_state('sse', 'closed')
    server.stop()
    page.wait_state('other', 1001)


@testing.limit(120)
def test_heartbeats_and_pings_disturb_nobody(case):
    page, server, url = own_page(case, '--heartbeat', 1, '--ping', 1)
    open_both(page, url)
    page.run(script='new Promise((resolve) => setTimeout(resolve, 4000))')
    http.publish(server, case.topic, b'still here')
    for name in ('sse', 'ws'):
        check.equal(page.wait_events(name, 1)[0][1], 'still here', name)
        check.equal(page.states(name), ['open'], f'states of {name}')


@testing.limit(120)
def test_fetch_reads_a_stream_of_topics(case):
    page, server, url = own_page(case)
    body = json.dumps({'topics': [case.topic]})
    page.run(script=f'void stream("it", "{server.url}/t", {{ method: "POST", body: {body!r},'
                    ' headers: { Accept: "text/event-stream",'
                    ' "Content-Type": "application/json" } })')
    page.wait_events('it', 1)
    http.publish(server, case.topic, b'by fetch')
    check.eventually(lambda: 'by fetch' in ''.join(page.events('it')), 'it is read', 40)


@testing.limit(120)
def test_chromium_compresses_by_itself(case):
    page, server, url = own_page(case)
    page.call('socket', 'ws', ws(url))
    page.wait_state('ws', 'open')
    text = 'compress me, ' * 20000
    http.publish(server, case.topic, text.encode())
    check.true(page.wait_events('ws', 1)[0][1] == text, 'the text differs')
    check.true(server.metrics().sum('uproar_deflate_compressions_total') > 0, 'not compressed')
