"""A part of the fault lab (Tests/lab) and netem's faults in the virtual machine, one trial of each.

Prints a line a trial for the host to show, and one for its table. Usage: trials.py RUNG FLIGHTREC
"""

import dataclasses
import datetime
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).parent.parent / "lab"))

import applications  # noqa: E402
import bridge  # noqa: E402
import chains  # noqa: E402
import netem  # noqa: E402
import network  # noqa: E402
from lab import conditions  # noqa: E402
from place import Place  # noqa: E402
from recorder import Recorder  # noqa: E402
from trial import Fault, Result, Truth, judge  # noqa: E402
from host import run  # noqa: E402
from wire import HERE, NAMESPACE  # noqa: E402

#: Those that need neither Docker nor a second CPU nor a disk, at least one of every layer.
NAMES = ("handler sleeps", "handler computes", "handler waits for a lock", "container paused in a request", "process stopped", "CPU quota",
         "chain, sleep", "reader stops", "request lost once", "long path", "remote peer slow")
#: Told by hooks that stand on the same rung wherever they can: once is enough.
ONCE = ("handler computes", "handler waits for a lock", "process stopped", "long path", "remote peer slow")
#: Trials in one recording: of one container it tells six incidents in ten minutes.
TOGETHER = 5
#: Seconds a capture keeps, before and after.
AROUND = 1.5
#: Emulated, a request to a service that is warm takes longer than the threshold of a short fault would be.
SIZES = {"handler sleeps": (400, 800), "handler computes": (400, 800), "handler waits for a lock": (400, 800), "chain, sleep": (400, 800),
         "container paused in a request": (400, 800), "process stopped": (400, 800), "CPU quota": (800, 1200), "reader stops": (600, 900)}


def two(host: Place) -> None:
    """The chain's first and last container."""
    host.service("db")
    host.service("api", downstream=host.addresses("db"))


def faults(rung: str) -> list[Fault]:
    known = {fault.name: fault for fault in applications.FAULTS + chains.FAULTS + bridge.FAULTS + network.FAULTS}
    chosen = [dataclasses.replace(known[name], sizes=SIZES.get(name, known[name].sizes), busy=False) for name in NAMES if rung == "tp_btf" or name not in ONCE]
    for index, fault in enumerate(chosen):
        if fault.tail:
            chosen[index] = dataclasses.replace(fault, prepare=two, variants=("two",))
    return chosen + netem.FAULTS


@dataclasses.dataclass
class Attempt:
    fault: Fault
    truth: Truth
    #: From when to when, by the wall clock.
    began: float
    ended: float


def attempt(fault: Fault, host: Place, recorder: Recorder) -> Attempt:
    """One trial; what was caught is read when the recorder has ended."""
    began = time.time()
    # What is slow while containers start is no fault.
    recorder.set("1m")
    fault.prepare(host)
    if network.wires: # no address is translated here
        run("ip", "-n", NAMESPACE, "route", "replace", "172.30.1.0/24", "via", HERE[4])
    trial = conditions(fault, host, 0, 1)
    trial.style = "keep-alive"
    recorder.set(f"{max(60, int(trial.ms * fault.threshold))}ms")
    try:
        truth = fault.inject(trial)
        # Its incident ends with what it keeps of afterwards, and takes in no more.
        time.sleep(AROUND + 0.3)
    finally:
        fault.clean(host)
    return Attempt(fault, truth, began, time.time())


def started(incident: dict) -> float:
    return datetime.datetime.fromisoformat(incident["started_at"]).timestamp()


def told(rung: str, result: Result, truth: Truth, show: dict | None) -> bool:
    """Prints one trial, and returns whether it went well."""
    measured = f"{show['turn']['total_ns'] / 1e6:.0f}" if show else "-"
    waited = f"{truth.client_ms:.0f}" if truth.client_ms is not None else "-"
    print(f"guest: {'FAIL ' if result.wrong else ''}{rung}: {result.fault.name}: client {waited} ms, recorded {measured} ms, {result.got}"
          f" ({result.confidence}), {result.seconds:.0f} s", flush=True)
    print("\t".join(["guest: result", pathlib.Path("/proc/sys/kernel/osrelease").read_text().strip(), rung, "fault", result.fault.name,
                     result.fault.cause, result.got, result.confidence, waited, measured, "wrong" if result.wrong else "right"]), flush=True)
    for line in [*result.wrong, result.text] if result.wrong else []:
        print(f"guest:   {line}", flush=True)
    return not result.wrong


def recording(rung: str, host: Place, chosen: list[Fault], flightrec: str) -> bool:
    """Some trials, one after the other, in one recording: under emulation a start costs as much as all of them. Whether all went well."""
    well = True
    recorder = Recorder(flightrec, host.scratch / "captures", host.socket, "1m", around=f"{AROUND}s")
    attempts = []
    try:
        for fault in chosen:
            try:
                attempts.append(attempt(fault, host, recorder))
            except (RuntimeError, OSError, ValueError, subprocess.SubprocessError) as error:
                print(f"guest: FAIL {rung}: {fault.name}: {error}", flush=True)
                well = False
        books = recorder.stop()
        incidents = recorder.list()
        for one in attempts:
            own = [row for row in incidents if one.began <= started(row) < one.ended]
            largest = max(own, key=lambda row: row["peak_ns"], default=None)
            show = recorder.show(largest["id"]) if largest else None
            result = judge(one.fault, one.truth, own, show, books, 0)
            well &= told(rung, dataclasses.replace(result, seconds=one.ended - one.began), one.truth, show)
            incidents = [row for row in incidents if row not in own]
        for row in incidents:
            print(f"guest: FAIL {rung}: of no trial: {row['container']['name']} {row['peak_ns'] / 1e6:.0f} ms at {row['started_at']}", flush=True)
            well = False
    finally:
        recorder.kill()
    return well


def main() -> int:
    rung, flightrec = sys.argv[1:]
    host = Place(pathlib.Path(tempfile.mkdtemp(prefix="lab-")))
    host.start("client", "/bin/sleep", "86400")
    chosen, well = faults(rung), True
    for first in range(0, len(chosen), TOGETHER):
        try:
            well &= recording(rung, host, chosen[first:first + TOGETHER], flightrec)
        except (RuntimeError, OSError, ValueError, subprocess.SubprocessError) as error:
            print(f"guest: FAIL {rung}: {error}", flush=True)
            well = False
    for wire in network.wires:
        wire.close()
    host.close()
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
