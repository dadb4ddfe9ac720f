#!/usr/bin/env python3
"""Holds tools/NAME.1 to the program NAME: the same flags with the same values in the same order,
the same defaults and limits, and no other flag anywhere. usage: manual.py PATH. It judges no prose.
"""
import pathlib
import re
import shutil
import subprocess
import sys

import tree

TOO_MUCH = '9' * 30  # past every limit: the complaint names the limits

HELP_LINE = re.compile(r'^  (?:-\w, )?--([a-z-]+)(?: (\S+))? +(.*)$', re.M)
DEFAULT = re.compile(r'\(default (.*)\)$')
LIMITS = re.compile(r'must be (\d+\w? to \d+\w?)$')
ENTRY = re.compile(r'^\.TP\n\.BI? (?:"-\w, )?--([a-z-]+)"?(?: " (\S+)")?\n(.*?)(?=^\.(?:TP|SH)|\Z)',
                   re.M | re.S)
ANY_FLAG = re.compile(r'(?<![\w-])--([a-z][a-z-]*)')


def run(program, *flags):
    done = subprocess.run([program, *flags], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def facts_of(program, name, value, text):
    """What the page must say about a flag, word for word."""
    default = DEFAULT.search(text)
    facts = [f'default {default.group(1)}'] if default else []
    if value in ('N', 'S', 'MS', 'BYTES', 'PID'):
        facts.append(LIMITS.search(run(program, f'--{name}={TOO_MUCH}').strip()).group(1))
    return facts


def flags_of(program):
    """[(name, value, facts)] as --help has them."""
    return [(name, value, facts_of(program, name, value, text))
            for name, value, text in HELP_LINE.findall(run(program, '--help'))]


def entries_of(page):
    return [(name, value, ' '.join(text.split())) for name, value, text in ENTRY.findall(page)]


def checker(flags, version):
    def check(path, text):
        page = text.replace('\\-', '-')
        entries = entries_of(page)
        problems = []
        if [entry[:2] for entry in entries] != [flag[:2] for flag in flags]:
            differing = {entry[:2] for entry in entries} ^ {flag[:2] for flag in flags}
            problems.append(f'{path}: other flags, or in another order, than --help: '
                            f'{sorted(differing)}')
        said = {name: text for name, _, text in entries}
        problems += [f'{path}: --{name} does not say "{fact}"'
                     for name, _, facts in flags for fact in facts
                     if not re.search(rf'\b{re.escape(fact)}(?!\w)', said.get(name, ''))]
        if f'.TH {version.split()[0].upper()} 1 "" "{version}"' not in page:
            problems.append(f'{path}: is not the page of {version}')
        known = {name for name, _, _ in flags}
        problems += [f'{path}: there is no --{name}'
                     for name in ANY_FLAG.findall(page) if name not in known]
        return problems
    return check


def typeset(path):
    """What groff has to say about the page; nothing where there is no groff."""
    if not shutil.which('groff'):
        return []
    done = subprocess.run(['groff', '-man', '-Tutf8', '-ww', '-z', tree.ROOT / path],
                          capture_output=True, text=True, check=False)
    return done.stderr.splitlines()


# The page of each program with one mistake each: what is replaced, by what.
PLANTED = {
    'uproar': [
        ('.BI \\-\\-ping " S"', '.BI \\-\\-pong " S"'),
        ('.BI \\-\\-ping " S"', '.BI \\-\\-ping " N"'),
        ('.TP\n.B \\-\\-log\\-json\n', ''),
        ('.TP\n.B \\-\\-help\n', '.TP\n.B \\-\\-help\nHelps.\n.TP\n.B \\-\\-verbose\n'),
        ('default 65536', 'default 6553'),
        ('default 25.', 'default 250.'),
        ('1 to 256,', '1 to 255,'),
        ('0 to 86400', '1 to 86400'),
        ('uproar 0.1.0', 'uproar 0.0.9'),
        ('.SH SEE ALSO', '.B \\-\\-retries\n.SH SEE ALSO'),
    ],
    'uproar-load': [
        ('"\\-n, \\-\\-connections"', '"\\-n, \\-\\-clients"'),
        ('.BI \\-\\-every " MS"', '.BI \\-\\-every " S"'),
        ('default 1000.', 'default 100.'),
        ('0 to 3600000,', '0 to 360000,'),
        ('1 to 4194304.', '1 to 32768.'),
        ('uproar-load 0.1.0', 'uproar-load 0.0.9'),
    ],
    'uproar-cat': [
        ('"\\-n, \\-\\-count"', '"\\-n, \\-\\-number"'),
        ('.BI \\-\\-retry " S"', '.BI \\-\\-retry " N"'),
        ('default 60.', 'default 6.'),
        ('0 to 1000 ', '1 to 1000 '),
        ('default $UPROAR_TOKEN.', 'default $TOKEN.'),
        ('uproar-cat 0.1.0', 'uproar-cat 0.0.9'),
    ],
}


def planted_in(path, page, changes):
    return [(f'{path} with {new!r}', page.replace(old, new, 1)) for old, new in changes]


if __name__ == '__main__':
    program = sys.argv[1]
    name = pathlib.Path(program).name
    page_path = f'tools/{name}.1'
    check = checker(flags_of(program), run(program, '--version').splitlines()[0])
    page_text = (tree.ROOT / page_path).read_text(encoding='utf-8')
    planted = planted_in(page_path, page_text, PLANTED[name])
    tree.finish(tree.self_test('manual', check, planted, []),
                tree.report('manual', check(page_path, page_text)),
                tree.report('manual is well-formed', typeset(page_path)))
