#!/usr/bin/env python3
"""What others can see of the library, shared and static: the functions that uproar.h declares, all
of them and nothing else, and each has its words in the manual. usage: symbols.py LIB.so LIB.a
It does not look at what they do."""
import re
import subprocess
import sys

import tree

DECLARED = re.compile(r'^UPROAR_API [^;(]*?\b(\w+)\(', re.M)


def declared():
    header = (tree.ROOT / 'include/uproar.h').read_text()
    return set(DECLARED.findall(tree.code_only(header)))


def exported(library):
    """[name] of what is defined and can be linked with."""
    scope = '--dynamic' if library.endswith('.so') else '--extern-only'
    listed = subprocess.run(['nm', scope, '--defined-only', '--format=posix', library],
                            capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in listed.splitlines() if len(line.split()) > 2]


def checker(wanted):
    def check(library, names):
        seen = set(names)
        return ([f'{library} does not export {name}' for name in sorted(wanted - seen)] +
                [f'{library} exports {name}' for name in sorted(seen - wanted)])
    return check


def check_manual(path, text):
    """Each function stands in bold where it is explained."""
    page = text.replace('\\-', '-')
    return [f'{path} does not explain {name}()' for name in sorted(declared())
            if not re.search(rf'^\.BI? "?[^\n]*\b{name}\b', page, re.M)]


def main(libraries):
    wanted = declared()
    check = checker(wanted)
    manual = 'tools/uproar.3'
    page = (tree.ROOT / manual).read_text()
    planted = [('one too many', [*wanted, 'log_append']), ('one too few', sorted(wanted)[1:])]
    results = [tree.self_test('symbols', check, planted, [('all', sorted(wanted))]),
               tree.self_test('manual of the library', check_manual,
                              [('gone', page.replace('uproar_publish', 'uproar_gone'))], [])]
    results += [tree.report(f'symbols of {name.rsplit("/", 1)[1]}', check(name, exported(name)))
                for name in libraries]
    results.append(tree.report('manual of the library', check_manual(manual, page)))
    tree.finish(*results)


if __name__ == '__main__':
    main(sys.argv[1:])
