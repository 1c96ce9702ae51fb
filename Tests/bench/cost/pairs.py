"""Paired slices and what follows from them."""

import random
import statistics
import time

#: Seconds after a switch before a slice begins: what attaching itself disturbed is over.
SETTLE = 0.02
#: Seconds of a slice where latencies are compared: 10,000 of them.
LATENCY_SLICE = 1.0
PERCENTILES = (50, 99, 99.9)


def interval(values, rounds=4000):
    """Median with its 95 % bootstrap interval (percentiles of the medians of resampled pairs)."""
    draw = random.Random(1)
    found = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(rounds))
    return [statistics.median(values), found[int(rounds * 0.025)], found[int(rounds * 0.975)]]


def percentile(ordered, percent):
    """Nearest rank."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def compare(tool, load, pairs):
    """Turns the tool on and off in pairs under the running load. Leaves it on."""
    seconds = LATENCY_SLICE if load.paced else tool.slice
    rates = {True: [], False: []}
    spans = {True: [], False: []}
    cpu = time_on = 0
    state = False
    for pair in range(pairs):
        # Which half comes first alternates: a drift of the machine then falls on both.
        for wanted in ((False, True) if pair % 2 == 0 else (True, False)):
            if wanted != state:
                tool.on() if wanted else tool.off()
                state = wanted
            time.sleep(SETTLE)
            before = tool.cpu() if wanted else None
            begin = time.monotonic()
            if load.paced:
                time.sleep(seconds)
            else:
                rates[wanted].append(load.rate_of(seconds)[0])
            end = time.monotonic()
            spans[wanted].append((begin, end))
            if before is not None:
                cpu += tool.cpu() - before
                time_on += end - begin
    if not state:
        tool.on()
    found = {"pairs": pairs, "slice": seconds, "cpu_share": cpu / time_on / 1e9 if time_on else None}
    if not load.paced:
        found["off"] = statistics.median(rates[False])
        found["on"] = statistics.median(rates[True])
        found["ratio"] = interval([on / off for on, off in zip(rates[True], rates[False])])
    return found, spans


def tails(load, spans):
    """p50, p99 and p99.9 of the slices, once the load was stopped."""
    ordered = sorted([(span, state) for state in (True, False) for span in spans[state]])
    latencies = load.latencies([span for span, _ in ordered])
    by_state = {True: [], False: []}
    for (_, state), found in zip(ordered, latencies):
        by_state[state].append(found)
    result = {"requests": [sum(map(len, by_state[state])) for state in (False, True)]}
    for percent in PERCENTILES:
        off = [percentile(found, percent) for found in by_state[False]]
        on = [percentile(found, percent) for found in by_state[True]]
        result[f"p{percent}"] = {
            "off": statistics.median(off), "on": statistics.median(on),
            "ratio": interval([a / b for a, b in zip(on, off)]),
        }
    return result
