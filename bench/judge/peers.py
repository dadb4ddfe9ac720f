"""Other servers beside the floor, in the same alternation: which are here, what they can run.
A peer that is missing is skipped in words. Installs nothing."""
import os
import shutil
import sys

from judge.nchan import NCHAN_MODULE, Nchan, nginx_program
from judge.servers import Server

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class NchanPeer:
    """nginx with nchan, messages in its own memory."""

    name = "nchan"
    kinds = ("fanout", "coalesce", "idle", "connect", "publish")
    protos = ("ws", "sse")

    def missing(self):
        if nginx_program() and os.path.exists(NCHAN_MODULE):
            return None
        return "nginx and nchan are not here: apt-get install nginx-light libnginx-mod-nchan"

    def start(self, options, _case):
        return Nchan(options.server_core, options.window)

    def client_args(self, case):
        # Nobody listens there, and nchan says so: 202.
        return ["--accepted", 202] if case.kind == "publish" else []


class WsPeer:
    """npm's ws on node, one process."""

    name = "ws"
    kinds = ("fanout", "coalesce", "idle", "echo", "connect", "publish")
    protos = ("ws",)

    def __init__(self):
        self.modules = next((folder for folder in module_folders()
                             if os.path.exists(os.path.join(folder, "ws", "package.json"))), None)

    def missing(self):
        if not shutil.which("node"):
            return "node is not here: apt-get install nodejs npm"
        if not self.modules:
            return "npm's ws is not here: npm install --prefix build/node ws"
        return None

    def start(self, options, case):
        command = ["node", os.path.join(BENCH, "peers", "ws.js")]
        return Server(command + (["-e"] if case.kind == "echo" else []), options.server_core,
                      dict(os.environ, NODE_PATH=self.modules))

    def client_args(self, _case):
        return []


def module_folders():
    """Where ws may be: as NODE_PATH says, or where the tests have npm put it."""
    given = [folder for folder in os.environ.get("NODE_PATH", "").split(":") if folder]
    return given + [os.path.join(BENCH, "..", "build", "node", "node_modules")]


def peers_here():
    """Those that can be started; says on stderr which cannot, and what would help."""
    here = []
    for peer in (NchanPeer(), WsPeer()):
        reason = peer.missing()
        if reason:
            print(f"skipped: {peer.name}: {reason}", file=sys.stderr)
        else:
            here.append(peer)
    return here


def runs(peer, case):
    return case.kind in peer.kinds and case.proto in peer.protos
