"""A log that is written faster than it can be delivered, and bodies for which there is no memory:
publishers are told to wait, or made to, and nothing accepted is dropped. What a flood of unfinished
bodies costs is in test_abuse.py.
"""
import select
import threading
import time

from lib import check, http, testing, websocket

# With one message of history every message has to be offered to all before the next one may come:
# the rings fill, then the inbox, whatever the machine.
HISTORY = ['--history-messages', '1', '--slow', 'latest']
CROWD = 100
SMALL = b'm' * 100
FLOOD = 200_000            # small ones; ring and inbox hold 16,384 and 65,536, the kernel some MB
LARGE = 1 << 20
LARGE_COUNT = 400          # ring and inbox hold 64 MiB each
WAITING_MAX = 2 * 64 << 20


class Drain:
    """Reads whatever comes to some peers and forgets it, until it is stopped."""

    def __init__(self, peers):
        self.sockets = [peer.socket for peer in peers]
        self.stopped = threading.Event()
        self.work = testing.Background(self.run)

    def run(self):
        while not self.stopped.is_set():
            for socket in select.select(self.sockets, [], [], 0.1)[0]:
                if not socket.recv(1 << 20):
                    self.sockets.remove(socket)

    def stop(self):
        self.stopped.set()
        self.work.result()


class Crowded:
    """A server whose log is held back by many subscribers, until they leave."""

    def __init__(self, case):
        self.case = case
        self.server = case.start(*HISTORY)
        self.crowd = [case.stream(at=self.server) for _ in range(CROWD)]
        self.drains = [Drain(self.crowd)]
        self.posts = []  # publishes that wait for their answer
        self.taken = 0   # messages

    def flood(self, payload, count, topic=None):
        """A WebSocket that publishes and reads; returns the work, whose end is that all is sent."""
        peer = self.case.peer(topic, at=self.server)
        peer.socket.settimeout(self.case.settings.limit_s(None))
        self.drains.append(Drain([peer]))
        self.taken += count
        return testing.Background(send_count, peer, payload, count)

    def leave(self):
        self.drains.pop(0).stop()
        for stream in self.crowd:
            stream.reset()

    def post_until_refused(self):
        """Publishes on one connection after another; returns the 503."""
        for _ in range(200):
            wire = self.case.connection(at=self.server)
            wire.send(http.request_bytes('POST', f'/t/{self.case.topic}', [], b'x', port=wire.port))
            self.posts.append(wire)
            if select.select([wire.socket], [], [], 0.1)[0] and (refused := self.answer_post()):
                return refused
        return check.fail('nobody was refused')

    def answer_post(self):
        """Reads the newest publish's answer: None, it was taken; or the 503."""
        answer = self.posts.pop().answer('POST')
        if answer.status == 503:
            return answer
        http.published(answer, self.case.topic)
        self.taken += 1
        return None

    def sequence(self):
        answer = http.ask(self.server, 'HEAD', f'/t/{self.case.topic}')
        return http.cursor(answer.get('uproar-cursor'))[1]

    def check_all_published(self):
        """Nothing accepted was dropped, and nothing was published twice."""
        while self.posts:
            self.answer_post()
        check.eventually(lambda: self.sequence() >= self.taken, 'all of it is published', 20)
        check.equal(http.cursor(http.publish(self.server, self.case.topic, b'last'))[1],
                    self.taken + 1, 'messages in the log')
        for drain in self.drains:
            drain.stop()


def send_count(peer, payload, count):
    """Many at a time, made once: the tests have to be faster than the server."""
    together = max(1, 100_000 // len(payload))
    frames = websocket.frame_bytes(websocket.BINARY, payload) * together
    for _ in range(count // together):
        peer.send(frames)
    peer.send(frames[:len(frames) // together * (count % together)])


@testing.limit(60)
def test_a_full_log_refuses_posts_makes_websockets_wait_and_drops_nothing(case):
    crowded = Crowded(case)
    flood = crowded.flood(SMALL, FLOOD)
    refused = crowded.post_until_refused()
    http.error(refused, 503, 'log_full')
    check.equal(refused.get('retry-after'), '1', 'Retry-After')
    check.true(flood.outcome is None, 'the WebSocket was read to its end')
    crowded.leave()
    flood.result()
    crowded.check_all_published()


@testing.limit(60)
def test_while_the_log_is_full_everybody_else_is_served(case):
    crowded = Crowded(case)
    flood = crowded.flood(SMALL, FLOOD)
    crowded.post_until_refused()
    began = time.monotonic()
    for _ in range(20):
        check.equal(http.ask(crowded.server, 'GET', '/healthz').status, 200, 'status')
        check.true(http.ask(crowded.server, 'GET', f'/t/{case.topic}').status == 200, 'a poll')
    took = time.monotonic() - began
    check.true(took < 5, f'40 requests took {took:.1f} s')
    check.true(flood.outcome is None, 'the WebSocket was read to its end')
    crowded.leave()
    flood.result()
    crowded.check_all_published()


@testing.limit(60)
def test_what_waits_is_bounded_in_bytes_too(case):
    crowded = Crowded(case)
    server = crowded.server
    before, most = server.resident_bytes(), 0
    floods = [crowded.flood(SMALL, FLOOD // 10),
              crowded.flood(b'x' * LARGE, LARGE_COUNT, f'{case.topic}.large')]
    until = time.monotonic() + 3
    while time.monotonic() < until:
        most = max(most, server.resident_bytes() - before)
        time.sleep(0.02)
    check.true(floods[1].outcome is None, 'the large ones were read to their end')
    check.true(most > WAITING_MAX // 4, f'only {most >> 20} MiB waited')
    check.true(most < WAITING_MAX + case.memory_growth_max(), f'grew by {most >> 20} MiB')
    crowded.leave()
    for flood in floods:
        flood.result()
    crowded.check_all_published()


class Holder:
    """A POST that has sent half of its body, and so holds all the memory for bodies."""

    def __init__(self, case, server, size):
        self.body = b'h' * size
        self.wire = case.connection(at=server)
        whole = http.request_bytes('POST', f'/t/{case.topic}', [], self.body, port=self.wire.port)
        self.rest = whole[-size // 2:]
        self.wire.send(whole[:-size // 2])

    def finish(self):
        self.wire.send(self.rest)
        return http.published(self.wire.answer('POST'))


def begin_others(case, server, size):
    """A POST and a WebSocket message for which there is no memory now."""
    wire, peer = case.connection(at=server), case.peer(at=server)
    wire.send(http.request_bytes('POST', f'/t/{case.topic}', [], b'p' * size, port=wire.port))
    peer.send_binary(b'w' * size)
    return wire, peer


def hold(case):
    """(server, holder, a POST and a WebSocket that wait)"""
    server = case.start('--body-memory', LARGE, threads=1)
    holder = Holder(case, server, LARGE * 3 // 4)
    case.connection(at=server).ask('GET', '/healthz')  # one reactor: what came before was read
    return server, holder, *begin_others(case, server, LARGE // 2)


@testing.limit(40)
def test_bodies_for_which_there_is_no_memory_wait_for_it(case):
    server, holder, wire, peer = hold(case)
    time.sleep(0.5)
    check.true(wire.is_open() and not wire.buffer, 'the POST was answered')
    check.true(peer.is_open() and not peer.buffer, 'the WebSocket was told something')
    holder.finish()
    http.published(wire.answer('POST'))
    got = {peer.message()[1][:1] for _ in range(3)}
    check.equal(got, {b'h', b'p', b'w'}, 'messages')
    check.equal(server.metrics().sum('uproar_publish_rejected_total'), 0, 'rejected')


@testing.limit(40)
def test_bodies_for_which_there_is_no_memory_for_ten_seconds_are_refused(case):
    _, holder, wire, peer = hold(case)
    began = time.monotonic()
    check.equal(select.select([wire.socket, peer.socket], [], [], 8)[0], [], 'refused too early')
    for patient in (wire, peer):
        check.true(select.select([patient.socket], [], [], 20)[0], 'it waits on')
    check.true(time.monotonic() - began < 16, f'after {time.monotonic() - began:.1f} s')
    answer = wire.answer('POST')
    http.error(answer, 503)
    check.true(int(answer.get('retry-after')) >= 1, f'Retry-After: {answer}')
    check.equal(peer.closing(skip=(websocket.PING,))[0], 1013, 'close code')
    holder.finish()
