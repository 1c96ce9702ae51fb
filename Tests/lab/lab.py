"""The fault lab: real containers, real faults, and what flightrec says of each against what was done.

Prints a line a trial and the confusion matrix. Ends with 1 when a plain case was judged wrong, or any case wrong with high
confidence.
"""

import argparse
import fnmatch
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import zlib

import applications
import bridge
import chains
import healthy
import network
import softirq
from hidden import Hidden
from host import Host, processor_times, stolen_ms
from recorder import Recorder
from trial import Fault, Result, Trial, judge

#: Idle part of all CPUs. On a machine with nothing else to do, no fault leaves less than 45 % of two.
NOT_DISTURBED = 0.35

FAULTS: list[Fault] = applications.FAULTS + chains.FAULTS + bridge.FAULTS + softirq.FAULTS + network.FAULTS


def conditions(fault: Fault, host: Host, index: int, seed: int) -> Trial:
    """Sizes, loads, families and styles, varied over the trials and the same for the same seed."""
    draw = random.Random(f"{seed} {fault.name} {index}")
    low, high = fault.sizes
    ms = int(low * (high / low) ** draw.random())
    # Each fault begins elsewhere, so that one trial of all of them has something of everything.
    turn = index + zlib.crc32(fault.name.encode())
    return Trial(host, ms, fault.families[turn % len(fault.families)], fault.busy and index % 2 == 1,
                 fault.styles[turn % len(fault.styles)], fault.variants[turn // 2 % len(fault.variants)], draw)


def background(trial: Trial, servers: list[str]) -> list[subprocess.Popen]:
    """Other clients' requests while the fault lasts."""
    if not trial.busy:
        return []
    return [trial.host.client("neighbour", "load", trial.host.address(server, trial.family), "80", "6", "30")
            for server in servers]


def attempt(fault: Fault, host: Host, index: int, options: argparse.Namespace) -> Result:
    """One trial. A wrong one is tried again, twice at most, when other work of this machine's had the CPUs meanwhile: then more
    was done to the request than what was injected; or when this kernel kept events of TCP from every BPF program."""
    for left in (2, 1, 0):
        with Hidden() as hidden:
            result, disturbed = attempt_once(fault, host, index, options)
        if not result.wrong or not (disturbed or hidden.events) or not left:
            return result
        if disturbed:
            print("       again: this machine was busy with other work", flush=True)
            await_calm(20)
        else:
            print(f"       again: this kernel ran no probe in {hidden.events[0][:200]}", flush=True)
    raise AssertionError


def await_calm(seconds: int) -> None:
    """Returns when the CPUs were idle enough for a second, or after so many."""
    for _ in range(seconds):
        idle_before, all_before = processor_times()
        time.sleep(1)
        idle, all_times = processor_times()
        if idle - idle_before >= 2 * NOT_DISTURBED * (all_times - all_before):
            return


def attempt_once(fault: Fault, host: Host, index: int, options: argparse.Namespace) -> tuple[Result, bool]:
    """Its result, and whether other work had the CPUs, this machine's or its host's."""
    trial = conditions(fault, host, index, options.seed)
    began = time.monotonic()
    directory = host.scratch / "captures"
    threshold = max(30, int(trial.ms * fault.threshold))
    # Other containers of this machine, of daemons of their own, are none of the lab's concern.
    own = [word for name in host.names() for word in ("--container", name)]
    recorder = Recorder(options.flightrec, directory, host.socket, f"{threshold}ms", *fault.options, *own)
    others: list[subprocess.Popen] = []
    try:
        others = background(trial, [fault.loaded(trial.variant)])
        time.sleep(0.5)
        idle_before, all_before = processor_times()
        stolen_before = stolen_ms()
        truth = fault.inject(trial)
        idle, all_times = processor_times()
        stolen = max(after - before for after, before in zip(stolen_ms(), stolen_before))
        disturbed = (idle - idle_before) < NOT_DISTURBED * (all_times - all_before) or stolen > 0.05 * trial.ms
        time.sleep(0.3)
        books = recorder.stop()
        incidents = recorder.list()
        largest = max(incidents, key=lambda row: row["peak_ns"], default=None)
        show = recorder.show(largest["id"]) if largest else None
        result = judge(fault, truth, incidents, show, books, began, stolen_ms=stolen)
    finally:
        recorder.kill()
        for process in others:
            process.terminate()
            process.wait()
        fault.clean(host)
    if options.keep and (result.wrong or options.keep_all):
        kept = pathlib.Path(options.keep) / f"{fault.name}-{index}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(directory, kept, ignore=shutil.ignore_patterns("*.sock"))
    what = f"{trial.ms} ms, IPv{trial.family}, {'busy' if trial.busy else 'quiet'}, {trial.style} {trial.variant}"
    if stolen >= 10:
        what = f"{what.rstrip()}, {stolen:.0f} ms of a CPU stolen"
    mark = "wrong" if result.wrong else "right"
    print(f"{mark}  {fault.name:28} {what:48} {result.got} ({result.confidence})  {result.seconds:.0f} s", flush=True)
    if result.wrong:
        for line in [*result.wrong, result.text]:
            print(f"         {line}", flush=True)
    return result, disturbed


def matrix(results: list[Result]) -> None:
    """Rows: what was done. Columns: what was said, with how many of them high, medium and low."""
    print("\nfault                        is              said (high/medium/low)")
    for name in dict.fromkeys(result.fault.name for result in results):
        mine = [result for result in results if result.fault.name == name]
        said = {}
        for result in mine:
            counts = said.setdefault(result.got, {"high": 0, "medium": 0, "low": 0, "-": 0})
            counts[result.confidence] += 1
        text = ", ".join(f"{cause} ×{sum(c.values())} ({c['high']}/{c['medium']}/{c['low']})" for cause, c in said.items())
        right = sum(not result.wrong for result in mine)
        print(f"{name:28} {mine[0].fault.cause:15} {text}   {right} of {len(mine)} right")
    unexplained = [result.unexplained for result in results]
    apart = [abs(result.disagreement_ms) for result in results if result.disagreement_ms is not None]
    if unexplained:
        print(f"\nunexplained: median {statistics.median(unexplained):.2%}, worst {max(unexplained):.2%}")
    if apart:
        print(f"against the injected time: median {statistics.median(apart):.1f} ms apart, worst {max(apart):.1f} ms")


def failed(result: Result) -> bool:
    return bool(result.wrong) and (result.fault.plain or result.confidence == "high")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("flightrec")
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--fault", action="append", help="only these (shell patterns)")
    parser.add_argument("--list", action="store_true", help="the faults and their causes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="a directory for the captures of wrong trials")
    parser.add_argument("--keep-all", action="store_true", help="with --keep: those of right trials too")
    parser.add_argument("--healthy", type=int, default=600, help="seconds of mixed healthy load at the end; 0: none")
    options = parser.parse_args()
    chosen = [f for f in FAULTS if not options.fault or any(fnmatch.fnmatch(f.name, p) for p in options.fault)]
    if options.list:
        for fault in chosen:
            print(f"{fault.name:28} {fault.cause}{'' if fault.plain else '  (not plain)'}")
        return 0
    for stop in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, lambda *_: sys.exit(143))
    host = Host(pathlib.Path(tempfile.mkdtemp(prefix="flightrec-lab-")))
    results: list[Result] = []
    broken = False
    try:
        for fault in chosen:
            try:
                # What ran before stays where it is wanted as it is, but for what may have gone wrong in it.
                if broken or (results and results[-1].wrong):
                    host.remove_all()
                for name in ("client", "neighbour"):
                    host.start(name, "/bin/busybox", "sleep", "86400")
                fault.prepare(host)
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                print(f"could not prepare {fault.name}: {error}", flush=True)
                broken = True
                continue
            for index in range(options.trials):
                try:
                    results.append(attempt(fault, host, index, options))
                except (RuntimeError, OSError, ValueError, subprocess.SubprocessError) as error:
                    print(f"broken {fault.name}: {error}", flush=True)
                    broken = True
        if options.healthy and (not options.fault or "healthy" in options.fault):
            broken = not healthy.run(host, options.flightrec, options.healthy) or broken
    finally:
        for wire in network.wires:
            wire.close()
        host.close()
    matrix(results)
    return 1 if broken or any(failed(result) for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
