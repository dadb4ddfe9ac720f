#!/usr/bin/env python3
"""The examples as a stranger meets them: compiled against the build's library with the line that
each one says, started, and talked to over real sockets. What the library promises is tested
elsewhere.
usage: run.py BUILD"""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'tests/integration'), str(ROOT / 'tests/lint')]
# pylint: disable=wrong-import-position
from lib import check, http, sse, websocket  # noqa: E402
import tree  # noqa: E402

EXAMPLES = ROOT / 'tools/examples'
COMPILERS = ['gcc', 'clang']
FLAGS = ['-std=gnu11', '-Wall', '-Wextra', '-Wpedantic', '-Werror', f'-I{ROOT}/include']
ENDS_S = 30


class Example:
    """A running example; `port` is that of the URL it prints first."""

    def __init__(self, argv, library):
        self.child = subprocess.Popen(  # pylint: disable=consider-using-with
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, 'LD_LIBRARY_PATH': str(library)})
        line = self.child.stdout.readline()
        found = re.search(r':(\d+)/', line)
        if not found:
            self.kill()
            check.fail(f'no URL is printed: {line!r}')
        self.port = int(found[1])

    def __enter__(self):
        return self

    def __exit__(self, problem, *_):
        if problem:
            self.kill()
            return
        self.child.send_signal(signal.SIGTERM)
        try:
            check.equal(self.child.wait(ENDS_S), 0, 'exit status after SIGTERM')
        finally:
            self.kill()

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        self.child.stdout.close()
        self.child.stdin.close()


def ask(example, method, target, **how):
    connection = http.Connection(example.port)
    try:
        return connection.ask(method, target, **how)
    finally:
        connection.close()


def publish(example, topic, body, query=''):
    return ask(example, 'POST', f'/t/{topic}{query}', body=body)


# --- one test per example -------------------------------------------------------------------------

def clock(programs, library):
    """Two ticks, a second apart, as times."""
    with Example([programs / 'clock', '127.0.0.1:0'], library) as example:
        stream = sse.connect(example, 'clock')
        for _ in range(2):
            check.matches(re.compile(r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$'), stream.event().data,
                          'the time')
        stream.close()


def chat_doors(programs, library):
    with Example([programs / 'chat', '127.0.0.1:0'], library) as example:
        check.equal(publish(example, 'room.tea', b'hi').status, 401, 'without a name')
        long_name = '?name=' + 'x' * 33
        check.equal(publish(example, 'room.tea', b'hi', long_name).status, 403, 'a long name')
        stream = ask(example, 'GET', '/t/elsewhere?name=ada',
                     fields=[('Accept', 'text/event-stream')])
        check.equal(stream.status, 403, 'what is no room')
        check.equal(publish(example, 'room.tea', b'hi', '?name=ada').status, 201, 'with a name')


def chat_words(programs, library):
    with Example([programs / 'chat', '127.0.0.1:0'], library) as example:
        lobby = sse.connect(example, 'room.lobby', query='?name=eve')
        ada = websocket.connect(example, 'room.tea', query='?name=ada')
        check.equal(lobby.event().data, 'ada comes in', 'the lobby')
        ada.echo('hello')
        ada.echo('see http://example.org')  # after the moderator looked at it
        check.equal(publish(example, 'room.tea', b'damn', '?name=bob').status, 403, 'a bad word')
        check.equal(publish(example, 'room.tea', b'a://b', '?name=bob').status, 201, 'a link')
        check.equal(ada.text(), 'a://b', 'the link')
        ada.send_text('damn')
        ada.expect_close(1008)
        check.equal(lobby.event().data, 'ada leaves', 'the lobby')
        ada.close()
        lobby.close()


def ticker(programs, library):
    """It checks itself: all bodies came back, and each was seen or told missing."""
    done = subprocess.run([programs / 'ticker', '1'], capture_output=True, text=True, check=False,
                          timeout=60, env={**os.environ, 'LD_LIBRARY_PATH': str(library)})
    check.equal(done.returncode, 0, f'exit status ({done.stdout}{done.stderr})')
    check.matches(re.compile(r'^published [1-9]\d*, released [1-9]'), done.stdout, 'output')


def worker(programs, library):
    with Example([programs / 'worker', '127.0.0.1:0'], library) as example:
        done = sse.connect(example, 'done.garden')
        for job in (b'paint', b'mow the lawn'):
            publish(example, 'jobs.garden', job)
            check.equal(done.event().data, f'{len(job)} bytes of work done', 'what was done')
        done.close()


def python(_, library):
    argv = [sys.executable, EXAMPLES / 'uproar.py', '127.0.0.1:0']
    example = Example(argv, library)
    try:
        stream = sse.connect(example, 'demo')
        publish(example, 'demo', 'näh'.encode())
        check.equal(example.child.stdout.readline(), 'demo näh\n', 'what is printed')
        check.equal(stream.event().data, 'näh', 'the same by HTTP')
        example.child.stdin.write('typed\n')
        example.child.stdin.flush()
        check.equal(stream.event().data, 'typed', 'what was typed')
        stream.close()
        example.child.stdin.close()
        check.equal(example.child.wait(ENDS_S), 0, 'exit status at the end of its input')
    finally:
        example.kill()


TESTS = [clock, chat_doors, chat_words, ticker, worker, python]


def build(folder, library):
    problems = []
    for source in sorted(EXAMPLES.glob('*.c')):
        for compiler in COMPILERS:
            done = subprocess.run(
                [compiler, *FLAGS, source, '-o', folder / source.stem, f'-L{library}', '-luproar',
                 '-lpthread'], capture_output=True, text=True, check=False, timeout=120)
            if done.returncode != 0:
                problems.append(f'{compiler}: {done.stderr}')
    return tree.report('examples compile', problems)


def problems_of(test, programs, library):
    try:
        test(programs, library)
    except (check.Failed, OSError, subprocess.TimeoutExpired) as problem:
        return [f'{type(problem).__name__}: {problem}']
    return []


def main(build_folder):
    library = pathlib.Path(build_folder) / 'src'
    with tempfile.TemporaryDirectory() as folder:
        programs = pathlib.Path(folder)
        results = [build(programs, library)]
        results += [tree.report(f'example {test.__name__}', problems_of(test, programs, library))
                    for test in TESTS]
    tree.finish(*results)


if __name__ == '__main__':
    main(sys.argv[1])
