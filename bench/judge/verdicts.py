"""From the rounds of a case to its figures: the median of the pair ratios, and the quartiles.
Runs nothing and prints nothing."""
import statistics

from judge.cases import BYTES, KERNEL_GOAL, US

NO_PEERS = ("server", "floor", "hold")
FOREIGN_SHARE_MAX = 0.01  # of the connections: sockets of others that come or go in a run
SOCKET_BYTES_MIN = 3000  # its objects are more: less means slabs that others left half empty


def softirqd_of(result):
    """What ksoftirqd used on the server's core, per unit of work."""
    return sum(value for key, value in result.items() if key.startswith("softirqd_us_per_"))


def value_of(case, result):
    """CPU time counts with what ksoftirqd took over: a server that sends in large batches leaves
    more of its work to it, and must not look cheaper for that."""
    return result[case.value] + (softirqd_of(result) if case.unit == US else 0)


def quartiles(values):
    if len(values) < 2:
        return [values[0]] * 3
    return statistics.quantiles(values, n=4, method="inclusive")


def compare(values, floors):
    """One entrant beside another, each of its values with the other's of the same round."""
    low, ratio, high = quartiles([v / max(f, 1e-3) for v, f in zip(values, floors)])
    return {"value": statistics.median(values), "ratio": ratio, "quartiles": [low, high]}


def peers_of(case, rounds):
    """Those that took part in every round. The others failed, which was said."""
    for name in rounds[-1]:
        if name not in NO_PEERS:
            runs = [played[name] for played in rounds]
            beside = compare([value_of(case, run) for run in runs],
                             [value_of(case, played["floor"]) for played in rounds])
            yield name, dict(beside, runs=runs)


def pair_of(case, played):
    server, floor = (value_of(case, played[name]) for name in ("server", "floor"))
    return {"server": server, "floor": floor, "ratio": server / max(floor, 1e-3),
            "server_run": played["server"], "floor_run": played["floor"]}


def holds(judged, limit):
    """None: there is no limit, and nothing to hold."""
    return limit is None or judged <= limit


def figure(name, unit, pairs, limits):
    """limits: gate, goal, and whether they are meant for the server's own value."""
    gate, goal, absolute = limits
    beside = compare([pair["server"] for pair in pairs], [pair["floor"] for pair in pairs])
    judged = beside["value"] if absolute else beside["ratio"]
    return {"case": name, "unit": unit, "server": beside["value"],
            "floor": statistics.median(pair["floor"] for pair in pairs),
            "ratio": beside["ratio"], "quartiles": beside["quartiles"], "gate": gate,
            "goal": goal, "absolute": absolute, "passed": holds(judged, gate),
            "reached_goal": holds(judged, goal), "peers": {}, "pairs": pairs}


def server_ends(played):
    """Kernel memory of the server's ends alone, and of a bare socket. What connections cost on both
    ends is known, and so it is with a server that holds its sockets and nothing else; the client's
    ends are the same. So a server's end is a bare socket and the difference of the two."""
    def both_ends(run):
        return run["unreclaimable_bytes_per_conn"]

    bare = statistics.median(run["socket_bytes"] for run in played.values())
    held = both_ends(played["hold"])
    return bare, {name: bare + both_ends(run) - held for name, run in played.items()}


def is_disturbed(run):
    """An idle run in which kernel memory cannot be told apart from that of others' sockets."""
    return (abs(run["foreign_sockets"]) > FOREIGN_SHARE_MAX * run["conns"]
            or run["socket_bytes"] < SOCKET_BYTES_MIN)


def kernel_figure(case, rounds):
    ends = [server_ends(played) for played in rounds]
    bares = [bare for bare, _ in ends]
    pairs = [{"server": of["server"], "floor": bare, "ratio": of["server"] / max(bare, 1)}
             for bare, of in ends]
    result = figure(f"{case.name}, kernel / bare socket", BYTES, pairs,
                    (None, KERNEL_GOAL, False))
    result["beside"] = "a bare socket"
    result["disturbed"] = any(is_disturbed(run) for played in rounds for run in played.values())
    for name in rounds[-1]:
        if name not in ("server", "hold"):
            result["peers"][name] = compare([of[name] for _, of in ends], bares)
    return result


def of_case(case, rounds):
    pairs = [pair_of(case, played) for played in rounds]
    result = figure(case.name, case.unit, pairs, (case.gate, case.goal, case.absolute))
    result["beside"] = ("plain messages" if case.client_beside else
                        "one reactor" if case.threads_beside else "floor")
    result["peers"] = dict(peers_of(case, rounds))
    if case.kind != "idle":
        return [result]
    result["hold_runs"] = [played["hold"] for played in rounds]
    return [result, kernel_figure(case, rounds)]
