#!/usr/bin/env python3
"""The examples as a stranger meets them: each compiled by the line that it says itself, started,
and talked to over real sockets. What the library promises is tested elsewhere.
usage: run.py BUILD"""
import calendar
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'tests/integration'), str(ROOT / 'tests/lint')]
# pylint: disable=wrong-import-position
from lib import check, envelope, http, sse, websocket  # noqa: E402
import tree  # noqa: E402

EXAMPLES = ROOT / 'tools/examples'
COMPILERS = ['gcc', 'clang']  # what the last one makes is run
FLAGS = ['-std=c11', '-D_POSIX_C_SOURCE=200809L', '-Wall', '-Wextra', '-Wpedantic', '-Werror']
COMPILE_LINE = re.compile(r'^ \* (cc (\w+)\.c -o .*?) && \./\2', re.M)
PKG_CONFIG = '$(pkg-config --cflags --libs uproar)'
PATIENCE_S = 60  # how long a program may take to start, or to end
MODERATOR_S = 0.1  # chat's takes at least so long


class Bench:
    """The build's library, and a folder with the sources and what is compiled of them."""

    def __init__(self, build, folder):
        self.library = pathlib.Path(build).resolve() / 'src'
        self.folder = pathlib.Path(folder)
        self.environment = {**os.environ, 'LD_LIBRARY_PATH': str(self.library),
                            'LIBUPROAR': str(self.library / 'libuproar.so')}
        for source in EXAMPLES.glob('*.*'):
            shutil.copy(source, self.folder)

    def compile(self, source, compiler):
        """None, or what is wrong."""
        found = COMPILE_LINE.search(source.read_text())
        if not found or found[2] != source.stem or PKG_CONFIG not in found[1]:
            return f'{source.name}: the opening does not say how to compile it'
        line = found[1].replace(PKG_CONFIG, f'-I{ROOT}/include -L{self.library} -luproar')
        argv = [compiler, *FLAGS, *line.split()[1:]]
        done = subprocess.run(argv, cwd=self.folder, capture_output=True, text=True, check=False,
                              timeout=PATIENCE_S)
        errors = [said for said in done.stderr.splitlines() if 'error' in said]
        return f'{compiler}: {(errors or [done.stderr])[0]}' if done.returncode != 0 else None

    def start(self, name, *arguments):
        argv = [self.folder / name, *arguments]
        if name.endswith('.py'):
            argv.insert(0, sys.executable)
        return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                                env=self.environment)


class Example:
    """A running example that listens; `port` is that of the URL it prints first."""

    def __init__(self, bench, name):
        self.child = bench.start(name, '127.0.0.1:0')
        try:
            self.port = int(check.matches(re.compile(r':(\d+)/'), self.line(), 'a URL')[1])
        except BaseException:
            self.kill()
            raise

    def line(self):
        """The next line that it prints; empty at the end."""
        if not select.select([self.child.stdout], [], [], PATIENCE_S)[0]:
            check.fail(f'nothing was printed for {PATIENCE_S} s')
        return self.child.stdout.readline().decode()

    def type(self, text):
        self.child.stdin.write(text.encode())

    def expect_end(self):
        check.equal(self.child.wait(PATIENCE_S), 0, 'exit status')

    def __enter__(self):
        return self

    def __exit__(self, problem, *_):
        try:
            if not problem:
                self.child.send_signal(signal.SIGTERM)
                self.expect_end()
        finally:
            self.kill()

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        self.child.stdout.close()
        self.child.stdin.close()


def publish(example, topic, body, query='', fields=()):
    return http.ask(example, 'POST', f'/t/{topic}{query}', fields, body)


# --- clock ----------------------------------------------------------------------------------------

def told(stream):
    """(the second that it tells, when that was published)"""
    message = envelope.message_from(stream.event().data)
    return calendar.timegm(time.strptime(message.data, '%Y-%m-%dT%H:%M:%SZ')), message.time / 1000


def clock_tells_the_time(bench):
    with Example(bench, 'clock') as example, sse.connect(example, 'clock.%23') as stream:
        first, second = told(stream), told(stream)
        check.true(first[0] < second[0], f'a second after the other: {first}, {second}')


def clock_is_on_time(bench):
    """One of ten ticks is enough: a busy machine may hold up any of them, but not make it early."""
    with Example(bench, 'clock') as example, sse.connect(example, 'clock.%23') as stream:
        ticks = []
        while not ticks or ticks[-1] >= 1:
            check.true(len(ticks) < 10, f'how late, in seconds: {ticks}')
            second, published = told(stream)
            ticks.append(published - second)


# --- chat -----------------------------------------------------------------------------------------

def status_of_stream(example, topic, query):
    return http.ask(example, 'GET', f'/t/{topic}{query}', [('Accept', 'text/event-stream')]).status


def status_of_websocket(example, topic, query):
    fields = websocket.handshake_fields(websocket.new_key())
    return http.ask(example, 'GET', f'/t/{topic}{query}', fields).status


def chat_has_a_door(bench):
    with Example(bench, 'chat') as example:
        for query, expected in (('', 401), ('?name=', 401), ('?name=' + 'x' * 33, 403)):
            statuses = [publish(example, 'room.tea', b'hi', query).status,
                        status_of_stream(example, 'room.tea', query),
                        status_of_websocket(example, 'room.tea', query)]
            check.equal(statuses, [expected] * 3, f'who comes with {query!r}')
        for status in (status_of_stream, status_of_websocket):
            check.equal(status(example, 'elsewhere', '?name=ada'), 403, 'what is no room')
        http.published(publish(example, 'room.tea', b'hi', '?name=ada'), 'room.tea')


def chat_announces_and_greets(bench):
    with Example(bench, 'chat') as example, \
            sse.connect(example, 'room.lobby', query='?name=eve') as lobby:
        greeting = lobby.block()
        check.equal((greeting.id, greeting.data), (None, 'be kind'), 'the greeting of a stream')
        with websocket.connect(example, 'room.tea', query='?name=ada') as ada:
            check.equal(ada.text(), 'be kind', 'the greeting of a WebSocket')
            check.equal(lobby.event().data, 'ada comes in', 'the lobby')
            publish(example, 'room.tea', b'hi', '?name=bob')
            check.equal(ada.text(), 'hi', 'a message')
            ada.leave()
        check.equal(lobby.event().data, 'ada leaves', 'the lobby, where bob was not announced')


def chat_watches_its_words(bench):
    with Example(bench, 'chat') as example, \
            websocket.connect(example, 'room.tea', query='?name=ada') as ada:
        ada.text()  # the greeting
        ada.echo('hello')
        check.equal(publish(example, 'room.tea', b'oh damn', '?name=bob').status, 403, 'a word')
        check.equal(publish(example, 'room.tea', b'hi', '?name=guest').status, 401, 'a guest')
        ada.echo('the next')
        ada.send_text('damn')
        ada.expect_close(1008)


def chat_has_a_moderator(bench):
    with Example(bench, 'chat') as example, \
            websocket.connect(example, 'room.tea', query='?name=ada') as ada:
        ada.text()  # the greeting
        began = time.monotonic()
        ada.echo('see http://example.org')
        check.true(time.monotonic() - began >= MODERATOR_S, 'nobody looked at a link')
        began = time.monotonic()
        http.published(publish(example, 'room.tea', b'a://b', '?name=bob'), 'room.tea')
        check.true(time.monotonic() - began >= MODERATOR_S, 'nobody looked at a posted link')
        check.equal(ada.text(), 'a://b', 'the posted link')


# --- the others -----------------------------------------------------------------------------------

def ticker_gets_all_bodies_back(bench):
    child = bench.start('ticker', '0.3')
    try:
        output = child.communicate(timeout=PATIENCE_S)[0].decode()
    finally:
        child.kill()
        child.wait()
    found = check.matches(re.compile(r'^published (\d+), released (\d+): \d+ a second\n'
                                     r'seen (\d+), missed (\d+)\n$'), output, 'output')
    published, released, seen, missed = map(int, found.groups())
    check.true(published > 0, output)
    check.equal(released, published, 'released')
    check.equal(seen + missed, published, 'seen and missed')
    check.equal(child.returncode, 0, 'exit status')


def worker_does_its_jobs(bench):
    with Example(bench, 'worker') as example, sse.connect(example, 'done.garden') as done:
        for job in (b'paint', b'mow the lawn'):
            http.published(publish(example, 'jobs.garden', job))
            check.equal(done.event().data, f'{len(job)} bytes of work done', 'what was done')
        example.child.send_signal(signal.SIGTERM)
        done.expect_end()
        check.equal(example.line(), 'no more jobs\n', 'what is printed')
        example.expect_end()


def python_publishes_and_subscribes(bench):
    with Example(bench, 'uproar.py') as example, sse.connect(example, 'demo') as stream:
        http.published(publish(example, 'demo', 'näh'.encode()))
        check.equal(example.line(), 'demo näh\n', 'what is printed')
        check.equal(stream.event().data, 'näh', 'the same by HTTP')
        publish(example, 'demo', b'\xff', fields=[('Content-Type', 'application/octet-stream')])
        check.equal(example.line(), 'demo \ufffd\n', 'what is printed of bytes')
        stream.event()
        example.type('typed\nat once\n')
        for line in ('typed', 'at once'):
            check.equal(example.line(), f'demo {line}\n', 'what is printed')
            check.equal(stream.event().data, line, 'the same by HTTP')
        example.type('the last')
        example.child.stdin.close()
        check.equal(example.line(), 'demo the last\n', 'what is printed in the end')
        example.expect_end()


TESTS = [clock_tells_the_time, clock_is_on_time, chat_has_a_door, chat_announces_and_greets,
         chat_watches_its_words, chat_has_a_moderator, ticker_gets_all_bodies_back,
         worker_does_its_jobs, python_publishes_and_subscribes]


def problems_of(test, bench):
    try:
        test(bench)
    except (check.Failed, http.Ended, OSError, ValueError, subprocess.SubprocessError) as problem:
        where = traceback.extract_tb(problem.__traceback__)[1]
        return [f'line {where.lineno}: {type(problem).__name__}: {problem}']
    return []


def main(build):
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(build, folder)
        compiled = [bench.compile(source, compiler) for source in sorted(EXAMPLES.glob('*.c'))
                    for compiler in COMPILERS]
        results = [tree.report('examples compile', [problem for problem in compiled if problem])]
        results += [tree.report(test.__name__, problems_of(test, bench)) for test in TESTS]
    tree.finish(*results)


if __name__ == '__main__':
    main(sys.argv[1])
