"""What a test is given: servers, peers that are closed behind it, files, threads that report.
Does not choose or count tests; run.py does.
"""
import contextlib
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import traceback

from lib import check, http, server, sse, websocket

LIMIT_S = 20       # one test, unless @limit says otherwise
SANITIZED_TIMES = 3  # a sanitized program is that much slower, at most


class TimedOut(BaseException):
    """Not an Exception: no test may catch it by accident."""


def limit(seconds):
    """Marks a test that takes longer than others by its nature."""
    def mark(test):
        test.limit_s = seconds
        return test
    return mark


class Settings:
    """What the command line says, and what follows from it."""

    def __init__(self, path, io):
        self.path = str(pathlib.Path(path).resolve())
        self.io = io
        self.is_sanitized = server.is_sanitized(self.path)

    def limit_s(self, test):
        seconds = getattr(test, 'limit_s', LIMIT_S)
        return seconds * SANITIZED_TIMES if self.is_sanitized else seconds


class Background:
    """Work on a thread; result() hands over what it returned or raised."""

    def __init__(self, work, *arguments):
        self.outcome = None
        self.thread = threading.Thread(target=self.run, args=(work, arguments), daemon=True)
        self.thread.start()

    def run(self, work, arguments):
        try:
            self.outcome = (work(*arguments), None)
        except Exception as problem:  # raised again by result(), on the test's own thread
            self.outcome = (None, problem)

    def result(self):
        self.thread.join()
        value, problem = self.outcome
        if problem:
            raise problem
        return value


class SharedServer:
    """One server for all tests of a file that do not need their own flags."""

    def __init__(self, settings, flags, folder):
        self.settings = settings
        self.flags = flags
        self.folder = folder
        self.starts = 0
        self.running = None

    def get(self):
        if not self.running:
            self.starts += 1
            self.running = server.Server(self.settings.path, self.settings.io, self.flags,
                                         self.folder / f'shared-{self.starts}')
            try:
                self.running.wait_ready()
            except BaseException:
                self.discard()
                raise
        return self.running

    def stop(self):
        running, self.running = self.running, None
        if running:
            running.stop()

    def discard(self):
        """After a failure nobody knows what state it is in: the next test gets a fresh one."""
        if self.running:
            self.running.kill()
            self.running = None


class Case:
    """One run of one test."""

    def __init__(self, name, settings, shared, folder):
        self.topic = re.sub(r'\W', '-', name)  # no other test publishes to it
        self.settings = settings
        self.io = settings.io
        self.shared = shared
        self.folder = folder
        self.open = contextlib.ExitStack()
        self.servers = []
        self.file_count = 0

    @property
    def server(self):
        return self.shared.get()

    def start(self, *flags, io=None, **how):
        """A server of the test's own, stopped and judged behind it."""
        started = server.Server(self.settings.path, io or self.io, [str(flag) for flag in flags],
                                self.folder / f'own-{len(self.servers)}', **how)
        self.servers.append(started)
        return started.wait_ready()

    def run(self, *arguments, nofile=None):
        """Runs the program with just these arguments to its end."""
        return server.Finished([self.settings.path, *map(str, arguments)], nofile)

    def command(self, *argv):
        """Runs another program to its good end and returns what it said."""
        if not shutil.which(argv[0]):
            raise check.Skipped(f'{argv[0]} is not installed')
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=self.settings.limit_s(None), check=False)
        check.equal(done.returncode, 0, f'exit status of {argv} ({done.stderr})')
        return done.stdout

    def start_command(self, *argv):
        """Starts another program, ended behind the test; returns the file that it writes to."""
        if not shutil.which(argv[0]):
            raise check.Skipped(f'{argv[0]} is not installed')
        path = self.file('')
        with open(path, 'wb') as output:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT,
                                       preexec_fn=server.before_exec())
        self.open.callback(process.wait)
        self.open.callback(process.kill)
        return path

    def file(self, text):
        self.file_count += 1
        path = self.folder / f'file-{self.file_count}'
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def keep(self, closable):
        """Closes it behind the test."""
        self.open.callback(closable.close)
        return closable

    def connection(self, at=None):
        return self.keep(http.Connection((at or self.server).port))

    def peer(self, topic=None, at=None, **how):
        return self.keep(websocket.connect(at or self.server, topic or self.topic, **how))

    def stream(self, topic=None, at=None, **how):
        return self.keep(sse.connect(at or self.server, topic or self.topic, **how))

    def memory_growth_max(self):
        """How much a server may grow under abuse that holds nothing: a leak is far beyond it."""
        return (256 if self.settings.is_sanitized else 96) << 20

    def finish(self, failed):
        """Closes, stops and judges. After a failure the own servers' end is not judged too."""
        self.open.close()
        problems = []
        for started in self.servers:
            try:
                if failed or not started.is_running():
                    started.kill()
                    started.check_sound()
                else:
                    started.stop()
            except check.Failed as problem:
                problems.append(str(problem))
        check.true(not problems, '; '.join(problems))

    def stderr_tail(self, count=15):
        watched = [*self.servers, *([self.shared.running] if self.shared.running else [])]
        return [line for each in watched for line in each.stderr.splitlines()[-count:]]

    def kill_servers(self):
        for started in self.servers:
            started.kill()


class Outcome:
    def __init__(self, kind, reason='', tail=()):
        self.kind = kind  # 'pass', 'FAIL', 'skipped'
        self.reason = reason
        self.tail = list(tail)


def on_alarm(*_):
    raise TimedOut


def where(problem):
    """The line of the test file that the problem went through."""
    frames = [frame for frame in traceback.extract_tb(problem.__traceback__)
              if pathlib.Path(frame.filename).name.startswith('test_')]
    return f' (line {frames[-1].lineno})' if frames else ''


def reason_of(problem):
    text = str(problem) if isinstance(problem, check.Failed) else repr(problem)
    return ' '.join(text.split()) + where(problem)


def attempt(test, case, limit_s):
    """Runs the test and what ends it. The shared server has to survive every test."""
    try:
        signal.setitimer(signal.ITIMER_REAL, limit_s)
        try:
            test(case)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        case.finish(failed=False)
        if case.shared.running:
            case.shared.running.check_alive()
    except check.Skipped as skipped:
        case.finish(failed=True)
        return Outcome('skipped', str(skipped))
    except TimedOut as slow:
        return Outcome('FAIL', f'not done after {limit_s} s{where(slow)}')
    except Exception as problem:
        return Outcome('FAIL', reason_of(problem))
    return Outcome('pass')


def run_test(test, name, settings, shared):
    signal.signal(signal.SIGALRM, on_alarm)
    folder = pathlib.Path(tempfile.mkdtemp(prefix='uproar-test-'))
    case = Case(name, settings, shared, folder)
    try:
        outcome = attempt(test, case, settings.limit_s(test))
        if outcome.kind == 'FAIL':
            fail_further(outcome, case)
        return outcome
    finally:
        case.kill_servers()
        shutil.rmtree(folder, ignore_errors=True)


def fail_further(outcome, case):
    """Adds what the servers have to say: a crash explains a failed expectation."""
    outcome.tail = case.stderr_tail()
    try:
        if case.shared.running:
            case.shared.running.check_alive()
        case.finish(failed=True)
    except check.Failed as problem:
        outcome.reason += f'; {problem}'
    case.shared.discard()
