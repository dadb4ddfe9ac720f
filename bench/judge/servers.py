"""The processes that are judged: started pinned to a core, found ready, ended by process id.
Does not know what is measured, and ends nothing that it did not start."""
import os
import select
import subprocess
import tempfile
import time

READY_SECONDS_MAX = 10
STOP_SECONDS_MAX = 15


class Failed(Exception):
    """A run gave no figure. The text says which and why."""


def pinned(core, command):
    return ["taskset", "-c", str(core)] + [str(word) for word in command]


def first_line(process, seconds):
    """The server's first line on stdout, or what there is of it when it takes too long."""
    line, end = b"", time.monotonic() + seconds
    while not line.endswith(b"\n") and time.monotonic() < end:
        if select.select([process.stdout], [], [], max(0, end - time.monotonic()))[0]:
            byte = os.read(process.stdout.fileno(), 1)
            if not byte:
                break
            line += byte
    return line.decode(errors="replace").strip()


class Server:
    """A server process of ours: `with` gives its port and pid, and ends it."""

    def __init__(self, command, core, env=None):
        self.command, self.core, self.env = command, core, env
        self.log = tempfile.TemporaryFile()
        self.process, self.port, self.pid = None, None, None

    def __enter__(self):
        self.process = subprocess.Popen(pinned(self.core, self.command), stdout=subprocess.PIPE,
                                        stderr=self.log, bufsize=0, env=self.env)
        self.pid = self.process.pid
        try:
            self.find_ready()
        except BaseException:  # an interrupt as well: nothing may be left running
            self.__exit__()
            raise
        return self

    def find_ready(self):
        """Waits until it is, and finds its port. A server says so in its first line."""
        line = first_line(self.process, READY_SECONDS_MAX)
        try:
            self.port = int(line.rsplit(":", 1)[1].rstrip("/"))
        except (IndexError, ValueError):
            raise Failed(f"{self.command[0]}: no 'ready http://ADDR:PORT' but {line!r}"
                         + self.last_words()) from None

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def last_words(self):
        self.log.seek(0)
        text = self.log.read().decode(errors="replace").strip()
        return "\n" + text[-500:] if text else ""
