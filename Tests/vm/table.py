"""Writes MATRIX.md from the results of a run: table.py RESULTS ARM64 FLIGHTREC-VERSION >MATRIX.md

RESULTS: lines KERNEL, RUNG, KIND, NAME, VALUE..., with tabs between them, as the guests print them after "guest: result".
ARM64: what Tests/vm/arm64/run said.
"""

import collections
import datetime
import os
import re
import sys

COUNTED = re.compile(r"(?P<what>.+): (?P<who>\S+) (?P<kernel>[\d.]+)(?: ±(?P<doubt>[\d.]+))?, flightrec (?P<ours>[\d.]+)(?: to (?P<most>[\d.]+))?")
RUNGS = ["tp_btf", "fentry", "kprobe"]
SHORT = {"kretprobe": "kprobe", "fexit": "fexit"}


def version(release: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", release)[:3])


def read(path: str) -> list[list[str]]:
    with open(path) as lines:
        return [line.rstrip("\n").split("\t") for line in lines]


def columns(rows: list[list[str]]) -> list[tuple[str, str]]:
    """Kernel and rung, newest kernel first."""
    return sorted({(row[0], row[1]) for row in rows}, key=lambda column: ([-part for part in version(column[0])], column[0], RUNGS.index(column[1])))


def table(heads: list[str], body: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *body]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def head(column: tuple[str, str]) -> str:
    realtime = "-rt" if "-rt-" in column[0] else ""
    return f"{'.'.join(str(part) for part in version(column[0])[:2])}{realtime} {column[1]}"


def by_name(rows: list[list[str]], kind: str, cell) -> str:
    """A row for each name, a column for each kernel and rung that has any of this kind."""
    mine = [row for row in rows if row[2] == kind]
    if not mine:
        return "Not run.\n"
    heads = columns(mine)
    cells: dict[str, dict[tuple[str, str], str]] = collections.defaultdict(dict)
    for row in mine:
        name, text = cell(row[3:])
        cells[name][row[0], row[1]] = text
    return table(["", *map(head, heads)], [[name, *(found.get(column, "") for column in heads)] for name, found in cells.items()])


def hook(values: list[str]) -> tuple[str, str]:
    """The type of the first program of the rung it took."""
    name, rung = values
    kinds = list(dict.fromkeys(SHORT.get(kind, kind) for kind in re.findall(r"(\w+)/", rung)))
    return name, kinds[0] if kinds else "missing"


def counted(values: list[str]) -> tuple[str, str]:
    """The kernel's count, ours, and how far apart they are."""
    found = COUNTED.fullmatch(values[0])
    if not found:
        raise ValueError(f"no counts in: {values[0]}")
    kernel, least = float(found["kernel"]), float(found["ours"])
    most = float(found["most"] or least)
    # Of a range, the part of it that is farthest from the kernel's count.
    apart = max(abs(least - kernel), abs(most - kernel))
    doubt = f" ±{float(found['doubt']) / kernel:.1%}" if found["doubt"] and kernel else ""
    ours = found["ours"] if most == least else f"{least:g} to {most:g}"
    return f"{found['what']} ({found['who']})", f"{found['kernel']}{doubt}, {ours}: {apart / max(kernel, 1):.1%}"


def demo(values: list[str]) -> tuple[str, str]:
    cause, said, client, recorded = values
    return f"`{cause}`", f"{said}, client {client} ms, recorded {float(recorded):.0f} ms"


def fault(values: list[str]) -> tuple[str, str]:
    name, _, said, confidence, waited, measured, mark = values
    return name, f"{'' if mark == 'right' else '**wrong** '}{said} ({confidence}), {waited}/{measured} ms"


def main() -> None:
    rows = read(sys.argv[1])
    kernels = sorted({row[0] for row in rows}, key=version, reverse=True)
    own = f"Of this machine itself: {os.uname().release}. " if os.uname().release in kernels else ""
    with open(sys.argv[2]) as file:
        arm64 = file.read().strip()
    print(f"""# Every kernel, every rung: what the last run said

Written by `sudo Tests/vm/run .build/release/flightrec --table` on {datetime.date.today()}, flightrec {sys.argv[3]}. Kernels: {", ".join(kernels)}.
{own}Debian's (-amd64) and Ubuntu's (-generic) run in QEMU without hardware support, where everything is ten to thirty times slower; the faults and minutes of softirqs are of guests whose time counts instructions. A rung is forced by `FLIGHTREC_RUNG`: a hook that has none of that type keeps its best.

## The rung each hook took

{by_name(rows, "hook", hook)}
arm64, each program given to the kernel's verifier:

```
{arm64}
```

## `flightrec demo`: the verdict on its own spike

{by_name(rows, "demo", demo)}
## Counts: the kernel's or the server's, flightrec's, and how far apart

±: what the resolution of the kernel's own counter leaves open, three standard deviations: `/proc/stat` is told by timer ticks of 4 ms,
each of which came upon a softirq or not. Where flightrec has a range, of times the lower bound is without softirqs that a tick itself
raises, which it can't come upon; of counts it is what ran while both were read. Minutes of softirqs are of guests with one CPU, whose time is
counted in instructions: neither what this machine's own host took of it meanwhile nor another CPU's turn is in it.

{by_name(rows, "counted", counted)}
## Faults: verdict (confidence), what the client waited/what was recorded

{by_name(rows, "fault", fault)}
## Where it can't run: exit code and message
""")
    said = dict.fromkeys((row[0], row[3]) for row in rows if row[2] == "refused")
    for release, text in said:
        print(f"* {release}: {text}")


if __name__ == "__main__":
    main()
