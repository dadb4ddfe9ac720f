"""Runs the uproar-cat that was built beside the server, with standard input and output of its own.
"""
import pathlib
import signal
import subprocess

from lib import check, server

NAME = 'uproar-cat'
PATIENCE_S = 40
SCHEMES = ['http', 'ws']


def path_of(case):
    return str(pathlib.Path(case.settings.path).parent / NAME)


def prepare():
    """Between fork and exec. Who is started in the background has SIGINT ignored."""
    server.die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def url_of(at, scheme='http'):
    return f'{scheme}://127.0.0.1:{at.port}'


class Cat:
    """A run that goes on until it ends by itself or is ended."""

    def __init__(self, case, *arguments, given=None, shell=None, environment=None):
        self.out = case.file('')
        self.err = case.file('')
        argv = [path_of(case), *map(str, arguments)]
        if shell:
            argv = ['bash', '-c', f'"$0" "$@" {shell}', *argv]
        with open(self.out, 'wb') as out, open(self.err, 'wb') as err:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=out, stderr=err,
                env={**server.sanitizer_environment(), **(environment or {})},
                preexec_fn=prepare)
        case.open.callback(self.process.wait)
        case.open.callback(self.process.kill)
        if given is not None:
            self.process.stdin.write(given)
            self.process.stdin.close()

    @property
    def printed(self):
        return self.out.read_bytes()

    @property
    def said(self):
        return self.err.read_text(encoding='utf-8', errors='replace')

    def wait_printed(self, wanted):
        check.eventually(lambda: self.printed == wanted,
                         lambda: f'it prints {check.shown(wanted)}: {check.shown(self.printed)} '
                                 f'({check.shown(self.said)})', PATIENCE_S)

    def wait_said(self, part):
        check.eventually(lambda: part in self.said, lambda: f'it says {part!r}: {self.said}',
                         PATIENCE_S)

    def end(self, status=0):
        """Waits for its end, and judges its status and that it said nothing unsound."""
        try:
            got = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            check.fail(f'still runs after {PATIENCE_S} s: {check.shown(self.said)}')
        check.true(not server.DEATH_CRY.search(self.said), f'it said: {check.shown(self.said)}')
        check.equal(got, status, f'exit status ({check.shown(self.said)})')
        return self


def follow(case, at, *arguments, scheme='http', topic=None):
    """A subscriber that is there: it begins behind the newest message."""
    subscriptions = at.metrics().sum('uproar_subscriptions')
    cat = Cat(case, url_of(at, scheme), topic or case.topic, *arguments)
    at.wait_metric(subscriptions + 1, 'uproar_subscriptions', PATIENCE_S)
    return cat


def publish(case, at, given, *arguments, status=0, **how):
    return Cat(case, '-p', url_of(at), case.topic, *arguments, given=given, **how).end(status)
