"""An event stream as `curl -N` prints it, and `-H Last-Event-ID` when it comes back."""
import subprocess

import event_stream
import report


def connect(subscriber):
    fields = [word for field in subscriber.fields().items() for word in ('-H', ': '.join(field))]
    argv = ['curl', '-sN', '-w', '%{stderr}%{http_code}', *fields, report.URL]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as curl:
        is_open = False
        while received := curl.stdout.read1():
            if not is_open:
                report.say(open=True)
            is_open = True
            if subscriber.feed(received):
                curl.terminate()
                break
        status = curl.stderr.read().decode()
    return int(status) if status.isdigit() else status


event_stream.follow(connect)
