"""Curves of what recording takes: see Tests/bench/scale."""

import argparse
import pathlib
import signal
import sys
import time

import report
from setting import Containers, Load, prepare
from watched import Recorder
import probes

HERE = pathlib.Path(__file__).parent
#: Requests a second while containers or sockets are varied.
RATE = 5000
CURVES = {
    # name: (what is varied, its values, --quick's, (containers, connections, new connections a second))
    "containers": ("containers", [10, 100, 300, 1000], [5, 10], lambda n: (n, 8 * n, None)),
    "sockets": ("open sockets", [1000, 10_000, 30_000, 100_000], [200, 1000], lambda n: (100, n // 2, None)),
    "churn": ("new connections/s", [1000, 3000, 5000, 10_000], [50, 200], lambda n: (100, None, n)),
}


def point(flightrec, containers, connections, rate, seconds):
    """One recorder under one setting, and what it took."""
    servers = Containers(containers)
    load = recorder = None
    try:
        # Half of what is there is older than the recorder and must be adopted.
        if connections:
            load = Load("hold", containers, RATE, connections)
        recorder = Recorder(flightrec)
        if not load:
            load = Load("churn", containers, rate)
        time.sleep(3)
        first, cpu, begin = recorder.status(), probes.cpu_time(recorder.process.pid), time.monotonic()
        time.sleep(seconds)
        last, spent = recorder.status(), probes.cpu_time(recorder.process.pid) - cpu
        took = time.monotonic() - begin
        resident, most = recorder.resident()
        found = {
            "cpu": spent / took / 1e9, "resident": resident, "most": most, "window": last["windowBytes"],
            "events": (last["events"] - first["events"]) / took, "lost": last["lost"], "known": last["sockets"],
            "kernel": recorder.kernel_memory(), "maps": sum(m["bytes_memlock"] for m in recorder.maps()),
            "walk": recorder.walk("walk_sockets"), "descriptors": recorder.descriptors(),
            "coverage": last["coverage"],
        }
        found["sent"], found["answered"], found["broken"], found["rate"] = load.stop()
        load = None
        servers.stop()
        servers = None
        # What was for sockets that are gone must be gone.
        time.sleep(3)
        found["kernel_after"] = recorder.kernel_memory()
        found["all_maps"] = recorder.maps()
        found["books"] = recorder.stop()
        recorder = None
        return found
    finally:
        if load:
            load.stop()
        if servers:
            servers.stop()
        if recorder:
            recorder.stop()


def main():
    parser = argparse.ArgumentParser(prog="scale", description=__doc__)
    parser.add_argument("flightrec")
    parser.add_argument("--curves", type=lambda text: text.split(","), default=list(CURVES))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    for name in options.curves:
        if name not in CURVES:
            parser.error(f"--curves {name}: choose from {', '.join(CURVES)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    prepare()
    for name in options.curves:
        title, values, quick, setting = CURVES[name]
        rows = []
        for value in quick if options.quick else values:
            found = point(options.flightrec, *setting(value), 2 if options.quick else options.seconds)
            rows.append((value, found))
            print(report.line(title, value, found), flush=True)
        if options.table:
            report.merge(HERE.parent, name, title, rows, options.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
