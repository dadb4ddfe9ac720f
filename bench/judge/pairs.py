"""Server, floor and peers in turn, each run fresh. What the pairs amount to is in verdicts.py.
Prints how it goes on stderr."""
import json
import subprocess
import sys

from judge import peers, verdicts
from judge.cases import US
from judge.servers import Failed, Server, pinned
from judge.verdicts import softirqd_of, value_of


def warn_of_sockets(name, result):
    """Their memory is in the same slabs as that of ours."""
    if result["mode"] == "idle" and verdicts.is_disturbed(result):
        print(f"  note: {name}: {result['foreign_sockets']} sockets of others came or went, one of "
              f"ours took {result['socket_bytes']:.0f} B: the kernel's memory is no figure",
              file=sys.stderr)


class Entrant:
    """Who takes part in a case's rounds. start() makes a fresh server for each."""

    def __init__(self, name, start, client_args=(), is_peer=False):
        self.name, self.start, self.client_args = name, start, list(client_args)
        self.is_peer = is_peer


def measure(options, case, server, client_args=(), beside=False):
    """Starts a fresh server, lets the client measure it, returns the client's result."""
    own = case.client_beside if beside and case.client_beside else case.client
    with server:
        client = pinned(options.client_core, [case.program or options.client] + own + [
            *client_args, "--port", server.port, "--pid", server.pid,
            "--server-core", options.server_core, "--timeout", case.seconds])
        try:
            done = subprocess.run(client, capture_output=True, text=True, check=False,
                                  timeout=case.seconds + 10)
        except subprocess.TimeoutExpired:
            raise Failed(f"{case.name}: the client did not end") from None
        if done.returncode != 0:
            raise Failed(f"{case.name}: {server.command[0]}: {done.stdout}{done.stderr}".strip()
                         + server.last_words())
        return json.loads(done.stdout)


def warn_of_softirqd(case, name, result):
    """Other processes' softirqs run there too: a large share makes a doubtful figure."""
    share = softirqd_of(result) / max(value_of(case, result), 1e-3)
    if case.unit == US and share > 0.05:
        print(f"  note: {name}: {100 * share:.0f} % of that ran in ksoftirqd", file=sys.stderr)


def warn_of_neighbours(name, result):
    """Other processes that start or end change a server's share of the common libraries."""
    apart = abs(result.get("user_bytes_per_conn", 0) - result.get("anon_bytes_per_conn", 0))
    if apart > 16:
        print(f"  note: {name}: {apart:.0f} B of that are shares of libraries, not connections",
              file=sys.stderr)


def commands_of(options, case):
    """The server's command and the one it is held against: the floor's, or its own."""
    def with_threads(threads):
        own = [] if options.is_foreign else case.args
        return options.server + own + (["--threads", threads] if threads else [])

    floor = [options.floor] + case.floor
    return (with_threads(case.threads),
            with_threads(case.threads_beside) if case.threads_beside else floor)


def entrants_of(options, case):
    cores = options.reactor_cores if case.kind == "reactors" else options.server_core

    def entrant(name, command):
        return Entrant(name, lambda: Server(command, cores))

    server, floor = commands_of(options, case)
    entrants = [entrant("server", server), entrant("floor", floor)]
    if case.kind == "idle":
        entrants.append(entrant("hold", [options.floor, "-h"]))
    for peer in options.peers:
        if peers.runs(peer, case):
            entrants.append(Entrant(peer.name, lambda p=peer: p.start(options, case),
                                    case.peer_client + peer.client_args(case), is_peer=True))
    return entrants


def as_long_as(case, runs):
    """Beside compressed messages go others that are as long as those were on the wire."""
    return ["--bytes", runs["server"]["wire_bytes"]] if case.client_beside and runs else []


def play_round(options, case, entrants, failed):
    """One run of each, by name. A peer that fails has no figure in this case: what went wrong is
    said and goes to failed, and it takes no further part. Without server or floor there is no
    round."""
    runs = {}
    for entrant in list(entrants):
        try:
            runs[entrant.name] = measure(options, case, entrant.start(),
                                         entrant.client_args + as_long_as(case, runs),
                                         beside=entrant.name == "floor")
        except Failed as reason:
            if not entrant.is_peer:
                raise
            print(f"bench/run: no figure for {entrant.name}: {reason}", file=sys.stderr)
            failed[entrant.name] = str(reason)
            entrants.remove(entrant)
    return runs


def tell(case, number, runs):
    values = {name: value_of(case, result) for name, result in runs.items()}
    ratio = values["server"] / max(values["floor"], 1e-3)
    others = "".join(f"; {name} {value:.3f}" for name, value in values.items()
                     if name not in verdicts.NO_PEERS)
    print(f"  {case.name}  pair {number}: {values['server']:.3f} / {values['floor']:.3f} "
          f"{case.unit} = {ratio:.3f}{others}", file=sys.stderr)
    for name, result in runs.items():
        warn_of_softirqd(case, name, result)
        warn_of_neighbours(name, result)
        warn_of_sockets(name, result)


def judge(options, case):
    """All figures of the case."""
    entrants, rounds, failed = entrants_of(options, case), [], {}
    for number in range(options.pairs):
        rounds.append(play_round(options, case, entrants, failed))
        tell(case, number + 1, rounds[-1])
    figures = verdicts.of_case(case, rounds)
    figures[0]["peers_failed"] = failed
    return figures
