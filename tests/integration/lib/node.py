"""Programs that run in node, with packages of npm: installed by name, once, into build/node.
What cannot be had skips the test that asks for it, with the reason.
"""
import fcntl
import json
import pathlib
import re
import shutil
import subprocess
import time

from lib import check

ROOT = pathlib.Path(__file__).resolve().parents[3]
INSTALL_FOLDER = ROOT / 'build/node'
# The newest that runs on the oldest node named: (node's major version, what npm is asked for).
PACKAGES = {
    'ws': [(18, 'ws@8')],
    'eventsource': [(18, 'eventsource@3'), (20, 'eventsource@4'), (23, 'eventsource@5')],
    'eventsource-client': [(18, 'eventsource-client@1')],
    '@microsoft/fetch-event-source': [(18, '@microsoft/fetch-event-source@2')],
    'event-source-polyfill': [(18, 'event-source-polyfill@1')],
    'undici': [(18, 'undici@6'), (20, 'undici@7'), (23, 'undici@8')],
    'playwright-core': [(18, 'playwright-core@1.49'), (20, 'playwright-core@1')],
}
INSTALL_S = 120
RETRY_S = 1800  # where npm cannot reach anybody: once is enough for all tests


def has_packages(modules):
    return all((modules / package / 'package.json').exists() for package in PACKAGES)


def major_version():
    said = subprocess.run(['node', '--version'], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60, check=True).stdout
    return int(re.match(r'v(\d+)', said)[1])


def wanted(node_major):
    """What npm is asked for: the last of each package's versions that this node runs."""
    fitting = {package: [spec for since, spec in specs if since <= node_major]
               for package, specs in PACKAGES.items()}
    return [specs[-1] for specs in fitting.values() if specs]


def npm_install():
    """Returns what went wrong, or None."""
    argv = ['npm', 'install', '--prefix', str(INSTALL_FOLDER), '--no-audit', '--no-fund',
            '--silent', *wanted(major_version())]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        return f'npm install took longer than {INSTALL_S} s'
    said = (done.stderr + done.stdout).strip().splitlines()
    return None if done.returncode == 0 else said[-1] if said else f'exit {done.returncode}'


def install():
    """By one test at a time; a failure is remembered. Returns what went wrong, or None."""
    INSTALL_FOLDER.mkdir(parents=True, exist_ok=True)
    failure = INSTALL_FOLDER / '.failure'
    with open(INSTALL_FOLDER / '.lock', 'w', encoding='utf-8') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if has_packages(INSTALL_FOLDER / 'node_modules'):
            return None
        if failure.exists() and time.time() - failure.stat().st_mtime < RETRY_S:
            return failure.read_text(encoding='utf-8')
        problem = npm_install()
        if problem:
            failure.write_text(problem, encoding='utf-8')
        return problem


def modules():
    """The folder with the packages; skips the test where they cannot be had."""
    if not shutil.which('node'):
        raise check.Skipped('node is not installed')
    if not shutil.which('npm'):
        raise check.Skipped('npm is not installed')
    problem = install()
    if problem:
        raise check.Skipped(f'npm could not install {" ".join(PACKAGES)}: {problem}')
    return INSTALL_FOLDER / 'node_modules'


def prepared(case, script):
    """Where a script of a folder can be run: modules resolve beside it, never by NODE_PATH."""
    folder = case.folder / script.parent.name
    if not folder.exists():
        shutil.copytree(script.parent, folder)
        (folder / 'node_modules').symlink_to(modules())
    return folder / script.name


class Client:
    """A running .mjs of a folder, and the lines it has printed. Lines in braces are its reports."""

    def __init__(self, case, script, *arguments):
        self.output = case.start_command('node', str(prepared(case, script)),
                                         *map(str, arguments))

    @property
    def lines(self):
        return self.output.read_text(encoding='utf-8').splitlines()

    @property
    def reports(self):
        return [json.loads(line) for line in self.lines
                if line.startswith('{') and line.endswith('}')]

    def wait_line(self, line, patience_s=15):
        check.eventually(lambda: line in self.lines, lambda: f'node says {line!r}: {self.lines}',
                         patience_s)

    def report(self, patience_s=30):
        """The first of its reports."""
        return check.eventually(lambda: self.reports,
                                lambda: f'node reports what it saw: {self.lines}', patience_s)[0]
