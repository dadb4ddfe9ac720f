"""A subscriber to an event stream over anything that can ask for a URL and read: it takes the
events out of the bytes (WHATWG HTML, 9.2), keeps its place, and comes back when it is cut.
"""
import time

import report

FIRST_RETRY_S = 1


class Subscriber:
    def __init__(self):
        self.cursor = None
        self.retry_s = FIRST_RETRY_S
        self.is_done = False
        self.begin()

    def begin(self):
        self.rest = b''
        self.event = {}
        self.data = []

    def fields(self):
        """The request's."""
        place = {'Last-Event-ID': self.cursor} if self.cursor else {}
        return {'Accept': 'text/event-stream', **place}

    def feed(self, received):
        """Returns whether the last message was among it. Lines of this server end by LF."""
        *lines, self.rest = (self.rest + received).split(b'\n')
        for line in lines:
            self.take(line.decode())
        return self.is_done

    def take(self, line):
        if line == '':
            self.finish()
            return
        name, _, value = line.partition(':')
        value = value.removeprefix(' ')
        if name == 'data':
            self.data.append(value)
        elif name == 'retry':
            self.retry_s = int(value) / 1000
        elif name:  # without a name it is a comment
            self.event[name] = value

    def finish(self):
        event, lines = self.event, self.data
        self.event, self.data = {}, []
        self.cursor = event.get('id', self.cursor)
        if not lines:
            return
        data = '\n'.join(lines)
        report.say(event={'type': event.get('event', 'message'), 'data': data, 'id': self.cursor})
        self.is_done = self.is_done or data == report.LAST


def follow(connect):
    """connect(subscriber) is one stream from its beginning to its end; it returns the status, or
    what went wrong."""
    subscriber = Subscriber()
    while True:
        subscriber.begin()
        status = connect(subscriber)
        if subscriber.is_done or status == 204:
            report.stopped('done' if subscriber.is_done else status)
            return
        report.lost(status)
        time.sleep(subscriber.retry_s)
