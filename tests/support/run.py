#!/usr/bin/env python3
"""Builds uproar in every way it is tested, runs the suites and counts what they say.
It does not know single tests: meson lists the programs, tests/integration/run.py its own.

usage: tools/test [--clients] [--allow-skip NAME]... [--fuzz-seconds N] [--sim-seconds N] [SUITE]...
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / 'build'
WORKERS = os.cpu_count() or 2
INTEGRATION_S = 600  # its tests have limits of their own
REASON_LINES, FULL_REASONS = 40, 30
MUST_RUN = ['uring']  # a run that skipped these did not test what it is for

# Each way to build: compiler, meson's arguments, ninja's targets.
Way = collections.namedtuple('Way', 'cc arguments targets')
WAYS = {
    'test': Way('gcc', [], ['all', 'tests', 'embed', 'bench', 'simulation']),
    # Covers clang's warnings (-Wthread-safety among them) and the fuzz targets in the same build.
    'asan': Way('clang', ['-Db_sanitize=address,undefined', '-Db_lundef=false',
                          '-Dc_args=-fsanitize=fuzzer-no-link'],
                ['all', 'tests', 'embed', 'bench', 'fuzz', 'simulation']),
    'tsan': Way('clang', ['-Db_sanitize=thread', '-Db_lundef=false'], ['stress', 'embed']),
}

# What one program is asked to do, and what came of it.
Job = collections.namedtuple('Job', 'name argv timeout_s folder', defaults=[ROOT])
Outcome = collections.namedtuple('Outcome', 'passed failures skips output')
Failure = collections.namedtuple('Failure', 'name reason')

SANITIZER_ENV = {
    # addr2line comes with gcc, llvm-symbolizer does not come with clang.
    'ASAN_OPTIONS': 'abort_on_error=1:detect_stack_use_after_return=1:allow_addr2line=1',
    'UBSAN_OPTIONS': 'print_stacktrace=1:allow_addr2line=1',
    'TSAN_OPTIONS': 'halt_on_error=1:allow_addr2line=1',
}
ANSI = re.compile(r'\x1b\[[0-9;]*m')
SYNTHESIS = re.compile(r'Synthesis: Tested: (\d+) \| Passing: (\d+) \|')
# A failure's reason may go on in indented lines.
LINE = re.compile(r'^(?:(pass) (\S.*)|(FAIL) (\S[^:]*): ?(.*(?:\n    .*)*)|'
                  r'(skipped): ([^:]+): ?(.*))$', re.M)


def run(argv, timeout_s, folder=ROOT, env=None):
    """Returns (exit status or None for a time-out, output). Leaves no process behind."""
    child = subprocess.Popen(argv, cwd=folder, env={**os.environ, **SANITIZER_ENV, **(env or {})},
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, _ = child.communicate(timeout=timeout_s)
        status = child.returncode
    except subprocess.TimeoutExpired:
        status, output = None, b''
    finally:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    if status is None:
        output, _ = child.communicate()
    return status, ANSI.sub('', output.decode(errors='replace'))


def how_it_ended(status):
    if status is None:
        return 'timed out'
    return f'killed by signal {-status}' if status < 0 else f'exit status {status}'


def named(job, name):
    return name if name.startswith(job.name) else f'{job.name}: {name}'


def judge(job, status, output):
    """Counts Criterion's summary, else lines `pass`, `FAIL`, `skipped:`, else the exit status."""
    passed, failures, skips = 0, [], []
    summary = SYNTHESIS.search(output)
    lines = LINE.findall(output)
    if summary:
        tested, passed = map(int, summary.groups())
        names = re.findall(r'^\[FAIL\] ([^:\s]+::[^:\s]+)', output, re.M)
        failures = [Failure(f'{job.name}: {name}', 'see below') for name in names]
        failures += [Failure(job.name, 'see below')] * (tested - passed - len(failures))
        if tested == 0:
            failures.append(Failure(job.name, 'no test in it'))
    elif lines:
        passed = sum(1 for line in lines if line[0])
        failures = [Failure(named(job, line[3]), line[4]) for line in lines if line[2]]
        skips = [(line[6], line[7]) for line in lines if line[5]]
        if failures:
            output = ''  # the lines said it
    elif status == 77:
        skips = [(job.name, output.strip().splitlines()[-1] if output.strip() else 'exit 77')]
        status = 0
    else:
        passed = 1 if status == 0 else 0
    if status != 0 and not failures:
        failures.append(Failure(job.name, how_it_ended(status)))
    return Outcome(passed, failures, skips, output)


def run_job(job):
    status, output = run(job.argv, job.timeout_s, job.folder)
    return judge(job, status, output)


def tail(text, count=60):
    return '\n'.join('    ' + line for line in text.rstrip().splitlines()[-count:])


class Report:
    """Adds up and prints. The last line is the result."""

    def __init__(self, allowed_skips):
        self.allowed_skips = allowed_skips
        self.passed = self.failed = self.printed = 0
        self.skips_seen = set()

    def add(self, title, outcomes, began):
        passed = sum(outcome.passed for outcome in outcomes)
        failed = sum(len(outcome.failures) for outcome in outcomes)
        self.passed += passed
        self.failed += failed
        seconds = time.monotonic() - began
        print(f'{title:<24} {passed:>5} passed, {failed} failed  ({seconds:.0f} s)', flush=True)
        for outcome in outcomes:
            for name, reason in outcome.skips:
                self.skip(name, reason)
            for failure in outcome.failures:
                self.print_failure(failure)
            if outcome.failures and outcome.output:
                print(tail(outcome.output), flush=True)
        if passed + failed + sum(len(outcome.skips) for outcome in outcomes) == 0:
            self.fail(title, 'no test was run')

    def print_failure(self, failure):
        """The first ones at length: where much is broken, the rest would only hide them."""
        self.printed += 1
        lines = failure.reason.splitlines() or ['']
        shown = lines[:REASON_LINES] if self.printed <= FULL_REASONS else lines[:1]
        print(f'FAIL {failure.name}: ' + '\n'.join(shown))

    def skip(self, name, reason):
        if (name, reason) in self.skips_seen:
            return
        self.skips_seen.add((name, reason))
        print(f'skipped: {name}: {reason}', flush=True)
        for must in MUST_RUN:
            if name.startswith(must) and must not in self.allowed_skips:
                self.failed += 1
                print(f'FAIL {name}: skipped; `--allow-skip {must}` would accept that')

    def fail(self, name, reason, output=''):
        self.failed += 1
        print(f'FAIL {name}: {reason}')
        if output:
            print(tail(output), flush=True)

    def finish(self):
        if self.passed + self.failed == 0:
            self.fail('tools/test', 'no test was run')
        print(f'{self.passed} passed, {self.failed} failed', flush=True)
        return 1 if self.failed else 0


class Builds:
    """Builds each way once, when the first suite asks for it."""

    def __init__(self, report):
        self.report = report
        self.done = {}

    def get(self, name):
        if name not in self.done:
            self.done[name] = self.make(name, WAYS[name])
        return self.done[name]

    def make(self, name, way):
        folder = BUILD / name
        began = time.monotonic()
        stamp = folder / 'configured'
        wanted = f'{ROOT} {way}'
        status, output = 0, ''
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            status, output = run(['meson', 'setup', str(folder), str(ROOT), *way.arguments],
                                 300, env={'CC': way.cc})
            if status == 0:
                stamp.write_text(wanted)
        if status == 0:
            status, output = run(['ninja', '-C', str(folder), *way.targets], 900)
        if status != 0:
            first = max(output.find('FAILED:'), 0)  # ninja's first; what follows is its echo
            self.report.fail(f'build {name} ({way.cc})', how_it_ended(status),
                             '\n'.join(output[first:].splitlines()[:60]))
            return None
        print(f'{"build " + name + " (" + way.cc + ")":<24} {"":>5} built'
              f'              ({time.monotonic() - began:.0f} s)', flush=True)
        return folder

    def listed(self, name, suite):
        """The tests of a suite as meson lists them, or None without a build."""
        folder = self.get(name)
        if not folder:
            return None
        status, output = run(['meson', 'introspect', '--tests', str(folder)], 60)
        if status != 0:
            self.report.fail(f'list {suite}', how_it_ended(status), output)
            return None
        tests = json.loads(output)
        return [test for test in tests if f'uproar:{suite}' in test['suite']]


def run_all(jobs, workers=WORKERS):
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run_job, jobs))


def listed_suite(way, suite, workers=WORKERS, wrapper=()):
    def runs(title, builds, report, _options):
        tests = builds.listed(way, suite)
        if tests is None:
            return
        began = time.monotonic()
        folder = builds.get(way)  # where meson runs them too
        jobs = [Job(test['name'], [*wrapper, *test['cmd']], test['timeout'], folder)
                for test in tests]
        report.add(title, run_all(jobs, workers), began)
    return runs


def without_address_randomisation():
    """TSan refuses some kernels' address layouts; a container may refuse to change them."""
    fixed = ['setarch', '-R']
    works = shutil.which(fixed[0]) and subprocess.run([*fixed, 'true'], check=False,
                                                      stderr=subprocess.DEVNULL).returncode == 0
    return fixed if works else []


def under_tsan(suite, workers=WORKERS):
    def runs(title, builds, report, options):
        wrapper = without_address_randomisation()
        listed_suite('tsan', suite, workers, wrapper)(title, builds, report, options)
    return runs


def fuzz_jobs(test, seconds):
    """Two jobs: what was found before stays fixed; a short search for more."""
    corpus = BUILD / 'fuzz' / test['name']
    corpus.mkdir(parents=True, exist_ok=True)
    limits = ['-timeout=5', '-rss_limit_mb=1024', f'-artifact_prefix={corpus}-']
    program, *replay = test['cmd']
    yield Job(f'{test["name"]} replay', [program, *limits, *replay], 60)
    yield Job(f'{test["name"]} {seconds} s',
              [program, f'-max_total_time={seconds}', *limits, str(corpus), replay[-1]],
              seconds + 60)


def run_fuzz(title, builds, report, options):
    tests = builds.listed('asan', 'fuzz')
    if tests is None:
        return
    began = time.monotonic()
    jobs = [job for test in tests for job in fuzz_jobs(test, options.fuzz_seconds)]
    report.add(title, run_all(jobs), began)


def sim_jobs(folder, seeds, bases, fresh_s=0):
    """The same seeds each time, far apart; then new ones, whose first is named."""
    program = str(folder / 'tests/sim/sim')
    for base in bases:
        yield Job(f'sim from {base}', [program, '--from', str(base), '--seeds', str(seeds)], 600)
    yield Job('sim allocations', [program, '--allocations', '--seeds', str(seeds // 100)], 600)
    if fresh_s:
        base = int(time.time()) * 100000
        print(f'sim: fresh seeds from {base}', flush=True)
        yield Job(f'sim from {base}', [program, '--from', str(base), '--seeds', '100000',
                                       '--seconds', str(fresh_s)], fresh_s + 60)


def run_simulation(title, builds, report, options):
    folder = builds.get('test')
    if folder:
        began = time.monotonic()
        jobs = sim_jobs(folder, 2000, [1, 5000000, 900000000], options.sim_seconds)
        report.add(title, run_all(list(jobs)), began)


def run_simulation_asan(title, builds, report, _options):
    folder = builds.get('asan')
    if folder:
        began = time.monotonic()
        report.add(title, run_all(list(sim_jobs(folder, 300, [20000, 7000000]))), began)


def script(path, timeout_s):
    """A program of our own that builds what it needs, and prints a line per test."""
    def runs(title, _builds, report, _options):
        began = time.monotonic()
        argv = [sys.executable, str(ROOT / path)]
        report.add(title, [run_job(Job(title, argv, timeout_s))], began)
    return runs


def integration(way, tests='tests/integration', backends=('uring', 'epoll')):
    def runs(title, builds, report, options):
        script = ROOT / 'tests/integration/run.py'
        folder = builds.get(way)
        if not folder:
            return
        for backend in backends:
            allow = [word for name in options.allow_skip for word in ['--allow-skip', name]]
            argv = [sys.executable, str(script), '--uproar', str(folder / 'uproar'),
                    '--tests', str(ROOT / tests), '--io', backend, *allow]
            began = time.monotonic()
            report.add(f'{title} {backend}', [run_job(Job(title, argv, INTEGRATION_S))], began)
    return runs


ON_REQUEST = ['clients']  # needs programs that a server and its other tests do not

SUITES = {
    'lint': listed_suite('test', 'lint', 1),  # they use all processors themselves
    'examples': listed_suite('test', 'examples', 1),
    'unit': listed_suite('test', 'unit'),
    'embed': listed_suite('test', 'embed'),
    'integration': integration('test'),
    # What they leave to the backend is tested above, with both.
    'clients': integration('test', 'tests/clients', ['auto']),
    'unit-asan': listed_suite('asan', 'unit'),
    'embed-asan': listed_suite('asan', 'embed'),
    'integration-asan': integration('asan'),
    'simulation': run_simulation,
    'simulation-asan': run_simulation_asan,
    'planted': script('tests/sim/planted.py', 1800),
    'reached': script('tests/sim/reached.py', 1200),
    'model': script('tests/model/run.py', 600),
    'fuzz': run_fuzz,
    'stress': under_tsan('stress', 1),  # each of them wants all processors for itself
    'embed-tsan': under_tsan('embed'),
}


def main():
    parser = argparse.ArgumentParser(
        prog='tools/test', description='Builds and tests uproar; the last line is the result.')
    parser.add_argument('--allow-skip', action='append', default=[], metavar='NAME',
                        help='accept that NAME cannot be tested here: uring')
    parser.add_argument('--clients', action='store_true',
                        help='with browsers and the libraries that people use, too')
    parser.add_argument('--fuzz-seconds', type=int, default=20, metavar='N',
                        help='how long each fuzz target searches (default 20)')
    parser.add_argument('--sim-seconds', type=int, default=60, metavar='N',
                        help='how long fresh seeds are simulated (default 60)')
    parser.add_argument('suites', nargs='*', metavar='SUITE', help=', '.join(SUITES))
    options = parser.parse_args()
    unknown = [name for name in options.suites if name not in SUITES]
    if unknown:
        parser.error(f'no suite {unknown[0]}; there are: {", ".join(SUITES)}')
    report = Report(options.allow_skip)
    builds = Builds(report)
    wanted = options.suites or [name for name in SUITES if name not in ON_REQUEST]
    if options.clients:
        wanted.append('clients')
    for name, runs in SUITES.items():
        if name in wanted:
            runs(name, builds, report, options)
    return report.finish()


if __name__ == '__main__':
    sys.exit(main())
