#!/usr/bin/env python3
"""Shows that the simulation can fail: plants each bug of planted/ in a copy of the sources, one at
a time, and runs seeds until it is found, and found as what it is. Knows no bug itself.

A patch begins with a sentence that says what is broken, and names the invariants that may find it:
`found by: order, gap`. One that no longer applies is a failure.

usage: planted.py [--filter WORD] [--times]
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TABLE = ROOT / 'tests/README.md'
SEEDS = 10000
SOUND_SEEDS = 300
BUILD_S, RUN_S = 300, 300
BROKEN = re.compile(r'^seed (\d+): ([a-z -]+): ', re.M)


class Failed(Exception):
    pass


class Patch:
    def __init__(self, path):
        self.path = path
        self.name = path.stem
        text = path.read_text()
        head = re.match(r'(?P<what>\S[^\n]*\.)\n\nfound by: (?P<by>[^\n]+)\n\n--- a/src/', text)
        self.what = head['what'] if head else None
        self.found_by = head['by'].split(', ') if head else []

    def row(self):
        return f'| `{self.name}` | {self.what} | {", ".join(f"`{by}`" for by in self.found_by)} |'


class Copy:
    """The sources in a folder of their own, where they may be broken, and their simulation."""

    def __init__(self, folder):
        self.root = folder / 'uproar'
        self.build = folder / 'build'
        shutil.copytree(ROOT, self.root, symlinks=True,
                        ignore=shutil.ignore_patterns('.git', 'build', 'node_modules'))
        must_run(['meson', 'setup', str(self.build), str(self.root),
                  '--buildtype=debugoptimized'], 'meson')
        self.make()

    def make(self):
        must_run(['ninja', '-C', str(self.build), 'simulation'], 'the build')

    def patch(self, patch, *more):
        must_run(['patch', '-d', str(self.root), '-p1', '--fuzz=0', '--force',
                  '--no-backup-if-mismatch', '-i', str(patch.path), *more],
                 'the patch does not apply')

    def first_broken(self, seeds):
        """(seed, invariant), or None when every promise was kept."""
        status, output = run([str(self.build / 'tests/sim/sim'), '--seeds', str(seeds)], RUN_S)
        found = BROKEN.search(output)
        if status != 0 and not found:
            raise Failed(f'exit status {status}, and no invariant: {one_line(output)}')
        return (found[1], found[2]) if status != 0 else None


def one_line(output):
    return ' '.join(output.split())[-300:]


def run(argv, limit_s):
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise Failed(f'{pathlib.Path(argv[0]).name} took more than {limit_s} s') from None
    return done.returncode, done.stdout.decode(errors='replace')


def must_run(argv, what):
    status, output = run(argv, BUILD_S)
    if status != 0:
        raise Failed(f'{what}: {one_line(output)}')


def plant(copy, patch):
    """The seed and the invariant that found it."""
    if not patch.what:
        raise Failed('its head has not the form: a sentence, `found by: ...`, the difference')
    copy.patch(patch)
    try:
        copy.make()
        found = copy.first_broken(SEEDS)
    finally:
        copy.patch(patch, '--reverse')
    if not found:
        raise Failed(f'not found in {SEEDS} seeds')
    seed, invariant = found
    if invariant not in patch.found_by:
        raise Failed(f'found by `{invariant}` (seed {seed}), not by {", ".join(patch.found_by)}')
    return f'seed {seed}, {invariant}'


def check_sound(copy):
    found = copy.first_broken(SOUND_SEEDS)
    if found:
        raise Failed(f'seed {found[0]} breaks `{found[1]}` although nothing is planted')


def check_table(patches):
    """README.md says what is here."""
    shown = re.findall(r'^\| `\w+` \| .*\.? \| `[a-z -]+`.* \|$', TABLE.read_text(), re.M)
    rows = [patch.row() for patch in patches]
    wrong = sorted(set(rows) ^ set(shown))
    if wrong:
        raise Failed(f'{TABLE.name} and planted/ differ: {wrong[0]}')


class Report:
    """Prints the lines that tests/support/run.py counts."""

    def __init__(self, times):
        self.times = times
        self.failed = 0

    def check(self, name, work):
        began = time.monotonic()
        try:
            found = work()
        except Failed as problem:
            self.failed += 1
            print(f'FAIL {name}: {problem}', flush=True)
            return
        took = f'  ({time.monotonic() - began:.0f} s{", " + found if found else ""})'
        print(f'pass {name}{took if self.times else ""}', flush=True)



def main():
    parser = argparse.ArgumentParser(description='Plants bugs, and lets the simulation find them.')
    parser.add_argument('--filter', default='', metavar='WORD', help='only what contains it')
    parser.add_argument('--times', action='store_true', help='seeds, invariants and seconds too')
    options = parser.parse_args()
    patches = [Patch(path) for path in sorted((HERE / 'planted').glob('*.patch'))]
    chosen = [patch for patch in patches if options.filter in patch.name]
    if not chosen:
        parser.error(f'no patch has {options.filter} in its name')
    report = Report(options.times)
    report.check('planted.the table in tests/README.md', lambda: check_table(patches))
    with tempfile.TemporaryDirectory() as folder:
        try:
            copy = Copy(pathlib.Path(folder))
        except Failed as problem:
            print(f'FAIL planted: {problem}')
            return 1
        report.check('planted.nothing', lambda: check_sound(copy))
        for patch in chosen:
            report.check(f'planted.{patch.name}', lambda patch=patch: plant(copy, patch))
    return 1 if report.failed else 0


if __name__ == '__main__':
    sys.exit(main())
