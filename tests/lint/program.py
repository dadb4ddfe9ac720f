#!/usr/bin/env python3
"""Looks at the program as it was linked: hardening, and an allocator that the linker likes to drop.
usage: program.py PATH. It does not run the program."""
import re
import subprocess
import sys

import tree


def readelf(path):
    command = ['readelf', '--wide', '--file-header', '--program-headers', '--dynamic', path]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


# What readelf must show, and what it means when it does not.
WANTED = {
    r'Type:\s+DYN': 'not position independent',
    r'GNU_RELRO': 'no RELRO',
    r'FLAGS.*\bNOW\b|BIND_NOW': 'symbols are bound lazily',
    r'GNU_STACK\s+\S+\s+\S+\s+\S+\s+\S+\s+\S+\s+RW\s': 'the stack may be executed',
    r'NEEDED.*libjemalloc': 'jemalloc was installed, but the linker dropped it',
    r'NEEDED.*liburing': 'no io_uring',
}


def check(_path, shown):
    return [meaning for pattern, meaning in WANTED.items() if not re.search(pattern, shown)]


if __name__ == '__main__':
    good = readelf(sys.argv[1])
    planted = [('program', re.sub(pattern, '', good)) for pattern in WANTED]
    tree.finish(tree.self_test('program', check, planted, []),
                tree.report('program', check(sys.argv[1], good)))
