"""A subscriber over any WebSocket library, that first sends the words it was told. In the JSON form
it keeps its place in the log, and comes back to it when it is cut.
"""
import base64
import json
import time

import report

PAUSE_S = 0.2


class Subscriber:
    def __init__(self):
        self.is_json = report.query(report.URL).get('format') == 'json'
        self.cursor = None
        self.texts = report.WORDS

    def url(self):
        return report.with_query(report.URL, after=self.cursor) if self.cursor else report.URL

    def opened(self):
        """Returns what is to be sent."""
        report.say(open=True)
        texts, self.texts = self.texts, []
        return texts

    def take(self, message):
        """Returns whether it was the last one."""
        if isinstance(message, bytes):
            report.say(message={'base64': base64.b64encode(message).decode()})
            return False
        report.say(message={'text': message})
        if not self.is_json:
            return message == report.LAST
        item = json.loads(message)
        self.cursor = item.get('id') or item.get('gap', {}).get('resumed') \
            or item.get('open', {}).get('cursor')
        return item.get('data') == report.LAST


def follow(connect):
    """connect(subscriber) is one connection from its beginning to its end; it returns the code of
    the close, or what went wrong."""
    subscriber = Subscriber()
    while True:
        code = connect(subscriber)
        if code == 1000 or not subscriber.is_json:
            report.stopped(code)
            return
        report.lost(code)
        time.sleep(PAUSE_S)
