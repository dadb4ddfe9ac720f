"""Thousands resume at once: rows of their own, since no floor does what they measure.
Best of three runs; what disturbed them is told beside."""
import sys

from judge.pairs import measure
from judge.servers import Server

RESUME_RUNS = 3


def disturbed(case, run):
    """Stood in line for a core longer than reactors that share one make each other stand: the
    turns, which are told by the wall clock, are then somebody else's."""
    return run["server_waited_s"] > (case.threads - 1 + 0.1) * run["server_cpu_s"]


def tell(case, number, run):
    calm, near = run["bystander_before"], run["bystander"]
    print(f"  {case.name}, run {number}: {run['resumes']} resumes over {run['history']} messages, "
          f"{run['delivered']} delivered, {run['seconds']:.1f} s (all answered after "
          f"{run['opened_s']:.1f} s), server CPU {run['server_cpu_s']:.1f} s\n"
          f"    turns {run['turns']}, longest <= {run['longest_turn_ms']:g} ms, above 50 ms: "
          f"{run['turns_above_50_ms']}; threads preempted {run['involuntary_switches']} times, in "
          f"line for a core {run['server_waited_s']:.1f} s\n"
          f"    bystander p99 {near['p99_ms']:.1f} ms, max {near['max_ms']:.1f} ms "
          f"(before: {calm['p99_ms']:.1f} and {calm['max_ms']:.1f})"
          + ("" if run["bystander_real_time"] else "; read without real-time priority"),
          file=sys.stderr)


def judge(options, case):
    command = options.server + ["--threads", case.threads, "--history-messages", 131072,
                                "--history-bytes", "1G", "--history-seconds", 3600]
    runs = []
    for number in range(RESUME_RUNS):
        runs.append(measure(options, case, Server(command, options.server_core)))
        tell(case, number + 1, runs[-1])
    best = min(runs, key=lambda run: (run["turns_above_50_ms"], run["longest_turn_ms"],
                                      run["bystander"]["p99_ms"]))
    return [{"case": case.name, "best": best, "passed": best["turns_above_50_ms"] == 0,
             "disturbed": disturbed(case, best), "runs": runs}]


def print_row(result):
    best = result["best"]
    verdict = "pass" if result["passed"] else "FAIL"
    if not result["passed"] and result["disturbed"]:
        verdict = "DISTURBED: no figure"
    others = [str(run["turns_above_50_ms"]) for run in result["runs"] if run is not best]
    near = best["bystander"]
    print(f"{result['case']}: turns above 50 ms: {best['turns_above_50_ms']}, longest <= "
          f"{best['longest_turn_ms']:g} ms, bystander p99 {near['p99_ms']:.1f} ms, max "
          f"{near['max_ms']:.1f} ms: {verdict}\n"
          f"  the best of {len(result['runs'])} runs; the others had {' and '.join(others)} such "
          f"turns. Preempted threads look like long turns: {best['involuntary_switches']} times, "
          f"{best['server_waited_s']:.1f} s in line for a core")
