"""Debian's Chromium, driven by a program of clients/browser through npm's playwright-core.
"""
import os
import pathlib
import shutil

from lib import check, node

PROGRAMS = node.ROOT / 'tests/clients/browser'
SCREENSHOTS = node.ROOT / 'build/screenshots'


def program():
    found = shutil.which('chromium')
    if not found:
        raise check.Skipped('chromium is not installed')
    return found


def start(case, script, *arguments):
    """Runs a program of that folder; what it prints is the client's report."""
    os.environ['CHROMIUM'] = program()
    return node.Client(case, PROGRAMS / script, *arguments)


def screenshot(name):
    """Where a picture may be left for people to look at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return pathlib.Path(SCREENSHOTS) / f'{name}.png'
