"""A small server with planted faults, to see whether they are found: subscribers by WebSocket or
SSE on any path, POST publishes to all of them, WebSocket messages are echoed. Not a good server
otherwise.
"""
import contextlib
import socket
import threading
import time

from lib import websocket


def nothing_wrong(_subscriber, _seq, payload):
    return [payload]


def lose(subscriber, seq, payload):
    return [] if (subscriber, seq) == (1, 3) else [payload]


def lose_the_last(subscriber, seq, payload):
    return [] if (subscriber, seq) == (2, 9) else [payload]


def duplicate(subscriber, seq, payload):
    return [payload] * (2 if (subscriber, seq) == (0, 9) else 1)


def truncate(subscriber, seq, payload):
    return [payload[:-1] if (subscriber, seq) == (1, 5) else payload]


def change(subscriber, seq, payload):
    changed = payload[:40] + b'#' + payload[41:]
    return [changed if (subscriber, seq) == (2, 0) else payload]


def put_around(subscriber, seq, payload):
    return [b'xx' + payload + b'yy' if (subscriber, seq) == (1, 2) else payload]


def slow_but_for_the_first(subscriber, _seq, payload):
    time.sleep(0.2 if subscriber > 0 else 0)
    return [payload]


class Reorder:
    """Subscriber 1 gets message 4 before message 3."""

    def __init__(self):
        self.kept = None

    def __call__(self, subscriber, seq, payload):
        if (subscriber, seq) == (1, 3):
            self.kept = payload
            return []
        return [payload, self.kept] if (subscriber, seq) == (1, 4) else [payload]


class Server:
    """handle(subscriber's number, message's number, payload) -> what the subscriber gets."""

    def __init__(self, handle=nothing_wrong, statuses=(), accept=websocket.accept_for,
                 silent=False, leaves=None):
        self.handle = handle
        self.statuses = list(statuses)  # of the first POSTs; then 201
        self.accept = accept
        self.silent = silent  # reads requests and answers none
        self.leaves = leaves  # (subscriber, after so many echoes)
        self.lock = threading.Lock()
        self.subscribers = []
        self.published = 0
        self.posted_to = []
        self.open = []
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def url(self, scheme):
        return f'{scheme}://127.0.0.1:{self.port}/t/x'

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # else accept() goes on without a descriptor
        self.listener.close()
        with self.lock:
            for peer in self.open:
                peer.close()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                with self.lock:
                    self.open.append(peer)
                threading.Thread(target=self.serve_one, args=(peer,), daemon=True).start()

    def serve_one(self, peer):
        with contextlib.suppress(OSError, EOFError, ValueError):
            reader = peer.makefile('rb')
            while request := reader.readline():
                fields = dict(self.read_fields(reader))
                if self.silent:
                    continue
                if request.startswith(b'POST'):
                    self.posted_to.append(request.split()[1].decode())
                    self.publish(peer, reader.read(int(fields['content-length'])))
                elif 'sec-websocket-key' in fields:
                    number = self.upgrade(peer, fields['sec-websocket-key'])
                    self.echo(peer, reader, number)
                else:
                    self.stream(peer)

    @staticmethod
    def read_fields(reader):
        while (line := reader.readline().decode().strip()):
            name, _, value = line.partition(':')
            yield name.lower(), value.strip()

    def publish(self, peer, payload):
        """What is more than one message for a subscriber comes a little later."""
        late = []
        with self.lock:
            status = self.statuses.pop(0) if self.statuses else 201
            if status == 201:
                for number, send in enumerate(self.subscribers):
                    for at, each in enumerate(self.handle(number, self.published, payload)):
                        if at == 0:
                            send(each)
                        else:
                            late.append((send, each))
                self.published += 1
        peer.sendall(f'HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n'.encode())
        for send, each in late:
            time.sleep(0.05)
            send(each)

    def upgrade(self, peer, key):
        """Returns the subscriber's number."""
        def send(payload):
            peer.sendall(websocket.frame_bytes(1, payload, masked=False))
        with self.lock:
            peer.sendall(f'HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
                         f'Sec-WebSocket-Accept: {self.accept(key)}\r\n\r\n'.encode())
            self.subscribers.append(send)
            return len(self.subscribers) - 1

    def echo(self, peer, reader, number):
        """Messages of up to 125 bytes, as they come; a Close is not answered."""
        seq = 0
        while head := reader.read(2):
            mask = reader.read(4)
            payload = websocket.mask_bytes(reader.read(head[1] & 0x7f), mask)
            if head[0] & 0x0f == 8:
                return
            for at, each in enumerate(self.handle(number, seq, bytes(payload))):
                time.sleep(0.05 if at > 0 else 0)
                peer.sendall(websocket.frame_bytes(1, each, masked=False))
            seq += 1
            if (number, seq) == self.leaves:
                peer.shutdown(socket.SHUT_RDWR)

    def stream(self, peer):
        """In chunks, each cut in the middle, and a head that is cut too."""
        def send(payload):
            event = b'data: ' + payload + b'\n\n'
            in_two(peer, b'%x\r\n%s\r\n' % (len(event), event))
        with self.lock:
            in_two(peer, b'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n'
                         b'Transfer-Encoding: chunked\r\n\r\n5\r\n: hi\n\r\n')
            self.subscribers.append(send)


def in_two(peer, data):
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
    peer.sendall(data[:len(data) // 2])
    time.sleep(0.002)
    peer.sendall(data[len(data) // 2:])
