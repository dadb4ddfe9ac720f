"""Judging: assertions that say what was expected, waiting without fixed sleeps, skipping.
Decides nothing about protocols.
"""
import time

PATIENCE_S = 10  # how long something that must happen may take on a slow machine


class Failed(Exception):
    """The server did not do what the contract says."""


class Skipped(Exception):
    """The test cannot be done here; the reason is for people."""


def shown(value, limit=300):
    """A value for people. Cut before it is formatted: messages are made even when all is well."""
    if isinstance(value, (bytes, str, list)) and len(value) > limit:
        return f'{shown(value[:limit], limit)} of {len(value)}'
    text = repr(value)
    return text if len(text) <= limit else f'{text[:limit]}...'


def fail(message):
    raise Failed(message)


def true(condition, message):
    if not condition:
        raise Failed(message)


def equal(got, expected, what):
    if got != expected:
        raise Failed(f'{what}: expected {shown(expected)}, got {shown(got)}')


def one_of(got, allowed, what):
    if got not in allowed:
        raise Failed(f'{what}: expected one of {shown(allowed)}, got {shown(got)}')


def contains(text, part, what):
    if part not in text:
        raise Failed(f'{what}: expected {shown(part)} in {shown(text)}')


def lacks(text, part, what):
    if part in text:
        raise Failed(f'{what}: did not expect {shown(part)} in {shown(text)}')


def matches(pattern, text, what):
    found = pattern.search(text or '')
    if not found:
        raise Failed(f'{what}: expected /{pattern.pattern}/ in {shown(text)}')
    return found


def eventually(condition, what, patience_s=PATIENCE_S):
    """Asks until the answer is true, and returns it. The bound is generous, never a measurement.
    what: a text, or what makes one in the end."""
    deadline = time.monotonic() + patience_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            shown_what = what() if callable(what) else what
            raise Failed(f'still not after {patience_s} s: {shown_what}')
        time.sleep(0.02)
