"""What the lints share: the files, C code without comments and strings, and how to report.
It holds no rule."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = ['src', 'include', 'tools', 'tests', 'bench', '.ci']

# Comments and literals, longest first; a literal keeps its quotes so that code stays code.
HIDDEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def files(*suffixes, under=None):
    """Sorted (path from the root, text) of our files; no suffix: all of them."""
    for folder in under or OURS:
        for path in sorted((ROOT / folder).rglob('*')):
            if not path.is_file() or '__pycache__' in path.parts or 'node_modules' in path.parts:
                continue
            if suffixes and path.suffix not in suffixes:
                continue
            try:
                yield str(path.relative_to(ROOT)), path.read_text(encoding='utf-8')
            except UnicodeDecodeError:
                continue  # a fuzz seed, not a source


def code_only(text):
    """The C text with comments and literals blanked out; lines keep their numbers."""
    def blank(match):
        kept = '""' if match.group(0)[0] in '"\'' else ' '
        return kept + '\n' * match.group(0).count('\n')
    return HIDDEN.sub(blank, text)


def line_of(text, offset):
    return text.count('\n', 0, offset) + 1


def report(name, problems):
    """Prints the lines tests/support/run.py counts. Returns whether all is well."""
    for problem in problems:
        print(f'FAIL {name}: {problem}')
    if not problems:
        print(f'pass {name}')
    return not problems


def self_test(name, check, planted, innocent):
    """check(path, text) -> problems must find each planted violation and leave the rest alone."""
    problems = [f'did not see {path}: {text!r}' for path, text in planted if not check(path, text)]
    problems += [f'took offence at {path}: {text!r}: {check(path, text)[0]}'
                 for path, text in innocent if check(path, text)]
    return report(f'{name} self-test', problems)


def finish(*results):
    sys.exit(0 if all(results) else 1)
