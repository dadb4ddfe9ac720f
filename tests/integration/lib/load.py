"""Runs the load generator that was built beside the server, and reads what it says.
Does not judge: a run that must fail is as good as one that must not.
"""
import json
import pathlib
import signal
import subprocess
import time

from lib import check, server

NAME = 'uproar-load'
PATIENCE_S = 40


def path_of(case):
    """The load generator stands beside the server."""
    return str(pathlib.Path(case.settings.path).parent / NAME)


class Run:
    """One run to its end: status, stdout, stderr, the JSON file."""

    def __init__(self, case, *arguments, nofile=None):
        self.file = case.folder / f'load-{time.monotonic_ns()}.json'
        argv = [path_of(case), *map(str, arguments)]
        if arguments[0] != 'doctor':
            argv += ['--io', case.io, '--json', str(self.file)]
        self.finished = server.Finished(argv, nofile, PATIENCE_S)
        self.status = self.finished.status
        self.lines = self.finished.stdout.splitlines()

    @property
    def figures(self):
        check.true(self.file.exists(), f'there is no JSON: {self.finished}')
        return json.loads(self.file.read_text())

    @property
    def sentence(self):
        check.true(self.lines, f'nothing on stdout: {self.finished}')
        return self.lines[-1]


def clean(case, *arguments, **how):
    """A run in which nothing may go wrong. Returns its figures."""
    run = Run(case, *arguments, **how)
    check.equal(run.status, 0, f'exit status ({run.finished})')
    figures = run.figures
    check.equal(figures['clean'], True, 'clean')
    check.equal(figures['sentence'], run.sentence, 'the sentence in the JSON')
    check.true(run.sentence.endswith('.'), f'the last line is no sentence: {run.sentence}')
    return figures


def faulty(case, *arguments, **how):
    """A run that must find something. Returns its figures."""
    run = Run(case, *arguments, **how)
    check.equal(run.status, 1, f'exit status ({run.finished})')
    check.equal(run.figures['clean'], False, 'clean')
    return run.figures


class Running:
    """A run that a test ends, with Ctrl-C."""

    def __init__(self, case, *arguments):
        self.file = case.folder / 'running.json'
        argv = [path_of(case), *map(str, arguments), '--io', case.io, '--json', str(self.file)]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True,
                                        env=server.sanitizer_environment(),
                                        preexec_fn=server.before_exec())
        case.open.callback(self.process.wait)
        case.open.callback(self.process.kill)

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def end(self):
        """(exit status, stdout, figures)."""
        out, err = self.process.communicate(timeout=PATIENCE_S)
        check.true(not server.DEATH_CRY.search(err), f'it said: {check.shown(err)}')
        return self.process.returncode, out, json.loads(self.file.read_text())
