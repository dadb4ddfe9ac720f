"""Tables of clients and behaviours: a program for each client, a test for each pair. All clients
go through a behaviour beside each other, because what takes long there is waiting.
What the clients have in common is how their programs are called and what they print:
tests/clients/node/report.mjs and tests/clients/python/report.py.
"""
import concurrent.futures
import json
import queue
import shutil
import subprocess
import sys

from lib import check, http, node, proxy, testing

LAST = 'the end'
PATIENCE_S = 40  # a client waits up to 4 s before it comes back, and all start at once


class Row:
    """A client: its program, the Python module or program that has to be there, and in what it
    differs from others, as far as behaviours ask."""

    def __init__(self, program, needs=None, **differences):
        self.program = program
        self.needs = needs
        self.differences = differences

    def get(self, difference, usual=None):
        return self.differences.get(difference, usual)

    def argv(self, case):
        if self.program.suffix == '.mjs':
            return ['node', str(node.prepared(case, self.program))]
        if self.needs == 'curl':
            if not shutil.which('curl'):
                raise check.Skipped('curl is not installed')
            return [sys.executable, str(self.program)]
        return [python_with(self.needs), str(self.program)]


def python_with(module):
    """The first Python that has it: a distribution's packages are not in every one."""
    for python in dict.fromkeys([sys.executable, shutil.which('python3'), '/usr/bin/python3']):
        argv = [python, '-c', f'import {module}']
        if python and subprocess.run(argv, capture_output=True, check=False).returncode == 0:
            return python
    raise check.Skipped(f'Python has no module {module}')


class Client:
    """A running program, and what it has said."""

    def __init__(self, case, argv):
        self.output = case.start_command(*argv)

    @property
    def lines(self):
        """A line that is not finished yet is not there yet."""
        return self.output.read_bytes().rpartition(b'\n')[0].decode().split('\n')

    def said(self, what):
        """What it said of that kind so far, in order."""
        told = [json.loads(line) for line in self.lines if line.startswith('{')]
        return [each[what] for each in told if what in each]

    def wait(self, what, count=1):
        """Returns what it has said of that kind when it was as often."""
        try:
            return check.eventually(lambda: len(self.said(what)) >= count and self.said(what),
                                    f'it says {what!r} {count} times', PATIENCE_S)
        except check.Failed as problem:
            raise check.Failed(f'{problem}; it said {check.shown(self.lines[-5:])}') from problem


class Scene:
    """One client in one behaviour, on a thread and a topic of its own. Processes die with the
    thread that started them (and a case is made for one thread), so all are started by the main
    one: `on_main`."""

    def __init__(self, case, name, row, on_main):
        self.case = case
        self.row = row
        self.topic = f'{case.topic}-{name}'
        self.on_main = on_main
        self.server = case.server

    def start_server(self, *flags, **how):
        return self.on_main(lambda: self.case.start(*flags, threads=1, **how))

    def file(self, text):
        return self.on_main(lambda: self.case.file(text))

    def proxy(self, server):
        return self.on_main(lambda: self.case.keep(proxy.Proxy(server.port)))

    def client(self, at, *words, topic=None, query='', waits_for='open'):
        """Starts it, and returns when it has said that. `at`: a server or a proxy."""
        scheme = self.row.get('scheme', 'http')
        url = f'{scheme}://127.0.0.1:{at.port}/t/{topic or self.topic}{query}'
        client = self.on_main(lambda: Client(self.case, [*self.row.argv(self.case), url, *words]))
        client.wait(waits_for)
        return client

    def publish(self, server, body, query='', fields=()):
        body = body.encode() if isinstance(body, str) else body
        return http.publish(server, self.topic, body, fields, query)


class MainThread:
    """What others ask it to do, while it waits for them."""

    def __init__(self):
        self.asked = queue.Queue()

    def do(self, work):
        answer = concurrent.futures.Future()
        self.asked.put((work, answer))
        return answer.result()

    def serve(self, threads):
        while any(thread.is_alive() for thread in threads):
            try:
                work, answer = self.asked.get(timeout=0.1)
            except queue.Empty:
                continue
            try:
                answer.set_result(work())
            except Exception as problem:  # raised again where it was asked for
                answer.set_exception(problem)


class Behaviour:
    """Played once, by all clients that have it; what became of each is kept for its test."""

    def __init__(self, play, rows):
        self.play = play
        self.rows = {name: row for name, row in rows.items()
                     if self.name not in row.get('lacks', ())}
        self.outcomes = None

    @property
    def name(self):
        return self.play.__name__

    def begin(self, case):
        main = MainThread()
        scenes = {name: Scene(case, name, row, main.do) for name, row in self.rows.items()}
        self.outcomes = {name: testing.Background(self.play, scene)
                         for name, scene in scenes.items()}
        main.serve([outcome.thread for outcome in self.outcomes.values()])

    def test(self, name):
        @testing.limit(240)
        def judge(case):
            if self.outcomes is None:
                self.begin(case)
            self.outcomes[name].result()
        return judge


def tests(rows, *plays):
    """The tests of a table, by name."""
    behaviours = [Behaviour(play, rows) for play in plays]
    return {f'test_{name}_{behaviour.name}': behaviour.test(name)
            for behaviour in behaviours for name in behaviour.rows}
