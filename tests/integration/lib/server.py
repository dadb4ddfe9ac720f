"""One uproar process: started on a free port, watched, stopped by pid, and judged by its end.
Talks to it only for /metrics; everything else is the tests' business.
"""
import ctypes
import os
import pathlib
import re
import resource
import signal
import subprocess
import time

from lib import check, http, prometheus

READY = re.compile(r'^uproar (\d+\.\d+\.\d+) ready (http://(\S+):(\d+))$', re.M)
# What a broken program says: sanitizers, its own assertions, the C library's last words.
DEATH_CRY = re.compile(r'ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|runtime error:|assertion failed'
                       r'|LeakSanitizer|stack smashing detected|double free|corrupted size')
START_S = 20
STOP_S = 20
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def sanitizer_environment():
    """A small quarantine: otherwise freed memory looks like a leak to a test of RSS."""
    given = os.environ.get('ASAN_OPTIONS', '')
    return {**os.environ, 'ASAN_OPTIONS': f'{given}:quarantine_size_mb=8',
            'UBSAN_OPTIONS': os.environ.get('UBSAN_OPTIONS', 'print_stacktrace=1')}


def is_sanitized(path):
    with open(path, 'rb') as program:
        return b'__asan_' in program.read()


def die_with_parent():
    """So that whoever is killed leaves nothing running behind."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def before_exec(nofile=None):
    """Runs between fork and exec."""
    def prepare():
        die_with_parent()
        if nofile:
            resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))
    return prepare


class Server:
    def __init__(self, path, io, flags, folder, threads=2, listen='127.0.0.1:0', nofile=None):
        self.path = path
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.argv = [path, '--listen', listen, '--threads', str(threads), '--io', io, *flags]
        self.port = None
        self.process = self.spawn(nofile)

    def spawn(self, nofile):
        with open(self.folder / 'stdout', 'wb') as out, open(self.folder / 'stderr', 'wb') as err:
            return subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                    env=sanitizer_environment(), preexec_fn=before_exec(nofile))

    @property
    def stdout(self):
        return (self.folder / 'stdout').read_text(errors='replace')

    @property
    def stderr(self):
        return (self.folder / 'stderr').read_text(errors='replace')

    def wait_ready(self):
        """Returns when the ready line is there; a program that ends before it is a failure."""
        deadline = time.monotonic() + START_S
        while not (ready := READY.search(self.stdout)):
            status = self.process.poll()
            check.true(status is None, f'ended before it was ready, status {status}: '
                                       f'{check.shown(self.stderr)}')
            check.true(time.monotonic() < deadline, f'no ready line after {START_S} s; '
                                                    f'stdout: {check.shown(self.stdout)}')
            time.sleep(0.01)
        self.version, self.url, self.port = ready[1], ready[2], int(ready[4])
        check.true(self.port > 0, 'the ready line names port 0')
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def is_running(self):
        return self.process.poll() is None

    def wait_exit(self, patience_s=STOP_S):
        """The exit status as a shell shows it."""
        try:
            status = self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            check.fail(f'still runs {patience_s} s after it should have ended')
        return status if status >= 0 else 128 - status

    def kill(self):
        if self.is_running():
            self.process.kill()
        self.process.wait()

    def stop(self):
        """A clean end: SIGTERM, exit 0, and nothing said that a sound program does not say."""
        try:
            if self.is_running():
                self.signal(signal.SIGTERM)
                check.equal(self.wait_exit(), 0, 'exit status after SIGTERM')
        finally:
            self.kill()
        self.check_sound()

    def check_sound(self):
        """Neither dead by its own fault nor complaining. Allowed ends are the tests' business."""
        cry = DEATH_CRY.search(self.stderr)
        check.true(not cry, f'the server said: {cry and cry[0]}')
        status = self.process.poll()
        check.true(status is None or status >= 0 or -status in (signal.SIGTERM, signal.SIGINT,
                                                                signal.SIGKILL),
                   f'the server died of signal {-(status or 0)}')

    def check_alive(self):
        self.check_sound()
        check.true(self.is_running(), f'the server ended, status {self.process.poll()}')

    def metrics(self):
        response = http.ask(self, 'GET', '/metrics')
        check.equal(response.status, 200, 'status of /metrics')
        return prometheus.parse(response.body.decode())

    def wait_metric(self, wanted, name, patience_s=check.PATIENCE_S, **labels):
        """Counts are each reactor's own, written around what they count: they settle soon after."""
        def settled():
            seen.append(self.metrics().sum(name, **labels))
            return seen[-1] == wanted
        seen = []
        try:
            check.eventually(settled, name, patience_s)
        except check.Failed as problem:
            raise check.Failed(f'{name}{labels or ""}: expected {wanted}, got {seen[-1]}') \
                from problem

    def connection_count(self):
        """Open connections of all kinds, the one that asks included."""
        return self.metrics().sum('uproar_connections')

    def wait_connection_count(self, count, patience_s=check.PATIENCE_S):
        self.wait_metric(count, 'uproar_connections', patience_s)

    def resident_bytes(self):
        status = pathlib.Path(f'/proc/{self.process.pid}/status').read_text()
        return int(re.search(r'^VmRSS:\s+(\d+) kB', status, re.M)[1]) * 1024


class Finished:
    """What a run of the program left: exit status as a shell shows it, stdout, stderr."""

    def __init__(self, argv, nofile=None, patience_s=START_S):
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=sanitizer_environment(),
                                   preexec_fn=before_exec(nofile))
        try:
            out, err = process.communicate(timeout=patience_s)
        except subprocess.TimeoutExpired:
            check.fail(f'{argv[1:]} still runs after {patience_s} s')
        finally:
            process.kill()
            process.wait()
        self.status = process.returncode if process.returncode >= 0 else 128 - process.returncode
        self.stdout, self.stderr = out.decode(), err.decode()
        check.true(not DEATH_CRY.search(self.stderr), f'it said: {check.shown(self.stderr)}')

    @property
    def complaint(self):
        """stderr's lines that are not empty."""
        return [line for line in self.stderr.splitlines() if line.strip()]

    def __repr__(self):
        return f'status {self.status}, stdout {check.shown(self.stdout)}, ' \
               f'stderr {check.shown(self.stderr)}'
