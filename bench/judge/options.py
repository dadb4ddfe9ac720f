"""The command line of bench/run, and what must be there before anything is started.
Starts nothing."""
import argparse
import os
import resource
import shlex
import sys

from judge.cases import cases_of, kinds_of
from judge.peers import peers_here

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DESCRIPTION = "Judges a server by its floor: server and floor alternate, the median ratio counts."
FILES_SPARE = 200  # open files besides the connections


def find_program(build, name):
    """Where meson puts it depends on which meson.build names it."""
    for folder in ("", "bench", "src/daemon", "src"):
        path = os.path.join(build, folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    sys.exit(f"bench/run: no program '{name}' in {build}: build it first (see bench/README.md)")


def parse():
    parser = argparse.ArgumentParser(prog="bench/run", description=DESCRIPTION)
    parser.add_argument("what", nargs="?", default="gated",
                        choices=["fanout", "coalesce", "idle", "echo", "connect", "publish",
                                 "reactors", "deflate", "resume", "gated", "all"],
                        help="gated (the default): fanout, coalesce and idle")
    parser.add_argument("--pairs", type=int, default=9, help="at least 9 for a figure to count")
    parser.add_argument("--json", metavar="FILE", help="everything that was measured")
    parser.add_argument("--proto", choices=["ws", "sse", "both"], default="ws")
    parser.add_argument("--conns", type=int, action="append", help="only cases of that size")
    parser.add_argument("--window", type=int, default=64, help="coalesce: messages in flight")
    parser.add_argument("--publishers", type=int, default=1,
                        help="coalesce: must divide the window")
    parser.add_argument("--peers", action="store_true",
                        help="nchan and npm's ws as well, where they are installed")
    parser.add_argument("--io", choices=["auto", "uring", "epoll"], help="passed to uproar")
    parser.add_argument("--server-args", default="", help="more arguments for uproar")
    parser.add_argument("--server", metavar="COMMAND", help="instead of uproar: whatever prints "
                        "'... http://ADDR:PORT' first, the floor itself for example")
    parser.add_argument("--echo-path", default="/echo",
                        help="a %% in it becomes the connection's number")
    parser.add_argument("--build", default=os.path.join(BENCH, "..", "build", "release"))
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--client-core", type=int, default=1)
    parser.add_argument("--reactor-cores", metavar="N,...",
                        help="reactors: where both run; default: the server's core")
    return parser.parse_args()


def server_command(options):
    if options.server:
        return shlex.split(options.server)
    return ([find_program(options.build, "uproar"), "--listen", "127.0.0.1:0", "--threads", "1"]
            + (["--io", options.io] if options.io else []) + shlex.split(options.server_args))


def cores_named(text):
    try:
        return {int(core) for core in text.split(",")}
    except ValueError:
        sys.exit(f"bench/run: --reactor-cores takes numbers, not '{text}'")


def refuse_what_cannot_work(options):
    cores = os.sched_getaffinity(0)
    wanted = {options.server_core, options.client_core} | cores_named(options.reactor_cores)
    if not wanted <= cores:
        sys.exit(f"bench/run: wants the cores {sorted(wanted)} to pin to, has {sorted(cores)}")
    if options.publishers < 1 or options.window % options.publishers != 0:
        sys.exit("bench/run: --publishers must divide --window")
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for case in cases_of(options):
        if files != resource.RLIM_INFINITY and case.conns + FILES_SPARE > files:
            sys.exit(f"bench/run: '{case.name}' needs more than {files} open files (ulimit -Hn)")


def complete(options):
    """Fills in the programs' paths and refuses what cannot work before anything is started."""
    options.client = find_program(options.build, "client")
    options.floor = find_program(options.build, "floor")
    options.is_foreign = bool(options.server)
    options.reactor_cores = options.reactor_cores or str(options.server_core)
    resumes = "resume" in kinds_of(options)
    options.resume = find_program(options.build, "resume") if resumes else None
    options.server = server_command(options)
    refuse_what_cannot_work(options)
    options.peers = peers_here() if options.peers else []
    return options
