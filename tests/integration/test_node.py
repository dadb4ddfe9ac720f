"""The clients that people use: npm's ws and eventsource, each in a program of node/.
What they leave unseen is tested on raw sockets elsewhere.
"""
import base64
import fcntl
import json
import pathlib
import shutil
import subprocess
import time

from lib import check, http, testing

HERE = pathlib.Path(__file__).resolve().parent
INSTALL_FOLDER = HERE.parents[1] / 'build/node'
PACKAGES = ['ws', 'eventsource']
INSTALL_S = 90
RETRY_S = 1800  # where npm cannot reach anybody: once is enough for all tests
TEXTS = ['plain', 'Grüße, 世界', '🦁 👩‍👩‍👧', 'two\nlines', '', ' leading', '"quoted"', 'x' * 100000]
CONNECTING = 0


def has_packages(modules):
    return all((modules / package / 'package.json').exists() for package in PACKAGES)


def npm_install():
    """Returns what went wrong, or None."""
    argv = ['npm', 'install', '--prefix', str(INSTALL_FOLDER), '--no-audit', '--no-fund',
            '--silent', *PACKAGES]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        return f'npm install took longer than {INSTALL_S} s'
    said = (done.stderr + done.stdout).strip().splitlines()
    return None if done.returncode == 0 else said[-1] if said else f'exit {done.returncode}'


def install():
    """By one test at a time; a failure is remembered. Returns what went wrong, or None."""
    INSTALL_FOLDER.mkdir(parents=True, exist_ok=True)
    failure = INSTALL_FOLDER / '.failure'
    with open(INSTALL_FOLDER / '.lock', 'w', encoding='utf-8') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if has_packages(INSTALL_FOLDER / 'node_modules'):
            return None
        if failure.exists() and time.time() - failure.stat().st_mtime < RETRY_S:
            return failure.read_text(encoding='utf-8')
        problem = npm_install()
        if problem:
            failure.write_text(problem, encoding='utf-8')
        return problem


def node_modules(case):
    """The folder with the packages; skips the test where they cannot be had."""
    if not shutil.which('node'):
        raise check.Skipped('node is not installed')
    given = case.settings.node_modules
    if given:
        for folder in (pathlib.Path(given), pathlib.Path(given) / 'node_modules'):
            if has_packages(folder):
                return folder.resolve()
    if not shutil.which('npm'):
        raise check.Skipped('npm is not installed')
    problem = install()
    if problem:
        raise check.Skipped(f'npm could not install {" ".join(PACKAGES)}: {problem}')
    return INSTALL_FOLDER / 'node_modules'


class Client:
    """A running .mjs and the lines it has printed."""

    def __init__(self, case, script, *arguments):
        folder = case.folder / 'node'
        if not folder.exists():  # modules resolve beside the script, never by NODE_PATH
            shutil.copytree(HERE / 'node', folder)
            (folder / 'node_modules').symlink_to(node_modules(case))
        self.output = case.start_command('node', str(folder / script), *map(str, arguments))

    @property
    def lines(self):
        return self.output.read_text(encoding='utf-8').splitlines()

    def wait_line(self, line):
        check.eventually(lambda: line in self.lines, f'node says {line!r}: {self.lines}', 15)

    def report(self):
        found = check.eventually(lambda: [line for line in self.lines if line.startswith('{')
                                          and line.endswith('}')],
                                 'node reports what it saw', 30)
        return json.loads(found[0])


def websocket_client(case, server, count, *texts):
    client = Client(case, 'websocket.mjs', f'ws://127.0.0.1:{server.port}/t/{case.topic}', count,
                    *texts)
    client.wait_line('open')
    return client


def event_source(case, server, count, *types):
    return Client(case, 'eventsource.mjs', f'{server.url}/t/{case.topic}', count, *types)


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
