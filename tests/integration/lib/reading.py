"""Reads a subscriber to its end, and accounts for every message: had, or told missing by a gap.
Knows which transports end how; publishes nothing.
"""
import bisect

from lib import check, envelope, http, websocket

RESET = 'reset'  # how a subscription ended, where that was not by a close code or a stream's end
ENDED = 'end'


def to_the_end(reader):
    """(messages and gaps, how it ended): ENDED, a WebSocket's close code, or RESET."""
    items = []
    try:
        while True:
            items.append(reader.next())
            if isinstance(items[-1], envelope.Gap) and items[-1].reason is None:
                return items, finish_close(reader, 4410)
    except websocket.Closed as closed:
        return items, finish_close(reader, closed.code)
    except http.Ended:
        return items, ENDED if is_stream_over(reader) else RESET
    except OSError:
        return items, RESET


def finish_close(reader, code):
    """The server's close frame is answered, and nothing comes behind it."""
    reader.send(websocket.close_bytes(code))
    check.equal(reader.ends(), b'', 'bytes after the close frame')
    return code


def is_stream_over(reader):
    """Did the stream say that it is over, and the connection end with it?"""
    if not getattr(reader, 'over', False):
        return False
    check.equal(reader.ends(), b'', 'bytes after the stream')
    return True


def up_to(reader, last_data):
    """Messages and gaps up to the message with that payload."""
    items = []
    while not items or isinstance(items[-1], envelope.Gap) or items[-1].data != last_data:
        items.append(reader.next())
    return items


class Log:
    """What was published to a subscription's topics, in order: (id, payload)."""

    def __init__(self):
        self.ids = []
        self.places = []  # the same as numbers
        self.payloads = []

    def add(self, ids, payloads):
        self.ids += ids
        self.places += [http.cursor(id) for id in ids]
        self.payloads += payloads

    def index_after(self, cursor):
        """How many of them are at or before that cursor."""
        return bisect.bisect_right(self.places, http.cursor(cursor))

    def account(self, items, first, what):
        """Every message from `first` on is in `items`, in order, or told by a gap that says so
        exactly. Returns the index of the first that is in neither."""
        place = first
        for item in items:
            if isinstance(item, envelope.Gap):
                place = self.behind(item, place, what)
                continue
            check.true(place < len(self.payloads) and item.data == self.payloads[place],
                       f'{what}: {item} came where {self.name(place)} was due')
            check.one_of(item.id, (self.ids[place], None), f'{what}: id of {item}')
            place += 1
        return place

    def behind(self, gap, place, what):
        """A gap begins where its subscriber is, and something is missing in it."""
        check.equal(self.index_after(gap.after), place, f'{what}: {gap} came where '
                                                        f'{self.name(place)} was due; index')
        resumed = self.index_after(gap.resumed)
        check.true(resumed > place, f'{what}: nothing is missing in {gap}')
        return resumed

    def name(self, place):
        return check.shown(self.payloads[place], 30) if place < len(self.payloads) else 'nothing'
