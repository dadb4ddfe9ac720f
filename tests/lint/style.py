#!/usr/bin/env python3
"""clang-format over all C, and clang-tidy over what ships: sizes of functions, likely bugs.
The rules stand in .clang-format and .clang-tidy; this only runs them, on all processors."""
import concurrent.futures
import os
import re
import subprocess
import tempfile

import tree

# What the compiler is told, as far as clang-tidy has to know.
FLAGS = ['-std=gnu17', '-Isrc', '-Iinclude', '-Itests', '-Ibench', '-Itools',
         '-DUPROAR_VERSION="0"']
TIDIED = ['src', 'tools', 'bench']

BAD_FORMAT = '/* Crooked. */\nint  main( void ){return 0;}\n'
DEEP = ''.join(f'    if (x > {n}) {{\n' for n in range(5)) + '    x = 0;\n' + '    }\n' * 5
BAD_TIDY = {
    'long': 'int f(int x);\nint f(int x)\n{\n' + '    x++;\n' * 80 + '    return x;\n}\n',
    'deep': 'int f(int x);\nint f(int x)\n{\n' + DEEP + '    return x;\n}\n',
    'wide': 'int f(' + ', '.join(f'int a{n}' for n in range(8)) + ')\n{\n    return a0;\n}\n',
    'buggy': '#include <string.h>\nint f(const char *a);\nint f(const char *a)\n'
             '{\n    return memset((void *)a, sizeof(a), 0) == 0;\n}\n',
}


def run(*command):
    done = subprocess.run(command, cwd=tree.ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def format_problems(path):
    status, output = run('clang-format', '--dry-run', '-Werror', path)
    if status == 0:
        return []
    first = re.search(r'^(\S+?):(\d+):', output, re.M)
    return [f'{path}:{first.group(2) if first else 1}: clang-format -i would change it']


def tidy_problems(path):
    status, output = run('clang-tidy', '--quiet', path, '--', *FLAGS)
    # A size is told in a note of its own, two lines of source later.
    found = re.findall(r'^(\S+?:\d+):\d+: (?:error|warning): (.*)$'
                       r'(?:\n.*\n.*\n\S+: note: (.*))?', output, re.M)
    root = f'{tree.ROOT}/'
    problems = [f'{place.removeprefix(root)}: {what}' + (f': {note}' if note else '')
                for place, what, note in found]
    return problems or ([f'{path}: clang-tidy failed: {output.strip()[-200:]}'] if status else [])


def on_all(problems_of, paths):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return sorted(set(sum(pool.map(problems_of, paths), [])))


def self_test():
    problems = []
    with tempfile.TemporaryDirectory(dir=tree.ROOT / 'build') as folder:
        crooked = os.path.join(folder, 'crooked.c')
        with open(crooked, 'w', encoding='utf-8') as out:
            out.write(BAD_FORMAT)
        if not format_problems(crooked):
            problems.append('clang-format let a crooked file pass')
        for name, text in BAD_TIDY.items():
            path = os.path.join(folder, f'{name}.c')
            with open(path, 'w', encoding='utf-8') as out:
                out.write(text)
            if not tidy_problems(path):
                problems.append(f'clang-tidy let a {name} function pass')
    return tree.report('style self-test', problems)


if __name__ == '__main__':
    (tree.ROOT / 'build').mkdir(exist_ok=True)
    every = [path for path, _ in tree.files('.c', '.h')]
    tidied = [path for path, _ in tree.files('.c', under=TIDIED)]
    tree.finish(self_test(), tree.report('clang-format', on_all(format_problems, every)),
                tree.report('clang-tidy', on_all(tidy_problems, tidied)))
