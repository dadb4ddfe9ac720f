#!/usr/bin/env python3
"""Who may include whom, as data, and that every header compiles alone.
Does not look at what the code does: see seams.py."""
import concurrent.futures
import re
import subprocess

import tree

PROTOCOLS = ['ws', 'sse', 'poll', 'stomp']
BELOW_CONN = ['base', 'io', 'http', 'log', *PROTOCOLS, 'topic', 'tls']

# layer: the layers it may include besides itself; 'uproar.h' is the public header.
MAY_INCLUDE = {
    'base': [],
    'io': ['base'],
    'http': ['base'],
    'log': ['base'],
    'ws': ['base', 'log'],
    'sse': ['base', 'log'],
    'poll': ['base', 'log'],
    'stomp': ['base', 'log'],
    'topic': ['base', 'log'],
    'tls': ['base'],
    'conn': BELOW_CONN,
    'server': [*BELOW_CONN, 'conn', 'uproar.h'],
    # What the programs' command lines share; the server's is the library's first user.
    'cli': [],
    'daemon': ['cli', 'uproar.h'],
    # tools/load: a client of any server, so it knows none from inside.
    'load': ['base', 'io', 'http', 'ws', 'cli'],
    # tools/cat: shares the client's half of the protocols with it.
    'cat': ['base', 'http', 'ws', 'cli', 'load'],
}

# System headers with few owners: prefix, and the paths that may include it.
OWNED_HEADERS = {
    'liburing': ['src/io/'],
    'sys/epoll.h': ['src/io/', 'tools/examples/'],
    'openssl/': ['src/tls/', 'src/ws/handshake.c', 'tools/cat/envelope.c'],
    'curl/': ['tools/cat/wire.c', 'tools/cat/main.c'],
    'zlib.h': ['src/ws/zlib.h', 'tests/', 'bench/client_deflate.c'],
    'jansson.h': ['src/conn/asking_body.c', 'tools/load/json.c',
                  'tools/cat/answer.c', 'tools/cat/envelope.c'],
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def layer_of(path):
    parts = path.split('/')
    return parts[1] if parts[0] in ('src', 'tools') else parts[0]


def check_quoted(path, target):
    layer, folder = layer_of(path), target.split('/')[0]
    if layer not in MAY_INCLUDE:
        return f'{layer} is not in the table of layers'
    if '..' in target.split('/') or ('/' not in target and target != 'uproar.h'):
        return f'"{target}" is not written from src/'
    if target.endswith('_internal.h') and folder != layer:
        return f'"{target}" is private to src/{folder}'
    if folder != layer and folder not in MAY_INCLUDE[layer]:
        return f'{layer} must not include "{target}"'
    return None


def check_system(path, target):
    for prefix, owners in OWNED_HEADERS.items():
        if target.startswith(prefix) and not any(path.startswith(owner) for owner in owners):
            return f'<{target}> belongs to {" and ".join(owners)}'
    return None


def check(path, text):
    problems = []
    for match in INCLUDE.finditer(text):
        ask = check_quoted if match.group(1) == '"' else check_system
        problem = ask(path, match.group(2))
        if problem:
            problems.append(f'{path}:{tree.line_of(text, match.start())}: {problem}')
    return problems


def compile_alone(path, language='c', standard='gnu17', compiler='gcc'):
    """A header that needs another one before it draws an arrow that no line shows."""
    name = path.split('/', 1)[1]
    command = [compiler, '-fsyntax-only', f'-std={standard}', '-Wall', '-Wextra', '-Werror',
               '-Isrc', '-Iinclude', '-Itools', '-x', language, '-']
    # Twice: the second time must add nothing.
    done = subprocess.run(command, input=f'#include "{name}"\n#include "{name}"\n', text=True,
                          cwd=tree.ROOT, capture_output=True, check=False)
    if done.returncode == 0:
        return []
    return [f'{path} does not compile alone as {standard}: {done.stderr.strip().splitlines()[0]}']


def headers_alone():
    paths = [path for path, _ in tree.files('.h', under=['src', 'include', 'tools'])]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        problems = sum(pool.map(compile_alone, paths), [])
    return problems + compile_alone('include/uproar.h', 'c++', 'c++17', 'clang')


PLANTED = [
    ('src/base/a.c', '#include "log/log.h"\n'),
    ('src/http/a.c', '#include "io/io.h"\n'),
    ('src/ws/a.h', '#include "conn/conn.h"\n'),
    ('src/topic/a.c', '#include "ws/ws.h"\n'),
    ('src/daemon/a.c', '#include "server/server.h"\n'),
    ('src/daemon/a.c', '#include "base/text.h"\n'),
    ('src/conn/a.c', '#include "uproar.h"\n'),
    ('src/conn/a.c', '#include <liburing.h>\n'),
    ('src/server/a.c', '#  include <sys/epoll.h>\n'),
    ('src/ws/reader.c', '#include <openssl/sha.h>\n'),
    ('src/base/a.c', '#include "../log/log.h"\n'),
    ('src/base/a.c', '#include "text.h"\n'),
    ('src/conn/a.c', '#include "io/uring_internal.h"\n'),
    ('src/new/a.c', '#include "base/text.h"\n'),
    ('tools/load/a.c', '#include "log/log.h"\n'),
    ('tools/load/a.c', '#include "uproar.h"\n'),
    ('tools/load/b.c', '#include <jansson.h>\n'),
]
INNOCENT = [
    ('src/io/a.c', '#include <liburing.h>\n#include "io/io.h"\n#include "base/text.h"\n'),
    ('src/io/a.c', '#include "io/uring_internal.h"\n'),
    ('src/ws/handshake.c', '#include <openssl/sha.h>\n'),
    ('src/server/a.c', '#include "uproar.h"\n#include "conn/conn.h"\n'),
    ('src/daemon/a.c', '#include "uproar.h"\n#include "cli/spelling.h"\n#include <stdio.h>\n'),
    ('tools/load/json.c', '#include "load/report.h"\n#include <jansson.h>\n'),
]

if __name__ == '__main__':
    found = [problem for path, text in tree.files('.c', '.h', under=['src', 'tools'])
             for problem in check(path, text)]
    tree.finish(tree.self_test('layers', check, PLANTED, INNOCENT),
                tree.report('layers', found),
                tree.report('headers alone', headers_alone()))
