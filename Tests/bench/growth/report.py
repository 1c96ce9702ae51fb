"""SCALE.md from the figures, kept in growth/figures.json."""

import datetime
import json
import os
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).parent.parent / "cost"))
from table import machine  # noqa: E402

METHOD = """\
# How it grows

Made by `sudo Tests/bench/scale PATH --table`. {machine}; {date}.

Each point is a recorder of its own (`record --host --port 7000 --memory 32M`, threshold 10 s, window 60 s) in a network namespace with loopback only.
Containers are cgroups named as Docker names them with an echo server in each; clients are one process outside of them, and because
of `--host` both ends of every connection are recorded. While containers or sockets are varied, 5,000 requests a second go over
all connections in turn: 8 connections a container in the first curve, 100 containers in the second. Each connection of the third is for one
request. After 3 s, {seconds} s are measured.

CPU: of one CPU, the recorder's own threads. Resident: VmRSS and its peak VmHWM, with the window's part. Kernel: what the kernel holds for the
recorder's memory cgroup (`memory.kmem.usage_in_bytes`: maps, the state of sockets and threads, programs), and 3 s after all sockets were closed.
Walk: one pass of the iterator that looks for hung turns, which visits every socket with state. The recorder makes ten a second, or so many
that they take a thirty-second of one CPU.
"""


def mib(count):
    return "-" if count is None else f"{count / (1 << 20):.1f}"


def cells(value, found):
    return [f"{value:,}", f"{found['cpu'] * 100:.1f} %", mib(found["resident"]), mib(found["most"]), mib(found["window"]),
            mib(found["kernel"]), mib(found["kernel_after"]), "-" if found["walk"] is None else f"{found['walk']:.2f} ms",
            f"{found['events']:,.0f}", f"{found['lost']:,}", f"{found['rate']:,.0f}" if "rate" in found else "-", f"{found['broken']:,}"]


HEADS = ["CPU", "resident, MiB", "peak", "window", "kernel, MiB", "after", "walk", "events/s", "lost", "requests/s", "failed"]


def line(title, value, found):
    pairs = ", ".join(f"{head} {cell}" for head, cell in zip(HEADS, cells(value, found)[1:]))
    return f"{value:,} {title}: {pairs}; fds {found['descriptors']}, knew {found['known']:,}; {found['books']}"


def curve(title, rows):
    yield f"| {title} | " + " | ".join(HEADS) + " |"
    yield "| ---: |" + " ---: |" * len(HEADS)
    for value, found in rows:
        yield "| " + " | ".join(cells(value, found)) + " |"


def sizes(maps, cpus):
    """Rows of (name, kind, bytes here, bytes with so many CPUs) of maps."""
    here = os.cpu_count()
    rows = []
    for one in maps:
        kind = one["type"]
        fixed = one["bytes_memlock"]
        # A per-CPU map has a value, a multiple of 8 bytes, for every CPU that may ever come.
        value = (one["bytes_value"] + 7) // 8 * 8 * one["max_entries"] if kind.startswith("percpu") else 0
        rows.append((one["name"], kind, fixed, fixed + value * (cpus - here)))
    return rows


def processors(maps, cpus=64):
    rows = sorted(sizes(maps, cpus), key=lambda row: -row[3])
    yield f"| map | kind | here, KiB | {cpus} CPUs, KiB |"
    yield "| --- | --- | ---: | ---: |"
    for name, kind, here, there in rows:
        yield f"| `{name}` | {kind} | {here / 1024:,.1f} | {there / 1024:,.1f} |"
    yield f"| all | | {sum(row[2] for row in rows) / 1024:,.0f} | {sum(row[3] for row in rows) / 1024:,.0f} |"


ARITHMETIC = """\
## 64 CPUs, by arithmetic

This machine is small; what depends on the number of CPUs is known. Per-CPU maps have a value for each CPU; everything else, the ring
above all, is one for all. Sizes as the kernel tells them (`bpftool map show`), with what 62 more CPUs add; elements of sockets' and
threads' state come on top, as in the curves above.
"""


def document(directory, kept):
    parts = [METHOD.format(machine=kept["machine"], date=kept["date"], seconds=", ".join(
        f"{one['seconds']:.0f} ({one['title']})" for one in kept["curves"].values()))]
    for one in kept["curves"].values():
        parts += [f"## With {one['title']}", "", *curve(one["title"], one["rows"]), ""]
    notes = directory / "growth" / "notes.md"
    parts += [ARITHMETIC, *processors(kept["maps"]), "", notes.read_text() if notes.exists() else ""]
    return "\n".join(parts)


def merge(directory, name, title, rows, seconds):
    """Puts one curve in the place of the one before, and writes the document anew."""
    path = directory / "growth" / "figures.json"
    kept = json.loads(path.read_text()) if path.exists() else {"curves": {}}
    maps = rows[-1][1]["all_maps"]
    kept["maps"] = maps
    kept["curves"][name] = {"title": title, "seconds": seconds, "rows": [
        [value, {key: field for key, field in found.items() if key != "all_maps"}] for value, found in rows]}
    kept["machine"], kept["date"] = machine(), str(datetime.date.today())
    path.write_text(json.dumps(kept, indent=1) + "\n")
    (directory / "SCALE.md").write_text(document(directory, kept))
