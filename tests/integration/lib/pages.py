"""Pages in a real browser, told what to do by a test: a page of the tests' own, at two origins that
are not the server's, or any other. What it can be told stands in clients/browser/page.js.
"""
import functools
import http.server
import json
import os
import threading
import urllib.request

from lib import browser, check

PATIENCE_S = 40  # an EventSource waits up to 4 s before it comes back, beside other tests
BLANK = b'<!DOCTYPE html><meta charset="utf-8"><title>test</title><body></body>'


class BlankPage(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Type', 'text/html')
        self.send_header('Content-Length', str(len(BLANK)))
        self.end_headers()
        self.wfile.write(BLANK)

    def log_message(self, *_):
        """Nobody reads it."""


class Browser:
    """A Chromium of the test's own. `origin` and `third` are two places of the same blank page."""

    def __init__(self, case):
        os.environ['TMPDIR'] = str(case.folder)  # so that its profile goes with the test
        self.client = browser.start(case, 'control.mjs')
        self.port = self.client.report(60)['port']
        static = http.server.ThreadingHTTPServer(('127.0.0.1', 0), BlankPage)
        case.open.callback(static.server_close)
        case.open.callback(static.shutdown)
        threading.Thread(target=static.serve_forever, daemon=True).start()
        self.origin = f'http://127.0.0.1:{static.server_port}'
        self.third = f'http://localhost:{static.server_port}'
        self.count = 0

    def ask(self, name, **what):
        request = urllib.request.Request(f'http://127.0.0.1:{self.port}/{name}',
                                         json.dumps(what).encode())
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            reply = json.load(answer)
        check.true('error' not in reply, f'the browser says {reply.get("error")}')
        return reply['value']

    def page(self, url=None):
        """A page at that URL, or at `origin`, that can do what page.js can."""
        self.count += 1
        return Page(self, self.count, url or self.origin)


class Page:
    def __init__(self, at, name, url):
        self.run = functools.partial(at.ask, name)
        self.run(url=url)
        self.run(script=(browser.PROGRAMS / 'page.js').read_text(encoding='utf-8')
                 .replace('const seen', 'globalThis.seen', 1))

    def call(self, function, *arguments):
        """Calls a function of page.js and returns what it comes to."""
        values = ', '.join(map(json.dumps, arguments))
        return self.run(script=f'(async () => {{ const it = await {function}({values});'
                               ' return it?.peer ? null : it; })()')

    def seen(self, name):
        """(events, states) of what was opened under that name."""
        return self.run(script=f'[seen.{name}.events, seen.{name}.states]')

    def events(self, name):
        return self.seen(name)[0]

    def states(self, name):
        return self.seen(name)[1]

    def wait_state(self, name, state):
        check.eventually(lambda: state in self.states(name), f'{name} is {state}', PATIENCE_S)

    def wait_events(self, name, count):
        """So many, or more."""
        return check.eventually(lambda: len(self.events(name)) >= count and self.events(name),
                                f'{name} has {count} events', PATIENCE_S)
