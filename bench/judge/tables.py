"""What bench/run prints at the end, and the JSON file that holds every run of every pair.
Judges nothing: the verdicts come with the results."""
import json
import os
import platform
import time

from judge import resume

PAIRS_MIN = 9  # fewer are an indication


def print_head():
    print(f"{'':36} {'server':>9} {'floor':>9}      {'ratio':>6}  {'quartiles':13} {'gate':>7} "
          f"{'goal':>7}")


def limit_text(r, limit):
    if limit is None:
        return "-"
    return f"{limit:g} {r['unit']}" if r["absolute"] else f"{limit:.2f}"


def verdict_text(r):
    if r.get("disturbed"):
        return "DISTURBED: no figure"
    if r["gate"] is None and r["goal"] is None:
        return ""
    verdict = "FAIL" if not r["passed"] else "pass" if r["gate"] is not None else "goal reached"
    if r["passed"] and not r["reached_goal"]:
        missed = f"goal {r['goal']:g} not reached"
        verdict = missed if r["gate"] is None else f"pass ({missed})"
    return verdict


def print_row(r):
    low, high = r["quartiles"]
    print(f"{r['case']:36} {r['server']:9.3f} {r['floor']:9.3f} {r['unit']:3}  "
          f"{r['ratio']:6.3f}  {low:5.3f}-{high:5.3f}   {limit_text(r, r['gate']):>7} "
          f"{limit_text(r, r['goal']):>7}  {verdict_text(r)}".rstrip())


def print_peer(r, name, peer):
    low, high = peer["quartiles"]
    print(f"    {name:32} {peer['value']:9.3f} {r['floor']:9.3f} {r['unit']:3}  "
          f"{peer['ratio']:6.3f}  {low:5.3f}-{high:5.3f}")


def print_all(results):
    judged = [r for r in results if "pairs" in r]
    if judged:
        print_head()
    for r in judged:
        print_row(r)
        for name, peer in r["peers"].items():
            print_peer(r, name, peer)
        if r["beside"] != "floor":
            print(f"    (beside {r['beside']}, not the floor)")
    for r in judged:
        if len(r["pairs"]) < PAIRS_MIN and not r["absolute"]:
            print(f"{r['case']}: {len(r['pairs'])} pairs only: an indication, no figure")
    for r in results:
        if "runs" in r:
            resume.print_row(r)


def write_json(options, results, failures):
    report = {"host": platform.platform(), "cpus": os.cpu_count(),
              "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
              "server": options.server, "results": results, "failures": failures}
    with open(options.json, "w", encoding="utf-8") as out:
        json.dump(report, out, indent=1)
        out.write("\n")
