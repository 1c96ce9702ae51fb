"""Leaves the recorder running: see Tests/bench/soak."""

import argparse
import dataclasses
import datetime
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent.parent / "lab"), str(HERE.parent / "cost")]
import lab  # noqa: E402
import network  # noqa: E402
import probes  # noqa: E402
from hidden import Hidden  # noqa: E402
from host import Host  # noqa: E402
from samples import Samples  # noqa: E402
from traffic import Background, remove_guests  # noqa: E402
from trial import Fault, judge  # noqa: E402

#: MiB of window, and what is slow.
BUDGET, THRESHOLD_MS = 32, 300
#: Spikes are so long that no threshold is near, ms.
SIZES = (600, 1000)
#: Other containers of this machine are none of our concern.
CONTAINERS = ("api", "client", "web", "visitors", "cache", "guest-*")
SPIKES = ("container paused in a request", "handler sleeps", "CPU quota", "request lost, RTO")


@dataclasses.dataclass
class Spike:
    fault: Fault
    begin: float
    end: float
    wrong: list[str]
    verdict: str
    #: This kernel ran no probe in something that mattered.
    hidden: bool


def instant(text: str) -> float:
    """RFC 3339 to seconds since 1970; the nanoseconds beyond microseconds don't matter here."""
    return datetime.datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00").timestamp()


class Soak:
    def __init__(self, options: argparse.Namespace, host: Host):
        self.options, self.host = options, host
        self.captures = pathlib.Path(options.scratch) / "captures"
        self.log = pathlib.Path(options.scratch) / "log"
        self.spikes: list[Spike] = []
        self.seen: set[str] = set()
        with open(self.log, "wb") as log:
            self.recorder = subprocess.Popen(
                [options.flightrec, "record", "--dir", str(self.captures), "--threshold", f"{THRESHOLD_MS}ms", "--before", "3s",
                 "--after", "3s", "--window", "20s", "--memory", f"{BUDGET}M", "--docker-socket", str(host.socket),
                 *[word for name in CONTAINERS for word in ("--container", name)]], stderr=log)
        probes.wait_for(lambda: "armed" in self.log.read_text(), 20, "the recorder")
        self.samples = Samples(self.recorder.pid, probes.Own(self.recorder.pid), max(2, options.minutes * 60 / 300))

    def read(self, *command: str):
        done = subprocess.run([self.options.flightrec, *command, "--dir", str(self.captures), "--json"], capture_output=True, text=True)
        if done.returncode not in (0, 3):
            raise RuntimeError(f"{command}: {done.stderr}")
        return json.loads(done.stdout or "[]")

    def settled(self, deadline: float) -> list[dict]:
        """Captures, once none is being collected."""
        while time.time() < deadline:
            status = probes.ask(str(self.captures), "status")["status"]
            rows = self.read("list", "-n", "1000")
            if not status["collecting"] and len(rows) + status["failedCaptures"] >= status["captures"]:
                return rows
            time.sleep(0.5)
        return self.read("list", "-n", "1000")

    def spike(self, index: int) -> Spike:
        """Injects one, and looks what came of it."""
        fault = next(one for one in lab.FAULTS if one.name == SPIKES[index % len(SPIKES)])
        fault.prepare(self.host)
        trial = lab.conditions(dataclasses.replace(fault, sizes=SIZES), self.host, index, self.options.seed)
        # The background's: other containers take CPU too, so that not all a request waited is the quota's.
        trial.busy = True
        time.sleep(1)
        with Hidden() as hidden:
            begin = time.time()
            truth = fault.inject(trial)
            end = time.time()
        fault.clean(self.host)
        time.sleep(3.5)
        rows = [row for row in self.settled(time.time() + 15)
                if instant(row["started_at"]) <= end and instant(row["ended_at"]) >= begin and row["id"] not in self.seen]
        self.seen |= {row["id"] for row in rows}
        largest = max(rows, key=lambda row: row["peak_ns"], default=None)
        result = judge(fault, truth, rows, self.read("show", largest["id"]) if largest else None, "", begin)
        found = Spike(fault, begin, end, result.wrong, f"{result.got} ({result.confidence})", bool(hidden.events))
        mark = "caught" if not found.wrong else "again, this kernel ran no probe" if found.hidden else "WRONG"
        print(f"{time.strftime('%H:%M:%S')}  {mark:7} {fault.name:30} {trial.ms} ms: {found.verdict}"
              + "".join(f"\n          {line}" for line in found.wrong), flush=True)
        return found

    def invented(self, slow: list[tuple[float, float]]) -> list[str]:
        """Incidents that belong to no spike, and to nothing a client of the background measured itself."""
        found = []
        for row in self.read("list", "-n", "1000"):
            if row["id"] in self.seen:
                continue
            # slow is on the monotonic clock.
            ago = time.time() - time.monotonic()
            begin, end = instant(row["started_at"]) - ago, instant(row["ended_at"]) - ago
            known = [latency for due, latency in slow if begin <= due <= end]
            text = (f"{row['started_at']} {row['container']['name']} {row['peak_ns'] / 1e6:.0f} ms {row['verdict']['cause']}: "
                    f"{row['verdict']['summary']}")
            if known:
                print(f"not injected, but a client waited {max(known) * 1000:.0f} ms too: {text}")
            else:
                found.append(text)
        return found

    def run(self) -> int:
        background = Background(self.host, pathlib.Path(self.options.scratch))
        began, index, wrong = time.monotonic(), 0, []
        opened = background.connections()
        until = began + self.options.minutes * 60
        try:
            while time.monotonic() + 20 < until:
                due = began + (index + 1) * self.options.every
                time.sleep(max(0, min(due, until) - time.monotonic()))
                if time.monotonic() + 12 > until:
                    break
                self.spikes.append(self.spike(index))
                index += 1
        finally:
            opened = background.connections() - opened
            minutes = (time.monotonic() - began) / 60
            slow = [(due, latency) for due, latency in background.stop() if latency * 1000 > THRESHOLD_MS]
            self.samples.stop()
        status = probes.ask(str(self.captures), "status")["status"]
        wrong += background.failures
        wrong += [f"{one.fault.name}: {'; '.join(one.wrong)}" for one in self.spikes if one.wrong and not one.hidden]
        wrong += [f"invented: {text}" for text in self.invented(slow)]
        wrong += self.samples.wrong(BUDGET)
        self.recorder.send_signal(signal.SIGINT)
        self.recorder.wait(30)
        books = [line for line in self.log.read_text().splitlines() if "stopped:" in line]
        if not books or " 0 lost, 0 unreadable, 0 unaccounted" not in books[0]:
            wrong.append("the books: " + (books[0] if books else self.log.read_text()[-500:]))
        self.report(minutes, opened, background.containers, status, books, wrong)
        return 1 if wrong else 0

    def report(self, minutes, opened, containers, status, books, wrong) -> None:
        caught = sum(not one.wrong for one in self.spikes)
        hidden = sum(bool(one.wrong) and one.hidden for one in self.spikes)
        print(f"\n{minutes:.1f} minutes, {containers} containers came and went, {opened:,} connections, {status['events']:,} events")
        print(f"spikes: {len(self.spikes)} injected, {caught} caught with their cause"
              + (f", {hidden} in which this kernel ran no probe" if hidden else ""))
        print(f"books: {books[0].split('stopped: ')[-1] if books else 'none'}; coverage {status['coverage'] * 100:.3f} %")
        rows = self.samples.rows
        if rows:
            print(" | ".join(f"{head:>12}" for head in self.samples.heads))
            for row in rows[::max(1, len(rows) // 12)] + rows[-1:]:
                print(" | ".join(f"{cell:12.1f}" if isinstance(cell, float) else f"{cell:12}" for cell in row))
            print(f"CPU: {(rows[-1][-1] - rows[0][-1]) / max(1, rows[-1][0] - rows[0][0]) * 100:.2f} % of one")
        print("all as it should be" if not wrong else "NOT as it should be:\n" + "\n".join(f"  {line}" for line in wrong))
        if self.options.json:
            pathlib.Path(self.options.json).write_text(json.dumps({
                "minutes": minutes, "containers": containers, "connections": opened, "wrong": wrong, "heads": self.samples.heads,
                "samples": rows, "events": status["events"], "spikes": [
                    {"fault": one.fault.name, "wrong": one.wrong, "verdict": one.verdict, "hidden": one.hidden} for one in self.spikes],
            }, indent=1) + "\n")

    def close(self) -> None:
        if self.recorder.poll() is None:
            self.samples.stop()
            self.recorder.kill()
            self.recorder.wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("flightrec")
    parser.add_argument("scratch", help=argparse.SUPPRESS)
    parser.add_argument("minutes", type=float, nargs="?", default=60)
    parser.add_argument("--every", type=float, default=180, help="seconds between spikes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", help="figures as JSON")
    options = parser.parse_args()
    if options.minutes * 60 < options.every + 30 or options.every < 15:
        parser.error("MINUTES must hold one spike and 30 s more; --every is 15 s or more, for a capture to be whole")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    host = Host(pathlib.Path(tempfile.mkdtemp(prefix="flightrec-soak-")))
    soak = None
    try:
        soak = Soak(options, host)
        # The clients of the lab's faults.
        host.start("client", "/bin/busybox", "sleep", "864000")
        return soak.run()
    finally:
        if soak:
            soak.close()
        for wire in network.wires:
            wire.close()
        remove_guests()
        host.close()


if __name__ == "__main__":
    sys.exit(main())
