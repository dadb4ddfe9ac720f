"""A TCP proxy before a server: keeps what passed, and cuts connections where a test wants it.
Knows nothing of what it carries.
"""
import select
import socket
import struct
import threading

from lib import check

NO_TIME = struct.pack('ii', 1, 0)  # SO_LINGER: closing sends RST


class Proxy:
    def __init__(self, port):
        self.server_port = port
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.url = f'http://127.0.0.1:{self.port}'
        self.down = bytearray()  # all that the server sent
        self.up = bytearray()
        self.mark = None
        self.by_reset = False
        self.cuts = 0
        self.is_closed = False
        self.is_open = threading.Event()  # new connections wait for it
        self.is_open.set()
        threading.Thread(target=self.accept, daemon=True).start()

    def cut_behind(self, mark, by_reset=False):
        """The next time the server sends that, nothing behind it passes, and the connection ends;
        further ones wait for let_in()."""
        self.by_reset = by_reset
        self.mark = mark

    def wait_cut(self):
        check.eventually(lambda: self.cuts, f'the proxy cuts behind {self.mark}')

    def let_in(self):
        self.is_open.set()

    def close(self):
        """Connections see it soon."""
        self.is_closed = True
        self.is_open.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        self.is_open.wait()
        try:
            with peer, socket.create_connection(('127.0.0.1', self.server_port)) as server:
                Passage(self, peer, server).run()
        except OSError:
            pass  # the server is down, or one of them is gone: so are we


class Passage:
    """One connection through the proxy."""

    def __init__(self, proxy, peer, server):
        self.proxy = proxy
        self.peer = peer
        self.server = server
        self.recent = b''  # what the mark may have begun in

    def run(self):
        goes_on = True
        while goes_on and not self.proxy.is_closed:
            readable, _, _ = select.select([self.peer, self.server], [], [], 0.2)
            goes_on = all(self.step(each) for each in readable)

    def step(self, source):
        """False: it is over."""
        data = source.recv(65536)
        if source is self.peer:
            self.proxy.up += data
            self.server.sendall(data)
            return bool(data)
        return self.pass_down(data)

    def pass_down(self, data):
        mark = self.proxy.mark
        end = (self.recent + data).find(mark) + len(mark) if mark else -1
        if mark and end >= len(mark):
            self.cut(data[:max(0, end - len(self.recent))])
            return False
        self.recent = (self.recent + data)[-64:]
        self.proxy.down += data
        self.peer.sendall(data)
        return bool(data)

    def cut(self, last):
        self.proxy.is_open.clear()
        self.proxy.mark = None
        self.peer.sendall(last)
        if self.proxy.by_reset:
            self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_TIME)
        self.peer.close()
        self.proxy.cuts += 1
