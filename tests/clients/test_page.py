"""The server's own page, clicked through in Chromium, wide and narrow, light and dark. The pictures
are left in build/screenshots.
"""
import re

from lib import browser, check, http, testing

WIDTHS = {1280: 'light', 360: 'dark'}
PUBLISHED = ['with a name', 'by key', 'over the WebSocket',
             'over POST: Grüße 🦁\nand a second line']
BOOK = re.compile(r'^missed 37, got 37, 0 lost; back after \d+\.\d s$')
COST = re.compile(r'now: (\d+) bytes of memory for 2 connections')


def click_through(case, width, colors, at=None, query=''):
    at = at or case.server
    client = browser.start(case, 'page.mjs', f'{at.url}/{query}', width, colors,
                           browser.screenshot(f'page-{width}-{colors}'))
    check.eventually(lambda: any(report['step'] == 'ended' for report in client.reports),
                     lambda: f'the page is clicked through: {client.lines}', 100)
    return {report['step']: report for report in client.reports}


def judge(steps, width):
    check.equal(steps['published']['ws'], PUBLISHED, 'what the WebSocket shows')
    check.equal(steps['published']['sse'], PUBLISHED, 'what the event stream shows')
    check.equal(steps['published']['counts'], ['4', '4'], 'messages counted')
    for feed in ('ws', 'sse'):
        check.matches(BOOK, steps['cut'][feed], f'the books of the cut ({feed})')
    check.equal(steps['cut']['counts'], ['41', '41'], 'messages counted after the cut')
    cost = int(check.matches(COST, steps['cut']['cost'], 'what the tab costs')[1])
    check.true(128 <= cost <= 400, f'{cost} bytes for two connections')
    check.equal(steps['shown']['overflow'], 0, f'pixels wider than {width}')
    check.equal(steps['shown']['small'], [], 'too small to be hit by a finger')
    check.equal(steps['moved']['path'], '/t/another/topic%20with%20%C3%BCn%C3%AF', 'the address')
    check.true(steps['moved']['path'] in steps['moved']['lines'][0], 'the line for a shell')
    check.equal(steps['moved']['ws'], ['elsewhere'], 'what the cleared list shows')
    check.equal(steps['ended']['errors'], [], 'what the browser complains about')


@testing.limit(240)
def test_the_page_does_what_it_says_at_1280_px(case):
    steps = click_through(case, 1280, 'light')
    check.equal((steps['opened']['topic'], steps['opened']['path'], steps['opened']['title']),
                ('demo', '/t/demo', 'demo · uproar'), 'what it opens with')
    judge(steps, 1280)


@testing.limit(240)
def test_the_page_does_what_it_says_at_360_px_in_the_dark_with_a_token(case):
    at = case.start('--publish-token', case.file('s3cret'), '--subscribe-token',
                    case.file('s3cret'))
    steps = click_through(case, 360, 'dark', at, '?topic=demo&token=s3cret')
    judge(steps, 360)
    red, green, blue = map(int, re.findall(r'\d+', steps['shown']['back'])[:3])
    check.true(max(red, green, blue) < 64, f'{steps["shown"]["back"]} is not dark')
    check.true('$TOKEN' in steps['moved']['lines'][1], 'the line for a shell wants the token')
    check.true('s3cret' not in ''.join(steps['moved']['lines']), 'a line shows the token')


@testing.limit(240)
def test_the_page_comes_back_after_a_restart_and_shows_the_gap(case):
    first = case.start('--drain', 0)
    client = browser.start(case, 'page_restart.mjs', f'{first.url}/t/{case.topic}')
    client.wait_line('open', 60)
    http.publish(first, case.topic, b'before the restart')
    first.stop()
    client.wait_line('lost', 60)
    second = case.start(listen=f'127.0.0.1:{first.port}')
    http.publish(second, case.topic, b'after the restart')
    shown = client.report(90)
    for feed in ('ws', 'sse'):
        events = [event for event, _ in reversed(shown[feed])]
        check.equal([text for event, text in shown[feed] if event != 'gap'],
                    ['after the restart', 'before the restart'], f'messages of {feed}')
        check.equal(events, ['', 'gap', ''], f'events of {feed}')
    check.equal(shown['errors'], [], 'what the browser complains about')
