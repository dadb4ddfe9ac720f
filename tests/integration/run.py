#!/usr/bin/env python3
"""Runs the tests of this folder, or of another, against a built uproar: a line per test, a summary,
an exit status. Builds nothing; what a test may use is in lib/.

usage: run.py --uproar PATH [--tests FOLDER] [--io auto|uring|epoll] [--filter SUBSTRING]
              [--jobs N] [--list]
"""
import argparse
import ctypes
import importlib
import inspect
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from lib import check, server, testing  # noqa: E402 (the path has to be set first)

GRACE_S = 60  # beyond a test's own limit: its servers' ends are waited for, each bounded
SYS_IO_URING_SETUP = 425
processes = multiprocessing.get_context('fork')


def uring_problem():
    """Why this machine has no io_uring, or None. Asked of the kernel, so that a program that fails
    to use it does not pass for a machine without it."""
    parameters = ctypes.create_string_buffer(120)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(SYS_IO_URING_SETUP, 1, parameters)
    if fd < 0:
        return os.strerror(ctypes.get_errno())
    os.close(fd)
    return None


class TestFile:
    """A module test_GROUP.py and those of its tests that were asked for."""

    def __init__(self, path, wanted):
        self.group = path.stem.removeprefix('test_')
        self.module = importlib.import_module(path.stem)
        self.tests = [(name, test) for name, test in self.all_tests() if wanted in name]

    def all_tests(self):
        for name, value in vars(self.module).items():
            if name.startswith('test_') and inspect.isfunction(value):
                yield f'{self.group}.{name.removeprefix("test_")}', value

    @property
    def flags(self):
        return getattr(self.module, 'FLAGS', [])


def work(file, first, settings, pipe):
    """In a process of its own: the tests of a file from `first` on. Reports through the pipe."""
    server.die_with_parent()
    with tempfile.TemporaryDirectory(prefix='uproar-test-') as folder:
        shared = testing.SharedServer(settings, file.flags, pathlib.Path(folder))
        try:
            for index in range(first, len(file.tests)):
                name, test = file.tests[index]
                pipe.send(('began', index, settings.limit_s(test)))
                pipe.send(('ended', name, testing.run_test(test, name, settings, shared)))
            if shared.running:
                pipe.send(('began', len(file.tests), testing.LIMIT_S))
                pipe.send(('ended', f'{file.group}.the_shared_server_ends_well', last(shared)))
        finally:
            shared.discard()
    pipe.send(('done',))


def last(shared):
    """Leaks are found at the end, so the shared server's own end is a test too."""
    running = shared.running
    try:
        shared.stop()
    except check.Failed as problem:
        return testing.Outcome('FAIL', str(problem), running.stderr.splitlines()[-40:])
    return testing.Outcome('pass')


class Worker:
    """A process that runs a file, and how far it is."""

    def __init__(self, file, first, settings):
        self.file = file
        self.index = first
        self.deadline = time.monotonic() + GRACE_S
        self.is_done = False
        self.pipe, theirs = processes.Pipe(duplex=False)
        self.process = processes.Process(target=work, args=(file, first, settings, theirs))
        self.process.start()
        theirs.close()

    def current_name(self):
        named = self.index < len(self.file.tests)
        return self.file.tests[self.index][0] if named else f'{self.file.group}.the_shared_server'

    def receive(self, report):
        """Takes one message. False: it is over, well or not."""
        try:
            kind, *rest = self.pipe.recv()
        except EOFError:
            return False
        if kind == 'began':
            self.index = rest[0]
            self.deadline = time.monotonic() + rest[1] + GRACE_S
        elif kind == 'ended':
            report.add(*rest)
        self.is_done = kind == 'done'
        return not self.is_done

    def end(self, report):
        """Reaps it. Returns the index to go on from, or None when all is told."""
        if self.process.is_alive() and not self.is_done:
            self.process.kill()
        self.process.join()
        self.pipe.close()
        if self.is_done:
            return None
        report.add(self.current_name(),
                   testing.Outcome('FAIL', 'the test hung or ended its process'))
        return self.index + 1 if self.index + 1 < len(self.file.tests) else None


class Report:
    def __init__(self):
        self.counts = {'pass': 0, 'FAIL': 0, 'skipped': 0}

    def add(self, name, outcome):
        self.counts[outcome.kind] += 1
        if outcome.kind == 'pass':
            print(f'pass {name}', flush=True)
        elif outcome.kind == 'skipped':
            print(f'skipped: {name}: {outcome.reason}', flush=True)
        else:
            print('\n'.join([f'FAIL {name}: {outcome.reason}',
                             *(f'    stderr| {line}' for line in outcome.tail)]), flush=True)

    def finish(self):
        passed, failed, skipped = (self.counts[kind] for kind in ('pass', 'FAIL', 'skipped'))
        print(f'{passed} passed, {failed} failed, {skipped} skipped', flush=True)
        return 1 if failed or passed == 0 else 0


def run_files(files, settings, jobs, report):
    """Files run beside each other, the tests of one file one after the other."""
    waiting = [(file, 0) for file in files]
    workers = {}
    while waiting or workers:
        while waiting and len(workers) < jobs:
            worker = Worker(*waiting.pop(0), settings)
            workers[worker.pipe] = worker
        ready = multiprocessing.connection.wait(list(workers), timeout=1)
        late = [pipe for pipe, worker in workers.items()
                if pipe not in ready and time.monotonic() > worker.deadline]
        for pipe in [pipe for pipe in ready if not workers[pipe].receive(report)] + late:
            worker = workers.pop(pipe)
            go_on_from = worker.end(report)
            if go_on_from is not None:
                waiting.insert(0, (worker.file, go_on_from))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--uproar', required=True, help='the program')
    parser.add_argument('--tests', type=pathlib.Path, default=HERE, metavar='FOLDER',
                        help='where the test_*.py are (default: beside this program)')
    parser.add_argument('--io', default='auto', choices=['auto', 'uring', 'epoll'])
    parser.add_argument('--filter', default='', help='only tests whose name has this in it')
    parser.add_argument('--jobs', type=int, default=os.cpu_count() or 2)
    parser.add_argument('--list', action='store_true', help='names the tests and runs none')
    parser.add_argument('--allow-skip', action='append', default=[],
                        help='accepted for whoever counts the skipped lines; nothing changes here')
    options = parser.parse_args()
    if not os.access(options.uproar, os.X_OK):
        parser.error(f'--uproar: {options.uproar} is not a program')
    return options


def main():
    options = parse_arguments()
    sys.path.insert(0, str(options.tests))
    files = [TestFile(path, options.filter) for path in sorted(options.tests.glob('test_*.py'))]
    files = [file for file in files if file.tests]
    if options.list:
        print('\n'.join(name for file in files for name, _ in file.tests))
        return 0
    if options.io == 'uring' and (problem := uring_problem()):
        print(f'skipped: uring: no io_uring here: {problem}')
        print('0 passed, 0 failed, 1 skipped')
        return 0
    settings = testing.Settings(options.uproar, options.io)
    report = Report()
    with tempfile.TemporaryDirectory(prefix='uproar-test-') as folder:
        tempfile.tempdir = folder  # also of killed tests nothing stays behind
        run_files(files, settings, options.jobs, report)
    return report.finish()


if __name__ == '__main__':
    sys.exit(main())
