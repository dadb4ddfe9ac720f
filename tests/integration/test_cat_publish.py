"""uproar-cat -p: each line one message, in order; what is refused, and what nobody knows the fate
of, is told with its line.
"""
import json
import socket
import threading

from lib import cat, check, http, testing

CREATED = (b'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n'
           b'{}\n')
LATER = (b'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n')


def test_lines_become_messages_in_order(case):
    stream = case.stream()
    lines = [b'%d' % index for index in range(3000)]
    cat.publish(case, case.server, b'\n'.join(lines) + b'\n')
    check.equal([stream.event().data.encode() for _ in lines], lines, 'messages')


def test_empty_lines_and_one_without_an_end_count_and_bytes_stay(case):
    peer = case.peer()
    cat.publish(case, case.server, b'\n \r\n\xff\xfe\n' + 'Grüße 🦁'.encode())
    check.equal([peer.text(), peer.text(), peer.binary(), peer.text()],
                ['', ' \r', b'\xff\xfe', 'Grüße 🦁'], 'messages')


def test_nothing_is_nothing(case):
    peer = case.peer()
    cat.publish(case, case.server, b'')
    peer.echo('nothing before this')


def test_nul_separates_messages_of_several_lines(case):
    peer = case.peer()
    cat.publish(case, case.server, b'one\ntwo\0three\n\0', '-0', '--event', 'named')
    check.equal([peer.text(), peer.text()], ['one\ntwo', 'three\n'], 'messages')


def test_event_type_and_answers(case):
    stream = case.stream()
    run = cat.publish(case, case.server, b'a\nb\n', '--json', '--event', 'x y', '--type',
                      'application/octet-stream')
    events = [stream.event(), stream.event()]
    check.equal([(event.name, event.binary) for event in events], [('x y', b'a'), ('x y', b'b')],
                'events')
    answers = [json.loads(line) for line in run.printed.decode().splitlines()]
    check.equal([answer['id'] for answer in answers], [event.id for event in events], 'ids')


def test_a_refused_line_ends_it_and_is_named(case):
    at = case.start('--max-message', 100)
    peer = case.peer(at=at)
    run = cat.publish(case, at, b'one\n' + b'x' * 101 + b'\nthree\n', status=1)
    check.contains(run.said, 'line 2 is refused with 413', 'what it says')
    check.equal(peer.text(), 'one', 'what came before')
    peer.echo('nothing behind it')


def test_a_message_of_a_mebibyte_and_one_that_is_far_too_long(case):
    peer = case.peer()
    cat.publish(case, case.server, b'x' * (1 << 20))
    check.equal(len(peer.text()), 1 << 20, 'length')
    run = cat.publish(case, case.server, b'x' * (20 << 20), status=1)
    check.contains(run.said, 'line 1', 'what it says')
    peer.echo('nothing of that')


def test_who_may_not_publish_is_told(case):
    at = case.start('--publish-token', case.file('pub'))
    check.contains(cat.publish(case, at, b'x\n', status=1).said, 'line 1 is refused with 401',
                   'what it says')
    cat.publish(case, at, b'x\n', '--token', 'pub')


def test_a_server_that_restarts_is_waited_for(case):
    first = case.start('--drain', 0)
    publisher = cat.Cat(case, '-p', cat.url_of(first), case.topic)
    publisher.process.stdin.write(b'before\n')
    publisher.process.stdin.flush()
    first.wait_metric(1, 'uproar_messages_published_total')
    first.stop()
    publisher.process.stdin.write(b'meanwhile\nand after\n')
    publisher.process.stdin.close()
    publisher.wait_said('again in')
    second = case.start(listen=f'127.0.0.1:{first.port}')
    publisher.end()
    second.wait_metric(2, 'uproar_messages_published_total')


class Scripted:
    """A server that answers each request as it was told to: bytes, or None: it hangs up."""

    def __init__(self, case, *answers):
        self.answers = list(answers)
        self.bodies = []
        self.listener = case.keep(socket.create_server(('127.0.0.1', 0)))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while self.answers:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer:
                self.talk(peer)

    def talk(self, peer):
        while self.answers:
            request = b''
            while not request.endswith(b'.'):  # how the tests' messages end
                data = peer.recv(65536)
                if not data:
                    return
                request += data
            self.bodies.append(request.split(b'\r\n\r\n', 1)[1])
            answer = self.answers.pop(0)
            if answer is None:
                return
            peer.sendall(answer)


@testing.limit(60)
def test_what_was_not_taken_is_sent_again_until_it_is(case):
    full = Scripted(case, CREATED, LATER, LATER, CREATED, CREATED)
    run = cat.publish(case, full, b'one.\ntwo.\nthree.\n')
    check.equal(full.bodies, [b'one.', b'two.', b'two.', b'two.', b'three.'], 'requests')
    check.equal(run.said.count('again in'), 2, f'what it says: {run.said}')


def test_what_may_have_been_taken_is_not_sent_again_in_silence(case):
    cut = Scripted(case, CREATED, None, CREATED, CREATED)
    run = cat.publish(case, cut, b'one.\ntwo.\nthree.\n', status=1)
    check.equal(cut.bodies, [b'one.', b'two.'], 'requests')
    check.contains(run.said, 'line 2 may have been published or not', 'what it says')


def test_unless_it_is_told_to(case):
    cut = Scripted(case, CREATED, None, CREATED, CREATED)
    cat.publish(case, cut, b'one.\ntwo.\nthree.\n', '--again')
    check.equal(cut.bodies, [b'one.', b'two.', b'two.', b'three.'], 'requests')
