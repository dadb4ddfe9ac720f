"""The JSON that all transports share: the envelope of a message, the notice of a gap. Strict
about members, their order, and what they look like. Knows no transport.
"""
import base64
import json

from lib import check, http

BEFORE_PAYLOAD = ['id', 'topic', 'time', 'event', 'headers']  # in this order; the last two may lack
REASONS = ('epoch', 'trimmed', 'slow')


class Message:
    """What a subscriber was given. What its transport does not tell is None."""

    def __init__(self, data, id=None, topic=None, event=None, time=None):
        self.data = data  # str: text, bytes: binary
        self.id = id
        self.topic = topic
        self.event = event
        self.time = time

    def __repr__(self):
        return f'message({self.id}, {self.topic}, {check.shown(self.data, 80)})'


class Gap:
    """Messages after `after` up to and including `resumed` may be missing."""

    def __init__(self, after, resumed, reason):
        self.after = after
        self.resumed = resumed
        self.reason = reason  # None: raw WebSockets are not told

    def __repr__(self):
        return f'gap(after {self.after}, resumed {self.resumed}, {self.reason})'


def members(text, what):
    """The object's members as they stand there; no name twice."""
    def pairs_of(pairs):
        check.equal(len({name for name, _ in pairs}), len(pairs), f'distinct members of {what}')
        return dict(pairs)
    try:
        found = json.loads(text, object_pairs_hook=pairs_of)
    except ValueError as problem:
        raise check.Failed(f'{what} is not JSON ({problem}): {check.shown(text)}') from problem
    check.true(isinstance(found, dict), f'{what} is no object: {check.shown(text)}')
    return found


def message_from(text):
    return message_of(members(text, 'an envelope'))


def message_of(found):
    """A message of an envelope's members."""
    names = list(found)
    check.one_of(names[-1:], (['data'], ['base64']), f'the last member of {check.shown(names)}')
    due = [name for name in BEFORE_PAYLOAD if name in names or name in BEFORE_PAYLOAD[:3]]
    check.equal(names[:-1], due, 'the members before the payload')
    http.cursor(found['id'])
    check.true(type(found['time']) is int and found['time'] > 1_600_000_000_000,
               f'time is not in ms: {found["time"]!r}')
    data = found['data'] if 'data' in found else base64.b64decode(found['base64'], validate=True)
    texts = [found['topic'], found.get('event', ''), found.get('data', '')]
    check.true(all(type(text) is str for text in texts), f'not a string: {check.shown(texts)}')
    return Message(data, found['id'], found['topic'], found.get('event'), found['time'])


def gap_of(found):
    """A gap of the members of such an object."""
    check.equal(list(found), ['after', 'resumed', 'reason'], 'members of a gap')
    check.one_of(found['reason'], REASONS, 'reason')
    http.cursor(found['resumed'])
    return Gap(found['after'], found['resumed'], found['reason'])
