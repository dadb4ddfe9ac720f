#!/usr/bin/env python3
"""Joins index.html and the scripts and styles beside it to one page, and turns that into a C file
with its bytes and the Content-Security-Policy that fits them. It refuses what that policy would
block in a browser. Usage: embed.py index.html page.c"""
import base64
import hashlib
import pathlib
import re
import sys

# As they are written in index.html, so that it can be opened as a file, too.
OUTSIDE = re.compile(r'<link rel="stylesheet" href="([\w.]+)">|<script src="([\w.]+)"></script>')
INLINE = re.compile(r'<(script|style)>(.*?)</\1>', re.S)
# Blocked by the policy, each with a reason that names the way out.
BLOCKED = {
    r'<(script|style)\s': 'a script or style with attributes: only inline ones without are hashed',
    r'<[^<>]*\sstyle\s*=': 'a style attribute: write a class',
    r'<[^<>]*\son[a-z]+\s*=': 'an event handler attribute: use addEventListener',
    r'<(link|img|iframe|object|embed|base|audio|video)\b': 'an outside asset: all is in one file',
    r'javascript:': 'a javascript: address',
}
PER_LINE = 16


def read(path):
    # newline='': a browser hashes line ends as LF, and so must we: CRLF is refused, not translated.
    with open(path, encoding='utf-8', newline='') as file:
        text = file.read()
    if '\r' in text:
        sys.exit(f'embed.py: CR in {path.name}: the hashes would differ from the browser\'s')
    return text


def joined(source):
    def inside(found):
        style, script = found.groups()
        text = read(source.parent / (style or script))
        return f'<style>\n{text}</style>' if style else f'<script>\n{text}</script>'
    return OUTSIDE.sub(inside, read(source))


def markup_of(html):
    """The HTML without the insides of its scripts and style, where `<a style=` may be text."""
    return INLINE.sub(r'<\1></\1>', html)


def check(html):
    for pattern, why in BLOCKED.items():
        found = re.search(pattern, markup_of(html), re.I)
        if found:
            sys.exit(f'embed.py: {found.group(0)!r}: {why}')


def hashes(html, element):
    """Content-Security-Policy sources of all inline blocks of that element, in their order."""
    digests = [hashlib.sha256(inside.encode()).digest()
               for name, inside in INLINE.findall(html) if name == element]
    if not digests:
        sys.exit(f'embed.py: no <{element}>')
    return ' '.join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def policy(html):
    return '; '.join([
        "default-src 'none'",
        'script-src ' + hashes(html, 'script'),
        'style-src ' + hashes(html, 'style'),
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ])


def c_file(html):
    page = html.encode()
    rows = [page[at:at + PER_LINE] for at in range(0, len(page), PER_LINE)]
    return '\n'.join([
        '/* Made by embed.py: not to be edited. */',
        '#include "http/page.h"',
        '',
        'const unsigned char http_page_bytes[] = {',
        *('    ' + ', '.join(map(str, row)) + ',' for row in rows),
        '};',
        'const size_t http_page_len = sizeof(http_page_bytes);',
        f'const char http_page_csp[] = "{policy(html)}";',
        '',
    ])


def main():
    source, target = map(pathlib.Path, sys.argv[1:])
    html = joined(source)
    check(html)
    target.write_text(c_file(html), encoding='utf-8')


if __name__ == '__main__':
    main()
