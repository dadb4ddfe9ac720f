#!/usr/bin/env python3
"""Searches the models beside it with spin, every schedule of some small configurations, and shows
that planted bugs are found. It does not know the C code: a model follows it by hand.

usage: run.py [--filter WORD] [--times]
"""
import argparse
import collections
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
MEMORY_MIB = 3500
RUN_S = 120
DEPTH_MAX = 20000

# Searched for STATES: a failed assertion, or a deadlock; for CYCLES: a run that does not end. In
# the models nothing may go on for ever, so each cycle is one that makes no progress.
STATES, CYCLES = 'states', 'cycles'
CHECKED_AS = {STATES: ['-DSAFETY'], CYCLES: ['-DNP']}
RUN_AS = {STATES: [], CYCLES: ['-l']}

Config = collections.namedtuple('Config', 'model name search defines')
# A search of `config` with -DBUG_`name` must end with an error that matches `found`.
Bug = collections.namedtuple('Bug', 'name config found')
Result = collections.namedtuple('Result', 'problem states unreached')


def ring(name, search, producers, each, capacity, *more):
    sizes = [f'PRODUCERS={producers}', f'EACH={each}', f'CAPACITY={capacity}']
    return Config('ring', name, search, [*sizes, *more])


def sequencer(name, search, sizes, *more):
    """sizes: publishers and entries of each; entries of reactor 0 and 1; messages of an entry;
    entries that one holder orders."""
    names = ['PUBLISHERS', 'ENTRIES', 'OWN_0', 'OWN_1', 'CHAIN', 'HOLD_MAX']
    defines = [f'{name}={size}' for name, size in zip(names, sizes, strict=True)]
    return Config('sequencer', name, search, [*defines, *more])


TWO_PRODUCERS = ring('two producers', STATES, 2, 3, 2)
RING_ENDS = ring('every run ends', CYCLES, 2, 3, 2)
PUBLISHER_AND_REACTOR = sequencer('a publisher and a reactor that publishes', STATES,
                                  (1, 2, 1, 0, 1, 1))
OWN_RING_FULL = sequencer('reactors publish into their own full rings', STATES, (0, 0, 2, 2, 3, 1))
STOPPED = sequencer('a publisher stops in mid push', STATES, (1, 1, 2, 0, 1, 1), 'STOPS')
REACTORS_END = sequencer('every run of two reactors ends', CYCLES, (0, 0, 1, 1, 3, 1))

CONFIGS = [
    TWO_PRODUCERS,
    ring('more room than producers', STATES, 2, 3, 4),
    ring('three producers', STATES, 3, 2, 2),
    ring('a producer stops in mid push', STATES, 2, 3, 2, 'STOPS'),
    RING_ENDS,
    sequencer('two publishers', STATES, (2, 1, 0, 0, 1, 1)),
    PUBLISHER_AND_REACTOR,
    sequencer('a publisher meets full rings', STATES, (1, 2, 0, 0, 2, 2)),
    OWN_RING_FULL,
    sequencer('one reactor publishes more', STATES, (0, 0, 3, 2, 1, 2)),
    STOPPED,
    REACTORS_END,
    sequencer('every run with a publisher ends', CYCLES, (1, 1, 1, 0, 1, 1)),
]

STRANDED = r'assertion violated \((role|pending|in_head|reactors\[\d\]\.head)=='
WRONG_ITEM = r'assertion violated \((got!=0|\(\(got-1\))'
BUGS = [
    Bug('PUBLISH_BEFORE_ITEM', TWO_PRODUCERS, WRONG_ITEM),
    Bug('FREE_BEFORE_READING', TWO_PRODUCERS, WRONG_ITEM),
    Bug('CLAIM_WITHOUT_COMPARING', TWO_PRODUCERS, r'assertion violated|invalid end state'),
    Bug('WAKE_BEFORE_PUBLISHING', TWO_PRODUCERS, r'assertion violated \(head==tail'),
    Bug('LOOK_BEFORE_SLEEPING', TWO_PRODUCERS, r'assertion violated \(head==tail'),
    Bug('NO_LOOK_AFTER_SLEEPING', TWO_PRODUCERS, r'assertion violated \(head==tail'),
    # "Published" and "free for the next lap" would be equal: mpsc_ring_init() asserts it away.
    Bug('ONE_SLOT', ring('', STATES, 2, 2, 1), r'assertion violated'),
    Bug('RUN_BEFORE_PUBLISHING', PUBLISHER_AND_REACTOR, STRANDED),
    Bug('ROLE_NOT_RECHECKED', PUBLISHER_AND_REACTOR, STRANDED),
    Bug('HELD_LONG_WAKES_NOBODY', PUBLISHER_AND_REACTOR, STRANDED),
    Bug('DELIVERED_WAKES_NOBODY', PUBLISHER_AND_REACTOR, STRANDED),
    Bug('WAKE_BEFORE_LEAVING', PUBLISHER_AND_REACTOR, STRANDED),
    Bug('LOOK_BEFORE_SLEEPING', PUBLISHER_AND_REACTOR, STRANDED),
    Bug('BLOCKED_NOT_RECHECKED', OWN_RING_FULL, STRANDED),
    Bug('BLOCKED_AFTER_LOOK', OWN_RING_FULL, STRANDED),
    Bug('TAKEN_DOWN_AFTER', OWN_RING_FULL, STRANDED),
    Bug('HEAD_BEFORE_TURN', OWN_RING_FULL, r'assertion violated \(\(reactors.*\.freed\)<2\)'),
    Bug('PLACE_FORGOTTEN', OWN_RING_FULL, r'assertion violated .*==\(stamped-pending\)'),
    Bug('HEAD_AFTER_DELIVERY', OWN_RING_FULL, r'assertion violated .*<log_head\)'),
    Bug('WAITS_FOR_CLAIMED', STOPPED, r'assertion violated \(role==0\)'),
    Bug('AGAIN_NOT_TAKEN_DOWN', REACTORS_END, 'non-progress cycle'),
    Bug('ANYBODY_HELPS', REACTORS_END, 'non-progress cycle'),
    Bug('WAITING_WHILE_HELD', REACTORS_END, 'non-progress cycle'),
]


class Failed(Exception):
    """A tool failed, not the model."""


def one_line(output):
    return ' '.join(output.split())[-300:]


def limit_memory():
    size = MEMORY_MIB << 20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def run(argv, folder):
    try:
        done = subprocess.run(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False, timeout=RUN_S,
                              preexec_fn=limit_memory)
    except subprocess.TimeoutExpired:
        raise Failed(f'{argv[0]} took more than {RUN_S} s') from None
    return done.returncode, done.stdout


def must_run(argv, folder):
    status, output = run(argv, folder)
    if status != 0:
        raise Failed(f'{argv[0]}: exit status {status}: {one_line(output)}')


def unreached(output):
    """{process: {state: where}} of what no schedule ever did, the closing braces excepted."""
    processes = {}
    for process, block in re.findall(r'^unreached in proctype (\w+)\n((?:\t.*\n)*)', output, re.M):
        lines = re.findall(r'\.pml:(\d+), state (\d+), (".*")', block)
        processes[process] = {state: f'line {line}, {text}'
                              for line, state, text in lines if text != '"-end-"'}
    return processes


def judge(output):
    """What the search said. A search that was cut short has found nothing out."""
    error = re.search(r'^pan:\d+: (.*)$', output, re.M)
    stored = re.search(r'(\d+(?:\.\d+e\+\d+)?) states, stored', output)
    states = int(float(stored.group(1))) if stored else 0
    if error:
        return Result(error.group(1), states, {})
    if not re.search(r'errors: 0$', output, re.M) or states == 0:
        return Result(f'no result: {one_line(output)}', states, {})
    if re.search(r'not completed|depth too small|out of memory|reached -D?MEMLIM', output):
        return Result('the search was cut short', states, {})
    return Result(None, states, unreached(output))


def search(config, optimise, *more):
    """Makes the searching program of this configuration and runs it, in a folder of its own."""
    defines = [f'-D{define}' for define in [*config.defines, *more]]
    model = HERE / f'{config.model}.pml'
    with tempfile.TemporaryDirectory() as folder:
        # -o3: without merged statements, whose unreached ones it would not tell.
        must_run(['spin', '-o3', *defines, '-a', str(model)], folder)
        must_run(['gcc', optimise, '-w', *CHECKED_AS[config.search], f'-DMEMLIM={MEMORY_MIB - 200}',
                  '-o', 'pan', 'pan.c'], folder)
        _, output = run(['./pan', f'-m{DEPTH_MAX}', *RUN_AS[config.search]], folder)
    return judge(output)


def never_reached(results):
    """What no configuration of a model did: a model that cannot do a thing proves nothing of it."""
    common = {}
    for config, result in results:
        if 'STOPS' in config.defines or config.search != STATES:
            continue
        for process, states in result.unreached.items():
            key = config.model, process
            before = common.get(key, states)
            common[key] = {state: before[state] for state in before if state in states}
    return [f'{model}.pml: {process} never does {where}'
            for (model, process), states in sorted(common.items()) for where in states.values()]


class Report:
    """Prints the lines that tests/support/run.py counts."""

    def __init__(self, times):
        self.times = times
        self.failed = False

    def line(self, name, problem, began=None, states=0):
        took = f'  ({states} states, {time.monotonic() - began:.1f} s)' if began else ''
        print(f'FAIL {name}: {problem}' if problem else f'pass {name}', end='')
        print(took if self.times else '', flush=True)
        self.failed = self.failed or bool(problem)


def check_config(config, report):
    began = time.monotonic()
    try:
        result = search(config, '-O2')
    except Failed as failed:
        result = Result(str(failed), 0, {})
    report.line(f'model {config.model}, {config.name}', result.problem, began, result.states)
    return result


def check_bug(bug, report):
    began = time.monotonic()
    try:
        result = search(bug.config, '-O0', f'BUG_{bug.name}')
    except Failed as failed:
        result = Result(f'no search: {failed}', 0, {})
    problem = None
    if not result.problem:
        problem = 'the planted bug was not found'
    elif not re.search(bug.found, result.problem):
        problem = f'found as something else: {result.problem}'
    report.line(f'model {bug.config.model}, planted {bug.name}', problem, began, result.states)


def check_reach(results, report):
    report.line('model, all of it is reached', '; '.join(never_reached(results)))
    never_full = ring('', STATES, 2, 1, 2)
    missed = never_reached([(never_full, search(never_full, '-O0'))])
    report.line('model, what is not reached is seen', None if missed else 'it was not')


def main():
    parser = argparse.ArgumentParser(description='Searches the models with spin.')
    parser.add_argument('--filter', default='', metavar='WORD', help='only what has it in its name')
    parser.add_argument('--times', action='store_true', help='add how many states, how long')
    options = parser.parse_args()
    report = Report(options.times)
    if not shutil.which('spin'):
        report.line('model', 'spin is not installed')
        return 1
    os.environ['LC_ALL'] = 'C'
    configs = [config for config in CONFIGS if options.filter in f'{config.model}, {config.name}']
    results = [(config, check_config(config, report)) for config in configs]
    if not options.filter:
        check_reach(results, report)
    for bug in BUGS:
        if options.filter in f'{bug.config.model}, planted {bug.name}':
            check_bug(bug, report)
    return 1 if report.failed else 0


if __name__ == '__main__':
    sys.exit(main())
