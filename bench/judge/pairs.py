"""Server and floor in turn, each run fresh, and the statistics of the pairs.
Prints how it goes on stderr; the verdict is for judge/tables.py to print."""
import json
import statistics
import subprocess
import sys

from judge.cases import US
from judge.servers import Failed, Server, pinned


def softirqd_of(result):
    """What ksoftirqd used on the server's core, per unit of work."""
    return sum(value for key, value in result.items() if key.startswith("softirqd_us_per_"))


def value_of(case, result):
    """CPU time counts with what ksoftirqd took over: a server that sends in large batches leaves
    more of its work to it, and must not look cheaper for that."""
    return result[case.value] + (softirqd_of(result) if case.unit == US else 0)


def measure(options, case, command):
    """Starts a fresh server, lets the client measure it, returns the client's result."""
    with Server(command, options.server_core) as server:
        client = pinned(options.client_core, [case.program or options.client] + case.client + [
            "--port", server.port, "--pid", server.pid,
            "--server-core", options.server_core, "--timeout", case.seconds])
        try:
            done = subprocess.run(client, capture_output=True, text=True, check=False,
                                  timeout=case.seconds + 10)
        except subprocess.TimeoutExpired:
            raise Failed(f"{case.name}: the client did not end") from None
        if done.returncode != 0:
            raise Failed(f"{case.name}: {command[0]}: {done.stdout}{done.stderr}".strip()
                         + server.last_words())
        return json.loads(done.stdout)


def quartiles(values):
    if len(values) < 2:
        return [values[0]] * 3
    return statistics.quantiles(values, n=4, method="inclusive")


def warn_of_softirqd(case, result):
    """Other processes' softirqs run there too: a large share makes a doubtful figure."""
    share = softirqd_of(result) / max(value_of(case, result), 1e-3)
    if case.unit == US and share > 0.05:
        print(f"  note: {100 * share:.0f} % of that ran in ksoftirqd", file=sys.stderr)


def warn_of_neighbours(result):
    """Other processes that start or end change a server's share of the common libraries."""
    apart = abs(result.get("user_bytes_per_conn", 0) - result.get("anon_bytes_per_conn", 0))
    if apart > 16:
        print(f"  note: {apart:.0f} B of that are shares of libraries, not connections",
              file=sys.stderr)


def judge(options, case):
    floor_command = [options.floor] + case.floor
    pairs = []
    for number in range(case.pairs or options.pairs):
        runs = [measure(options, case, command) for command in (options.server, floor_command)]
        server, floor = (value_of(case, result) for result in runs)
        pairs.append({"server": server, "floor": floor, "ratio": server / max(floor, 1e-3),
                      "server_run": runs[0], "floor_run": runs[1]})
        print(f"  {case.name}  pair {number + 1}: {server:.3f} / {floor:.3f} {case.unit} = "
              f"{pairs[-1]['ratio']:.3f}", file=sys.stderr)
        for result in runs:
            warn_of_softirqd(case, result)
            warn_of_neighbours(result)
    return verdict_of(case, pairs)


def verdict_of(case, pairs):
    low, ratio, high = quartiles([pair["ratio"] for pair in pairs])
    server = statistics.median(pair["server"] for pair in pairs)
    judged = server if case.absolute else ratio
    return {"case": case.name, "unit": case.unit, "server": server,
            "floor": statistics.median(pair["floor"] for pair in pairs), "ratio": ratio,
            "quartiles": [low, high], "gate": case.gate, "goal": case.goal,
            "absolute": case.absolute, "passed": judged <= case.gate,
            "reached_goal": judged <= case.goal, "pairs": pairs}
