"""From the rounds of a case to its figures: the median of the pair ratios, and the quartiles.
Runs nothing and prints nothing."""
import statistics

from judge.cases import US


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
    """One entrant beside the floor, each of its values with the floor's of the same round."""
    low, ratio, high = quartiles([v / max(f, 1e-3) for v, f in zip(values, floors)])
    return {"value": statistics.median(values), "ratio": ratio, "quartiles": [low, high]}


def peers_of(case, rounds):
    """Those that took part in every round. The others failed, which was said."""
    for name in rounds[-1]:
        if name not in ("server", "floor"):
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


def of_case(case, rounds):
    pairs = [pair_of(case, played) for played in rounds]
    beside = compare([pair["server"] for pair in pairs], [pair["floor"] for pair in pairs])
    judged = beside["value"] if case.absolute else beside["ratio"]
    return [{"case": case.name, "unit": case.unit, "server": beside["value"],
             "floor": statistics.median(pair["floor"] for pair in pairs),
             "ratio": beside["ratio"], "quartiles": beside["quartiles"], "gate": case.gate,
             "goal": case.goal, "absolute": case.absolute, "passed": holds(judged, case.gate),
             "reached_goal": holds(judged, case.goal), "peers": dict(peers_of(case, rounds)),
             "pairs": pairs}]
