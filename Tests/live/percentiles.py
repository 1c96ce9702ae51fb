"""Compares wrk's latency distribution with flightrec's turns. Arguments: wrk's output, `show --events --json`."""

import json
import re
import sys

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
# Not in a turn: a request's way to the server and back and wrk's own queueing (served); wrk's parsing (called).
SLACK_MS = {"called": 0.3, "served": 1.0}
CONNECTIONS = 8


def corrected(turns, seconds):
    """wrk adds the samples it takes to be hidden by coordinated omission: one an expected interval (its stats_correct)."""
    expected = seconds * 1e3 / (len(turns) / CONNECTIONS)
    added = []
    for turn in turns:
        left = turn - expected
        while turn >= 2 * expected and left > expected:
            added.append(left)
            left -= expected
    return sorted(turns + added)


def at(turns, percent):
    return turns[max(0, min(len(turns) - 1, int(len(turns) * percent / 100)))] if turns else 0


text = open(sys.argv[1]).read()
wrk = {int(p): float(v) * UNITS[u] for p, v, u in re.findall(r"^\s+(\d+)%\s+([\d.]+)(us|ms|s)$", text, re.M)}
seconds = float(re.search(r"requests in ([\d.]+)s", text).group(1))
requests = int(re.search(r"(\d+) requests in", text).group(1))
shown = json.load(open(sys.argv[2]))
failed = len(wrk) != 4
for role, slack in SLACK_MS.items():
    turns = sorted(e["total_ns"] / 1e6 for e in shown["events"] if e["kind"] == "turn" and e["role"] == role)
    names = {e["container"] for e in shown["events"] if e["kind"] == "turn" and e["role"] == role}
    # wrk drops the requests under way when its time is up.
    if not requests <= len(turns) <= requests + 16 or (role == "served" and names != {"web"}):
        print(f"{role}: {len(turns)} turns of {names} for {requests} requests")
        failed = True
    count, turns = len(turns), corrected(turns, seconds)
    line = []
    for percent, theirs in sorted(wrk.items()):
        low, ours, high = (at(turns, percent + off) for off in (-1, 0, 1))
        line.append(f"p{percent} {theirs:.2f}/{ours:.2f}")
        # Within a percentile of each other: where half the requests are 1000 times slower, a median may lie between.
        if not low - 0.1 - 0.01 * theirs <= theirs <= high + slack + 0.01 * theirs:
            failed = True
            line[-1] += " DIFFERS"
    print(f"measured: {role}, wrk/flightrec in ms over {count} turns: {', '.join(line)}")
sys.exit(failed)
