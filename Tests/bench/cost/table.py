"""OVERHEAD.md from the figures of all runs, kept in cost/figures.json."""

import datetime
import json
import os
import pathlib
import platform
import re

from loads import LOADS
from tools import TOOLS

HERE = pathlib.Path(__file__).parent

METHOD = """\
# What recording costs, beside other tools

Made by `sudo Tests/bench/overhead PATH PAIRS --table`; figures of one tool or load anew, in their places:
`sudo Tests/bench/overhead PATH 100 --tools flightrec --table`.

## Method

One load runs without a break; the tool is turned on and off under it. A pair is a slice with the tool and a slice without, one after
the other ({slice} s each, tcpdump's and those of latencies 1 s), which comes first alternates, and each pair gives one ratio: what a
machine does by itself in the course of minutes falls on both. The figure is the median of the ratios, with the 95 % interval of
a bootstrap over pairs (4,000 rounds). The first 20 ms after a switch don't count. Server and load share the machine with what is
measured, all CPUs are busy in the saturated loads: what a tool takes, the server lacks.

Loads, from the host through a Docker bridge to a container:

* Redis GET, saturated: `redis-benchmark`, {clients} connections; served by Redis's own count (`INFO commandstats`).
* nginx with keep-alive, and with a connection a request: `wrk -t1 -c{clients}`; served by nginx's own count (`stub_status`).
* A fixed rate: `cost/paced.c`, open loop, {clients} connections. Request number i is due at start + i / rate whatever became of those
  before it, and its latency counts from when it was due, so a stall counts for all it kept waiting (no coordinated omission).
  A request due while its connection still waits is pipelined behind. p50, p99 and p99.9 of every slice; the median of the ratios of
  pairs, and the median over slices for the absolute figures.

Tools:

{tools}

`nothing` is a tool that does nothing: its interval says how much is noise. No tool but flightrec and the bare consumer knows what a
turn is.{bare}
CPU: of the tool's own processes while it is on, of one CPU; the kernel's part (programs, copying into rings) shows in the
throughput alone.
"""


DESIGNS = """\
By the same pairing (`--designs`), all read by the bare C consumer. Against nothing: what they cost. Against all the probes, that take
turns with them: what is gained (+) or lost without, or with, that part.
"""


def percent(ratio):
    """Change in percent with its interval, from ratios on/off."""
    middle, low, high = ((value - 1) * 100 for value in ratio)
    return f"{middle:+.1f} % [{low:+.1f}, {high:+.1f}]"


def share(found):
    return "-" if found["cpu_share"] is None else f"{found['cpu_share'] * 100:.1f} %"


def note(found):
    """What the tool says of itself."""
    words = []
    if "programs" in found:
        words.append(f"BPF {sum(row[3] for row in found['programs']):.0f} ns a request")
    # At a low rate that is the cost of being there, shared by few.
    if "cpu_ns_per_event" in found and "ratio" in found:
        words.append(f"{found['cpu_ns_per_event']:.0f} ns of CPU an event")
    if "events_per_second" in found:
        words.append(f"{found['events_per_second']:,.0f} events/s")
    if "events_per_request" in found:
        words.append(f"{found['events_per_request']:.2f} events a request")
    if "reckoned_share" in found:
        words.append(f"reckons itself, for `--max-overhead`, at {found['reckoned_share'] * 100:.1f} % of all CPUs")
    if "resident_mib" in found:
        words.append(f"{found['resident_mib']} MiB resident for a window of {found['window_mib']} MiB")
        words.append(f"{found['lost']} lost")
    if "packets" in found:
        words.append(f"{found['packets']:,} packets, {found['dropped']:,} more not seen")
    return "; ".join(words)


def lines(load, tool, found):
    """For the terminal."""
    yield f"{found['title']}: {TOOLS[tool].title}, {found['pairs']} pairs of {found['slice']} s, CPU {share(found)}"
    if "ratio" in found:
        yield f"  off {found['off']:,.0f}/s, on {found['on']:,.0f}/s: {percent(found['ratio'])}"
    for name in ("p50", "p99", "p99.9"):
        if name in found:
            one = found[name]
            yield f"  {name:5} off {one['off'] / 1000:.1f} µs, on {one['on'] / 1000:.1f} µs: {percent(one['ratio'])}"
    for name, ns, runs, total in found.get("programs", []):
        yield f"  {name:<16} {ns:7.0f} ns a run  {runs:6.2f} runs a request  {total:7.1f} ns a request"
    if note(found):
        yield "  " + note(found)


def throughput(figures):
    rows = ["| load | tool | off, /s | on, /s | throughput | CPU | pairs |", "| --- | --- | ---: | ---: | --- | ---: | ---: |"]
    for load in LOADS:
        for tool in TOOLS:
            found = figures.get(load, {}).get(tool)
            if found and "ratio" in found:
                rows.append(f"| {found['title']} | {TOOLS[tool].title} | {found['off']:,.0f} | {found['on']:,.0f} | "
                            f"{percent(found['ratio'])} | {share(found)} | {found['pairs']} |")
    return rows


def latency(figures):
    rows = ["| load | tool | | off | on | change | CPU | pairs |", "| --- | --- | --- | ---: | ---: | --- | ---: | ---: |"]
    for load in LOADS:
        for tool in TOOLS:
            found = figures.get(load, {}).get(tool, {})
            for name in ("p50", "p99", "p99.9"):
                if name in found:
                    one = found[name]
                    rows.append(f"| {found['title']} | {TOOLS[tool].title} | {name} | {one['off'] / 1000:.1f} µs | "
                                f"{one['on'] / 1000:.1f} µs | {percent(one['ratio'])} | {share(found)} | {found['pairs']} |")
    return rows


def details(figures):
    rows = []
    for load in LOADS:
        for tool in TOOLS:
            found = figures.get(load, {}).get(tool)
            if found and note(found):
                rows.append(f"* {found['title']}, {TOOLS[tool].title}: {note(found)}.")
    rows += ["", "Of flightrec's programs by load, in ns a request (`kernel.bpf_stats_enabled`, whose own cost of some 20 ns a run is in it;",
             "5 s, on):", "", "| load | program | ns a run | runs a request | ns a request |", "| --- | --- | ---: | ---: | ---: |"]
    for load in LOADS:
        found = figures.get(load, {}).get("flightrec", {})
        for name, ns, runs, total in found.get("programs", []):
            if total >= 1:
                rows.append(f"| {found['title']} | `{name}` | {ns:.0f} | {runs:.2f} | {total:.0f} |")
    return rows


def design_lines(found):
    """For the terminal."""
    yield f"{found['title']}: {found['design']}, against {found['against']}, {found['pairs']} pairs of {found['slice']} s"
    if "ratio" in found:
        yield f"  throughput {percent(found['ratio'])}"
    for name in ("p50", "p99"):
        if name in found:
            yield f"  {name} {percent(found[name]['ratio'])}"


def design_rows(kept):
    rows = ["| load | design | against | throughput | p50 | pairs |", "| --- | --- | --- | --- | --- | ---: |"]
    for load in LOADS:
        for found in kept.get("designs", {}).get(load, {}).values():
            rows.append(f"| {found['title']} | {found['design']} | {found['against']} | {percent(found['ratio']) if 'ratio' in found else '-'} | "
                        f"{percent(found['p50']['ratio']) if 'p50' in found else '-'} | {found['pairs']} |")
    return rows


def machine():
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*: (.*)|CPU part\s*: (.*)", f.read())
    return (f"{(model.group(1) or model.group(2)).strip() if model else platform.machine()}, {os.cpu_count()} CPUs, "
            f"kernel {platform.release().split('-')[0]}")


def document(kept):
    figures = kept["figures"]
    tools = "\n".join(f"* {tool.title}: {tool.how}." for tool in TOOLS.values())
    bare = f" Tracepoints that are no events can be had with BPF alone: `{'`, `'.join(kept['bare'])}`." if kept["bare"] else ""
    text = METHOD.format(slice=0.3, clients=50, tools=tools, bare=bare)
    found = [one for load in figures.values() for one in load.values()]
    places = sorted({f"{one['machine']}" for one in found})
    dates = sorted({one["date"] for one in found})
    span = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    parts = [text, "## Throughput, saturated", "", f"{'; '.join(places)}; {span}.", "", *throughput(figures), "",
             "## Latency at a fixed rate", "", *latency(figures), "", "## What the tools say of themselves", "",
             *details(figures), ""]
    if kept.get("designs"):
        parts += ["## What the parts cost, and other designs", "", DESIGNS, *design_rows(kept), ""]
    absent = [tool.title for name, tool in TOOLS.items() if not any(name in load for load in figures.values())]
    if absent:
        parts += [f"Not measured here yet: {', '.join(absent)}.", ""]
    notes = HERE / "notes.md"
    if notes.exists():
        parts.append(notes.read_text())
    return "\n".join(parts)


def merge_design(directory, load, title, found):
    path = directory / "cost" / "figures.json"
    kept = json.loads(path.read_text())
    kept.setdefault("designs", {}).setdefault(load, {})[title] = found | {"machine": machine(), "date": str(datetime.date.today())}
    path.write_text(json.dumps(kept, indent=1) + "\n")
    (directory / "OVERHEAD.md").write_text(document(kept))


def merge(directory, load, tool, found, bare):
    """Puts one measurement in the place of the one before, and writes the document anew."""
    path = directory / "cost" / "figures.json"
    kept = json.loads(path.read_text()) if path.exists() else {"figures": {}}
    kept["bare"] = bare
    kept["figures"].setdefault(load, {})[tool] = found | {"machine": machine(), "date": str(datetime.date.today())}
    path.write_text(json.dumps(kept, indent=1) + "\n")
    (directory / "OVERHEAD.md").write_text(document(kept))
