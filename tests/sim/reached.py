#!/usr/bin/env python3
"""Shows that the simulation comes to where the sizes of base/sizes.h begin to matter: builds it
with gcc's counters, runs seeds, and fails for each statement below that none of them reached.
What is reached is not judged here.

usage: reached.py [--seeds N]
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SEEDS = 1500
BUILD_S, RUN_S = 300, 600

# A file of src/, and a statement of it; with as much of what follows as tells it from others.
STATEMENTS = [
    ('log/sequencer.c', 'leave_to_reactors(s);'),
    ('topic/fanout.c', 'list_push_back(&f->jobs, &s->job);\n        return most;'),
    ('topic/fanout.c', 'return fanout_needed_seq(f) >= oldest;'),
    ('topic/history.c', 'message_retire_images(slot_at('),
    ('topic/history.c', 'message_retire_images(s->message);'),
    ('conn/batch.c', 's->transients = image;'),
    ('conn/batch.c', 'batch_recycle(r);\n    struct batch *b'),
    ('conn/batch.c', 'b->flat = (struct bytes){out, len};'),
    ('conn/sender.c', 'batch_recycle(r);'),
    ('conn/sender.c', 'sender_settle(r);\n}\n\nstatic ON_REACTOR uint32_t record_tag'),
    ('conn/reactor.c', 'look_once_more(r);'),
    ('conn/conn.c', 'io_listen_pause(r->io, true);'),
    ('conn/conn.c', 'io_listen_pause(r->io, false);'),
    ('conn/exchange.c', 'wait_for_turn(r, c);\n            return;'),
    ('conn/exchange.c', 'inbound_begin_wait(r, c, WAIT_MEMORY, WAIT_RETRY_MS);\n    } else'),
    ('conn/websocket.c',
     '(void)begin_wait(r, c, WAIT_MEMORY);\n}\n\nstatic ON_REACTOR void on_data'),
    ('conn/websocket.c',
     '(void)begin_wait(r, c, WAIT_MEMORY);\n}\n\nstatic ON_REACTOR void on_comp'),
    ('conn/poll.c', 'answer_no_room(r, c, q);\n        return true;'),
    ('conn/poll.c', 'batch_recycle(r);'),
    ('conn/local.c', 'l->was_blocked = true;\n        return false;'),
]


class Failed(Exception):
    pass


def must_run(argv, limit_s, what):
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise Failed(f'{what} took more than {limit_s} s') from None
    output = done.stdout.decode(errors='replace')
    if done.returncode != 0:
        raise Failed(f'{what}: {" ".join(output.split())[-300:]}')
    return output


def line_of(path, text):
    """The number of the one line at which `text` begins."""
    source = (ROOT / 'src' / path).read_text()
    if source.count(text) != 1:
        raise Failed(f'{path} has `{text.splitlines()[0]}` {source.count(text)} times')
    return source.count('\n', 0, source.index(text)) + 1


def count_lines(build, seeds):
    """{(file of src/, line): how often it was reached}."""
    must_run(['meson', 'setup', str(build), str(ROOT), '--buildtype=debugoptimized',
              '-Db_coverage=true'], BUILD_S, 'meson')
    must_run(['ninja', '-C', str(build), 'simulation'], BUILD_S, 'the build')
    must_run([str(build / 'tests/sim/sim'), '--seeds', str(seeds)], RUN_S, 'the simulation')
    found = [str(path.relative_to(build)) for path in build.glob('tests/sim/libsim*/*.gcda')]
    shown = subprocess.run(['gcov', '--stdout', *found], cwd=build, stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, check=True, timeout=BUILD_S).stdout
    counts, name = {}, ''
    for line in shown.decode(errors='replace').splitlines():
        source = re.match(r' *-: +0:Source:.*?src/(.*)', line)
        row = re.match(r' *([0-9]+|#####)\*?: *(\d+):', line)
        if source:
            name = source[1]
        elif row:
            count = 0 if row[1] == '#####' else int(row[1])
            counts[name, int(row[2])] = counts.get((name, int(row[2])), 0) + count
    return counts


def check(counts, path, text):
    if counts.get((path, line_of(path, text)), 0) == 0:
        raise Failed('never reached')


def main():
    parser = argparse.ArgumentParser(description='Fails for statements that no seed reaches.')
    parser.add_argument('--seeds', type=int, default=SEEDS, metavar='N')
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            counts = count_lines(pathlib.Path(folder), options.seeds)
    except Failed as problem:
        print(f'FAIL reached: {problem}')
        return 1
    failed = 0
    for path, text in STATEMENTS:
        name = f'reached.{path}: {text.splitlines()[0]}'
        try:
            check(counts, path, text)
        except Failed as problem:
            failed += 1
            print(f'FAIL {name}: {problem}')
        else:
            print(f'pass {name}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
