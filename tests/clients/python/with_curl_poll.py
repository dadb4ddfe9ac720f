"""A loop of long-polls by curl, each after the cursor that the one before has told."""
import json
import subprocess
import time

import report

PAUSE_S = 0.2
WAIT_S = 5


def ask(url):
    """(status, the cursor told, the body); the status is 0 when there was no whole answer."""
    argv = ['curl', '-s', '-w', '\n%{http_code} %header{uproar-cursor}', url]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=False)
    body, _, told = done.stdout.decode().rpartition('\n')
    status, _, cursor = told.partition(' ')
    return (int(status) if done.returncode == 0 else 0), cursor, body


def show(message):
    """Says it; returns whether it was the last one."""
    is_binary = 'base64' in message
    kind = message.get('event', 'binary' if is_binary else 'message')
    data = message['base64'] if is_binary else message['data']
    report.say(event={'type': kind, 'data': data, 'id': message['id']})
    return data == report.LAST


class Subscriber:
    def __init__(self):
        self.url = report.URL
        self.is_done = False

    def go_on_after(self, cursor):
        self.url = report.with_query(report.URL, after=cursor, wait=WAIT_S)

    def answer(self, status, cursor, body):
        if status in (200, 204):
            self.is_done = any([show(message) for message in json.loads(body or '[]')])
            self.go_on_after(cursor)
        elif status == 410 and 'gap' in json.loads(body):
            gap = json.loads(body)['gap']
            report.say(event={'type': 'gap', 'data': json.dumps(gap), 'id': gap['resumed']})
            self.go_on_after(gap['resumed'])
        elif 400 <= status < 500:
            self.is_done = True
        else:
            report.lost(status)
            time.sleep(PAUSE_S)


def follow():
    subscriber = Subscriber()
    is_open = False
    while not subscriber.is_done:
        status, cursor, body = ask(subscriber.url)
        if status == 200 and not is_open:
            report.say(open=True)
        is_open = status in (200, 204, 410)
        subscriber.answer(status, cursor, body)
    report.stopped(status)


follow()
