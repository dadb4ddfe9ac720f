#!/usr/bin/env python3
"""How every file looks: an opening that says what it is, no loose ends, no wide lines, no file that
nothing builds. Spacing inside C is clang-format's: see style.py."""
import re

import tree

WIDTH = 100
LINES_MAX = 800
# Spelled in two halves so that this file does not find itself.
LOOSE_ENDS = re.compile(
    r'\b(TO' r'DO|FIX' r'ME|XX' r'X|HA' r'CK|unimple' r'mented|not imple' r'mented)\b')
SOURCES = ['.c', '.h', '.py', '.sh', '.js', '.mjs', '.build', '.html', '']
PROSE_OPENING = {
    '.c': re.compile(r'/\* \S'),
    '.h': re.compile(r'/\* \S'),
    '.py': re.compile(r'(#![^\n]*\n)?"""\S'),
    '.js': re.compile(r'(#![^\n]*\n)?(/\* |// )\S'),
    '.mjs': re.compile(r'(#![^\n]*\n)?(/\* |// )\S'),
    '.sh': re.compile(r'(#![^\n]*\n)?# \S'),
    '.build': re.compile(r'# \S'),
    '': re.compile(r'(#![^\n]*\n)?(# |""")\S'),
}
OPENING_MIN = 40  # characters: less cannot say what a file is and what it is not
TYPEDEF = re.compile(r'^\s*typedef\b[^;]*;', re.M)


def suffix_of(path):
    name = path.rsplit('/', 1)[-1]
    return '.' + name.rsplit('.', 1)[1] if '.' in name else ''


def opening_length(text):
    """Characters of the leading comment or docstring."""
    text = re.sub(r'^#![^\n]*\n', '', text)
    match = re.match(r'/\*.*?\*/|""".*?"""|(?:(?:#|//)[^\n]*\n)+', text, re.S)
    return len(match.group(0)) if match else 0


def check_opening(path, text):
    opening = PROSE_OPENING.get(suffix_of(path))
    if not opening or opening.match(text) and opening_length(text) >= OPENING_MIN:
        return []
    return [f'{path}:1: does not open by saying what it is and what it does not do']


def check_lines(path, text):
    problems = []
    for number, line in enumerate(text.split('\n'), 1):
        if len(line) > WIDTH:
            problems.append(f'{path}:{number}: {len(line)} characters wide')
        if line != line.rstrip():
            problems.append(f'{path}:{number}: white space at the end')
        if '\t' in line:
            problems.append(f'{path}:{number}: a tab')
        loose = LOOSE_ENDS.search(line)
        if loose:
            problems.append(f'{path}:{number}: a loose end: {loose.group(0)}')
    return problems


def check_typedefs(path, text):
    """struct x and enum x are spelled out; only function types get a name, x_fn."""
    if suffix_of(path) not in ('.c', '.h') or path.startswith('include/'):
        return []
    code = tree.code_only(text)
    return [f'{path}:{tree.line_of(code, match.start())}: a typedef that is no x_fn'
            for match in TYPEDEF.finditer(code) if not re.search(r'\w+_fn\b', match.group(0))]


def check(path, text):
    if suffix_of(path) not in SOURCES or path.startswith('tests/fuzz/seeds/'):
        return []
    problems = check_opening(path, text) + check_lines(path, text) + check_typedefs(path, text)
    if text and not text.endswith('\n'):
        problems.append(f'{path}: no newline at the end')
    if text.count('\n') > LINES_MAX:
        problems.append(f'{path}: {text.count(chr(10))} lines: split it by what it does')
    return problems


def unbuilt():
    """Sources that the nearest meson.build does not name: dead, or forgotten."""
    lists = {path.rpartition('/')[0]: text for path, text in tree.files('.build')}
    lists[''] = (tree.ROOT / 'meson.build').read_text(encoding='utf-8')
    for path, _ in tree.files('.c'):
        folder = path.rpartition('/')[0]
        while folder and folder not in lists:
            folder = folder.rpartition('/')[0]
        name = path[len(folder):].lstrip('/').removesuffix('.c')
        named = lists.get(folder, '') + lists['']  # the root names the program's main()
        if not re.search(rf'(?<!\w){re.escape(name)}(?!\w)', named):
            yield f'{path} is not in {folder}/meson.build'


FINE = '/* A thing that does one thing and says so in a sentence. It does not do more. */\n'
PLANTED = [
    ('src/a.c', 'int x;\n'),
    ('src/a.c', '/* short */\nint x;\n'),
    ('src/a.c', FINE + '/* TO' 'DO: more */\n'),
    ('src/a.c', FINE + 'int ' + 'x' * 100 + ';\n'),
    ('src/a.c', FINE + 'int x; \n'),
    ('src/a.c', FINE + '\tint x;\n'),
    ('src/a.c', FINE + 'typedef struct y { int z; } y;\n'),
    ('src/a.c', FINE + 'int x;'),
    ('src/a.c', FINE + 'int x;\n' * 900),
    ('tools/a', '#!/bin/sh\ntrue\n'),
]
INNOCENT = [
    ('src/a.c', FINE + 'typedef void a_done_fn(int x);\ntypedef int (*b_fn)(void);\n'),
    ('tools/a', '#!/bin/sh\n# Does a thing that is worth a sentence, and leaves others alone.\n'),
    ('tests/fuzz/seeds/a', 'any\tthing'),
]

if __name__ == '__main__':
    found = [problem for path, text in tree.files() for problem in check(path, text)]
    tree.finish(tree.self_test('words', check, PLANTED, INNOCENT), tree.report('words', found),
                tree.report('every source is built', list(unbuilt())))
