"""nginx with nchan, from a configuration of its own in a temporary folder.
Touches nothing of an nginx that is installed or running."""
import contextlib
import os
import resource
import shutil
import signal
import socket
import tempfile
import time

from judge.servers import READY_SECONDS_MAX, Failed, Server

NCHAN_MODULE = "/usr/lib/nginx/modules/ngx_nchan_module.so"
# nginx keeps a few descriptors for itself.
FILES_SPARE = 100

# One worker, pinned as the server is. The buffer holds twice what is in flight, so that nobody is
# too late for a message. A subscriber gets what is published after it came, as with the others.
CONFIG = """
load_module {module};
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid nginx.pid;
error_log stderr error;
{user}
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 3600;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    scgi_temp_path scgi;
    uwsgi_temp_path uwsgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location ~ ^/t/(.+)$ {{
            nchan_pubsub http websocket eventsource;
            nchan_channel_id $1;
            nchan_message_buffer_length {buffer};
            nchan_subscriber_first_message newest;
        }}
    }}
}}
"""


def nginx_program():
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin")


def free_port():
    """nginx cannot be told to take any; nobody else here asks for ports meanwhile."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            return [int(child) for child in children.read().split()]
    except OSError:
        return []


def answers(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Nchan(Server):
    """Its master only waits; the worker does the work, so the worker's pid is the one to read."""

    def __init__(self, core, window):
        self.folder = tempfile.TemporaryDirectory(prefix="bench-nchan-")
        config = os.path.join(self.folder.name, "nginx.conf")
        super().__init__([nginx_program(), "-p", self.folder.name + "/", "-c", config], core)
        self.port = free_port()
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        files = 1 << 20 if files == resource.RLIM_INFINITY else files
        with open(config, "w", encoding="utf-8") as out:
            out.write(CONFIG.format(
                module=NCHAN_MODULE, files=files, connections=min(files, 1 << 16) - FILES_SPARE,
                user="user root;" if os.geteuid() == 0 else "", port=self.port,
                buffer=2 * window))

    def find_ready(self):
        """It says nothing when it is ready: ready is a worker, and a port that answers."""
        end = time.monotonic() + READY_SECONDS_MAX
        while self.process.poll() is None and time.monotonic() < end:
            workers = children_of(self.process.pid)
            if workers and answers(self.port):
                self.pid = workers[0]
                return
            time.sleep(0.02)
        raise Failed("nginx did not start" + self.last_words())

    def __exit__(self, *_):
        super().__exit__()
        # A master that had to be killed leaves its worker behind.
        if self.process.returncode == -signal.SIGKILL and self.pid != self.process.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.folder.cleanup()
