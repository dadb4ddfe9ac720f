#!/usr/bin/env python3
"""Installs the build into a temporary folder and builds the example of the manual against it, as a
stranger would: pkg-config, shared and static, C11 and C++; then runs it. README.md has the same.
usage: installed.py BUILD"""
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

import tree

EXAMPLE = re.compile(r'^\.EX\n(.*?)^\.EE', re.M | re.S)
EXAMPLE_OF_README = re.compile(r'^```c\n(.*?)^```', re.M | re.S)
FILES = ['bin/uproar', 'bin/uproar-load', 'include/uproar.h', 'share/man/man1/uproar.1',
         'share/man/man1/uproar-load.1', 'share/man/man3/uproar.3']
# How it is compiled and linked: name, compiler, pkg-config's arguments.
WAYS = [('shared, C11', ['gcc', '-std=c11', '-x', 'c'], []),
        ('static, C11', ['gcc', '-std=c11', '-x', 'c'], ['--static']),
        ('shared, C++17', ['clang', '-std=c++17', '-x', 'c++'], [])]
WARNINGS = ['-Wall', '-Wextra', '-Wpedantic', '-Werror', '-Wno-missing-field-initializers']


def run(command, **more):
    """None, or what was said by a command that failed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **more)
    return None if done.returncode == 0 else f'{shlex.join(map(str, command))}: {done.stderr}'


def example_of_manual():
    source = EXAMPLE.search((tree.ROOT / 'tools/uproar.3').read_text()).group(1)
    return source.replace('\\e', '\\').replace('\\-', '-')


def example():
    """It runs for a second instead of a minute, on a port that is free."""
    source = example_of_manual()
    return source.replace('127.0.0.1:8080', '127.0.0.1:0').replace('i < 60', 'i < 1')


def pkg_config(prefix, library_folder, words):
    """Paths of the temporary folder; what belongs to the system is found as ever."""
    env = {**os.environ, 'PKG_CONFIG_PATH': str(library_folder / 'pkgconfig')}
    command = ['pkg-config', f'--define-variable=prefix={prefix}', '--cflags', '--libs', *words]
    return shlex.split(subprocess.run([*command, 'uproar'], env=env, capture_output=True,
                                      text=True, check=True).stdout)


def build_and_run(prefix, way):
    _, compiler, words = way
    folder = next(prefix.rglob('libuproar.so')).parent
    source, program = prefix / 'example.c', prefix / 'example'
    source.write_text(example())
    libraries = pkg_config(prefix, folder, words)
    if words:
        libraries = ['-l:libuproar.a' if word == '-luproar' else word for word in libraries]
    problem = run([*compiler, *WARNINGS, source, '-x', 'none', '-o', program, *libraries])
    return problem or run([program], env={**os.environ, 'LD_LIBRARY_PATH': str(folder)})


def main(build):
    with tempfile.TemporaryDirectory() as folder:
        problem = run(['meson', 'install', '--no-rebuild', '-C', build, '--destdir', folder])
        if problem:
            tree.finish(tree.report('installed', [problem]))
        prefix = next(pathlib.Path(folder).rglob('include/uproar.h')).parent.parent
        missing = [name for name in FILES
                   if not (prefix / name).exists() and not (prefix / f'{name}.gz').exists()]
        results = [tree.report('installed', [f'{name} is not there' for name in missing])]
        shown = EXAMPLE_OF_README.search((tree.ROOT / 'README.md').read_text()).group(1)
        results.append(tree.report('example of README.md', [] if shown == example_of_manual() else
                                   ['it is not that of tools/uproar.3']))
        for way in WAYS:
            problem = build_and_run(prefix, way)
            results.append(tree.report(f'installed, {way[0]}', [problem] if problem else []))
    tree.finish(*results)


if __name__ == '__main__':
    main(sys.argv[1])
