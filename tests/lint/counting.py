#!/usr/bin/env python3
"""Holds tests/support/run.py to its word: what it must count as a failure, it counts as one.
It runs shell commands in place of tests, and builds nothing."""
import contextlib
import io
import sys

import tree

sys.path.insert(0, str(tree.ROOT / 'tests/support'))
import run  # noqa: E402 (the path has to be set first)

SYNTHESIS = 'Synthesis: Tested: {} | Passing: {} | Failing: {} | Crashing: {}'

# A test's shell command, and (passed, failed, skipped) that it stands for.
CASES = {
    'true': (1, 0, 0),
    'false': (0, 1, 0),
    'kill -SEGV $$': (0, 1, 0),
    'sleep 60': (0, 1, 0),  # hangs
    'sleep 60 & exit 0': (0, 1, 0),  # leaves a process behind
    'echo no kernel for it; exit 77': (0, 0, 1),
    'echo pass a; echo pass b c': (2, 0, 0),
    'echo pass a; echo "FAIL b: why"; exit 1': (1, 1, 0),
    'echo pass a; echo "FAIL b: why"': (1, 1, 0),  # a status of 0 does not take it back
    'echo pass a; exit 3': (1, 1, 0),  # died after its first test
    'echo "skipped: uring: refused"; echo pass a': (1, 0, 1),
    f'echo "{SYNTHESIS.format(3, 3, 0, 0)}"': (3, 0, 0),
    f'echo "[FAIL] s::t"; echo "{SYNTHESIS.format(3, 1, 2, 1)}"; exit 1': (1, 2, 0),
    f'echo "{SYNTHESIS.format(3, 3, 0, 0)}"; exit 1': (3, 1, 0),  # a leak found at its end
    f'echo "{SYNTHESIS.format(0, 0, 0, 0)}"': (0, 1, 0),
}


def counted(command):
    outcome = run.run_job(run.Job('job', ['sh', '-c', f'exec 2>&1; {command}'], 1))
    return outcome.passed, len(outcome.failures), len(outcome.skips)


def result_of(allowed, *outcomes):
    """(exit status, last line) of a run with one suite of these outcomes."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        report = run.Report(allowed)
        report.add('suite', outcomes, 0)
        status = report.finish()
    return status, said.getvalue().splitlines()[-1]


def result_problems():
    nothing = run.Outcome(0, [], [], '')
    fine = run.Outcome(2, [], [], '')
    broken = run.Outcome(1, [run.Failure('a', 'why')], [], '')
    skipped = run.Outcome(1, [], [('uring', 'refused')], '')
    for what, got, wanted in [
            ('a pass', result_of([], fine), (0, '2 passed, 0 failed')),
            ('a failure', result_of([], fine, broken), (1, '3 passed, 1 failed')),
            ('no test', result_of([], nothing), (1, '0 passed, 1 failed')),
            ('no io_uring', result_of([], skipped), (1, '1 passed, 1 failed')),
            ('no io_uring, allowed', result_of(['uring'], skipped), (0, '1 passed, 0 failed'))]:
        if got != wanted:
            yield f'{what}: {got} instead of {wanted}'


if __name__ == '__main__':
    wrong = [f'{command}: {counted(command)} instead of {wanted}'
             for command, wanted in CASES.items() if counted(command) != wanted]
    tree.finish(tree.report('counting tests', wrong),
                tree.report('counting results', list(result_problems())))
